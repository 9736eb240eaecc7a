"""`make checkpoint`, tiny: from photos to a checkpoint in two rounds, killed on the way, changed and released."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from stranger_files import COUNT, STEPS, arguments, planned, write_stranger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from handpose import HandEstimator, load_photo
from handpose.network.hand_network import HandNetwork
from train import bake_hand, fit_hands, make_checkpoint, release
from train.learning.recipe import Recipe
from train.make_checkpoint import FILES
from train.rounds.log import sittings
from train.second_opinion import agreed

ROOT = Path(__file__).parent.parent
TEST_COUNT = 6


def make(folder: Path) -> subprocess.Popen:
    """`make checkpoint` in the repository with everything that it writes below `folder`."""
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.Popen(
        ["make", "-C", ROOT, f"--old-file={folder}/venv/.train-ready", "checkpoint", f"VENV={folder}/venv",
         f"BIN={Path(sys.executable).parent}", f"RECIPE={folder}/tiny.yaml", f"OUT={folder}/out", f"WORK={folder}/work",
         f"PHOTOS={folder}/photos", f"BACKGROUNDS={folder}/walls", f"COUNT={COUNT}", f"STEPS={STEPS}", "DEVICES=1",
         "WORKERS=1"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        start_new_session=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A stranger's folder, and all that `make` made of it, which was killed in the middle of the first round's
    training; then the command that `make` runs."""
    if not shutil.which("make"):
        pytest.skip("needs make")
    folder = tmp_path_factory.mktemp("pipeline")
    write_stranger(folder)
    running = make(folder)
    while running.poll() is None and not list(folder.glob("work/run_1-*/state.pt")):
        time.sleep(0.1)
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
    said = running.communicate()[0]
    assert running.returncode == -signal.SIGKILL and not list(folder.glob("work/run_1-*/made_from.json")), said
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the command has it
    make_checkpoint.main(arguments(folder, "run.save_minutes=3.0"))  # which changes nothing of what is made
    torch.set_num_threads(threads)
    return folder


def stage(folder: Path, name: str) -> Path:
    found, = (folder / "work").glob(f"{name}-*")
    return found


def test_a_killed_round_goes_on_and_its_loss_falls(made):
    run = stage(made, "run_1")
    first, second = (entry for entry in sittings(made / "work" / "log.jsonl", [run.name]))
    assert first["state"] in ("begun", "at work") and second["state"] == "done" and 0 < second["seconds"]
    curves = EventAccumulator(str(run / "curves")).Reload()
    total = {event.step: event.value for event in curves.Scalars("train/total")}
    assert sorted(total) == list(range(2, STEPS + 1, 2)) and total[STEPS] < 0.9 * total[2]
    starts = [event.step for event in EventAccumulator(str(run / "curves")).Reload().Images("labels")]
    assert starts == [0]  # it went on, and did not begin anew


def test_what_was_held_out_stayed_out(made):
    renders = {name: stage(made, name) / "images" for name in ("renders_1", "renders_2", "test_renders")}
    notes = {name: json.loads((folder / "made_from.json").read_text()) for name, folder in renders.items()}
    assert notes["renders_1"]["without"] == notes["renders_2"]["without"] == notes["test_renders"]["only"] == ["garden"]
    walls = {name: {text.split()[0] for text in note["backgrounds"]} for name, note in notes.items()}
    assert walls["renders_1"] == walls["renders_2"] == {"0.jpg", "1.jpg", "2.jpg", "3.jpg"}
    assert walls["test_renders"] == {"4.jpg"}
    counts = [len(list((folder / "training" / "rgb").glob("*.jpg"))) for folder in renders.values()]
    assert counts == [COUNT, COUNT, TEST_COUNT]
    assert {Image.open(path).size for folder in renders.values() for path in folder.rglob("*.jpg")} == {(136, 136)}
    same = [(folder / "training" / "rgb" / "00000000.jpg").read_bytes() for folder in renders.values()]
    assert len(set(same)) == 3


def test_the_second_round_learns_from_what_the_first_one_s_network_says(made):
    before, after = (np.load(stage(made, name) / "labels.npz") for name in ("labels", "opinion_2"))
    assert set(after.files) - set(before.files) == {"weight"}
    known = agreed(before)
    assert known.any() and all(np.array_equal(before[name][known], after[name][known])
                                for name in ("points", "side", "spread", "fname"))
    assert not np.isclose(before["world"], after["world"]).all((1, 2))[known].any()
    recipe = Recipe.load(stage(made, "run_2") / "recipe.yaml")
    assert recipe.start_from == str(stage(made, "run_1") / "handpose")
    assert str(stage(made, "opinion_2")) in (stage(made, "run_2") / "recipe.yaml").read_text()
    assert json.loads((stage(made, "fits_2") / "made_from.json").read_text())["options"] == {"world_weight": 8.0}


def test_the_checkpoint_predicts_and_says_how_it_was_made(made):
    out = made / "out"
    assert {path.name for path in out.iterdir()} == FILES
    assert HandNetwork.from_pretrained(out).config.backbone == "resnet18"
    of_run = stage(made, "run_2") / "handpose" / "model.safetensors"
    assert (out / "model.safetensors").read_bytes() == of_run.read_bytes()
    written = (out / "evaluation.txt").read_text()
    assert f"Renders, {TEST_COUNT} hands" in written and "Photo sets" in written
    note = {name.rpartition("-")[0]: of for name, of in json.loads((out / "made_from.json").read_text()).items()}
    assert note["renders_2"]["options"]["count"] == COUNT and note["run_2"]["options"]["run"]["steps"] == STEPS
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [entry["stage"].rpartition("-")[0] for entry in entries].count("run_1") == 2
    assert {entry["stage"] for entry in entries} == set(json.loads((out / "made_from.json").read_text()))
    assert all(entry["cores"] == os.cpu_count() and entry["processor"] for entry in entries)
    assert HandEstimator.load(out)(load_photo(ROOT / "tests" / "data" / "hand_right.jpg")).width == 512


def test_a_second_call_makes_nothing(made):
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    running = make(made)
    said = running.communicate()[0]
    assert running.returncode == 0 and "is made of just this already" in said, said
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before


TRAINED = {"run_1", "evaluation_1"}
SECOND = {"opinion_2", "fits_2", "renders_2", "landmarks_2", "run_2", "evaluation_2"}
RENDERED = {"renders_1", "landmarks_1"}
TESTED = {"test_renders", "test_landmarks"}


@pytest.mark.parametrize("changes, expected", [
    ((), set()), (("rounds=1",), set()), (("run.workers=2", "run.log_steps=5", "run.validate_steps=3"), set()),
    (("rounds=3",), {"opinion_3", "fits_3", "renders_3", "landmarks_3", "run_3", "evaluation_3"}),
    (("renders=25",), RENDERED | TRAINED | SECOND), (("test_renders=7",), TESTED | {"evaluation_1", "evaluation_2"}),
    (("run.steps=25",), TRAINED | SECOND), (("run.losses.pose=1",), TRAINED | SECOND),
    (("photo_share=0.4",), TRAINED | SECOND), (("world_weight=7",), SECOND - {"opinion_2"}),
    *(((change,), RENDERED | TESTED | TRAINED | SECOND) for change in ("held_out=[kitchen]", "render_size=192"))],
    ids=lambda value: str(value) * isinstance(value, tuple))
def test_what_depends_on_an_option_is_made_anew(made, capsys, changes, expected):
    assert planned(capsys, arguments(made, *changes)) == expected


def test_what_depends_on_a_folder_is_made_anew(made, tmp_path, capsys):
    for name in ("photos", "walls"):
        shutil.copytree(made / name, tmp_path / name)
    given = [*arguments(made), "--photos", str(tmp_path / "photos"), "--backgrounds", str(tmp_path / "walls")]
    assert planned(capsys, [*given, "--workers", "5"]) == set()
    shutil.copy(tmp_path / "walls" / "1.jpg", tmp_path / "walls" / "9.jpg")
    drawn = {"backgrounds"} | RENDERED | TESTED | TRAINED | SECOND
    assert planned(capsys, given) == drawn
    (tmp_path / "walls" / "9.jpg").unlink()
    with np.load(tmp_path / "photos" / "kitchen" / "labels.npz") as file:
        labels = dict(file)
    np.savez(tmp_path / "photos" / "kitchen" / "labels.npz", **labels | {"flip_err": labels["flip_err"] + 0.01})
    assert planned(capsys, given) == drawn - {"backgrounds"} | {"photos", "labels", "fits_1"}


def test_make_hand_learns_from_the_labels_that_are_not_held_out(made, tmp_path, monkeypatch):
    fit = fit_hands.fit_labels
    monkeypatch.setattr(fit_hands, "fit_labels", partial(fit, steps=2))
    monkeypatch.setattr(bake_hand, "JOINT_OFFSETS", tmp_path / "joint_offsets.json")
    monkeypatch.setattr(bake_hand, "OPEN_HAND", tmp_path / "hand.npz")
    monkeypatch.setattr(bake_hand, "bake", lambda count, seed: {"offsets": np.array(
        json.loads(bake_hand.JOINT_OFFSETS.read_text())["offsets_mm"])})  # needs what make installs, and minutes
    make_checkpoint.main([*arguments(made), "--hand"])
    with np.load(tmp_path / "hand.npz") as hand:
        assert hand["offsets"].shape == (21, 3)
    assert json.loads((stage(made, "joint_offsets") / "made_from.json").read_text())["options"] == {
        "without": ["garden"]}


def test_release_copies_the_checkpoint_and_writes_its_card(made, tmp_path, capsys):
    shutil.copytree(ROOT / "checkpoints", tmp_path / "card")
    card = tmp_path / "card" / "README.md"
    real = card.read_text()
    with pytest.raises(SystemExit):  # the real card names photos with true joints, which were not measured on
        release.main([str(made / "out"), "--to", str(card.parent)])
    assert "lacks the table 'Photos with true 3D joints'" in capsys.readouterr().err and card.read_text() == real
    numbers = json.loads((made / "out" / "evaluation.json").read_text())
    named = {title.strip() for titles in release.PLACE.findall(real) if titles[1] == "numbers"
             for title in titles[2].split(";")}
    assert named - {"Photos with true 3D joints"} <= set(numbers)

    card.write_text("# Card\n<!-- numbers:begin Renders; Renders by skin tone -->\nold\n<!-- numbers:end -->\nbetween\n"
                    "<!-- log:begin -->\n<!-- log:end -->\nafter\n")
    for _ in range(2):  # the places are still there
        release.main([str(made / "out"), "--to", str(card.parent)])
    text = card.read_text()
    error = numbers["Renders"]["with landmarks"]["PA-MPJPE"]
    row = next(line for line in text.splitlines() if line.startswith("| with landmarks"))
    assert f" {error:.1f} |" in row and "old" not in text and text.count("Renders by skin tone:") == 1
    assert "| run_1 " in text and text.startswith("# Card\n<!--") and text.endswith("<!-- log:end -->\nafter\n")
    assert "between" in text
    for name in ("model.safetensors", "config.json", "network.onnx", "renders.jpg"):
        assert (card.parent / name).read_bytes() == (made / "out" / name).read_bytes()
    with pytest.raises(SystemExit):
        release.main([str(made / "work"), "--to", str(card.parent)])
    assert "name a folder that train.make_checkpoint wrote" in capsys.readouterr().err
