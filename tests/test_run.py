"""The training command: stopped, killed and resumed, on one process and on two, and what it refuses."""
import os
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from keypoint_files import write_keypoints
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from handpose.network.hand_network import HandNetwork
from train import run as train_run
from train.learning import trainer
from train.learning.batch_norm import synchronise
from train.learning.recipe import Recipe

STEPS = 8
STOP_AT = 3  # after the warm-up: the schedule has its own part in the state then
# On so small images a deeper backbone makes much of rounding: two processes and one then part within a few steps.
TINY = {"backbone": "resnet18", "input_size": 64, "token_width": 12, "token_layers": 1, "pyramid_channels": 16,
        "lifter_width": 32, "lifter_blocks": 1}


@pytest.fixture(scope="module")
def recipe(rendered, tmp_path_factory):
    """Renders, the same in FreiHAND's layout, and hands of which joints alone are known; and no hands without an image,
    so that some of the network's parameters take no part."""
    folder = tmp_path_factory.mktemp("recipe")
    write_keypoints(folder / "mine")
    (folder / "tiny.yaml").write_text(yaml.safe_dump({
        "network": TINY, "steps": STEPS, "batch": 8, "group": 4, "warm_up": 1, "rate": 2e-4, "precision": "32-true",
        "save_minutes": 0.0, "log_steps": 1, "validate_steps": 4,
        "data": {"backgrounds": [str(rendered / "backgrounds")], "mirrored": 0.3, "sources": [
            {"kind": "renders", "folder": str(rendered / "renders"), "validation": 4, "share": 2,
             "landmarks": str(rendered / "landmarks.npz")},
            {"kind": "freihand", "path": str(rendered / "renders")},
            {"kind": "keypoints", "folder": str(folder / "mine"), "validation": 1}]}}))
    return folder / "tiny.yaml"


SELDOM_SAVED = ("--set", "save_minutes=9")


def main(recipe, out, *more):
    """In this process."""
    train_run.main([str(recipe), "--out", str(out), "--devices", "1", *map(str, more)])


def refused(capsys, *arguments) -> str:
    """The sentence that says so, and nothing but it."""
    with pytest.raises(SystemExit) as ended:
        main(*arguments)
    said = capsys.readouterr().err.strip().splitlines()
    assert ended.value.code == 1 and said[-1].endswith(".") and not any("Traceback" in line for line in said)
    return said[-1]


@pytest.fixture(scope="module")
def unbroken(recipe, tmp_path_factory):
    out = tmp_path_factory.mktemp("unbroken") / "run"
    main(recipe, out, *SELDOM_SAVED)
    return out


def losses(out):
    events = EventAccumulator(str(out / "curves")).Reload()
    return {event.step: event.value for event in events.Scalars("train/total")}


def weights(out):
    return load_file(out / "handpose" / "model.safetensors")


def saved_step(out):
    return torch.load(out / "state.pt", weights_only=True)["step"] if (out / "state.pt").is_file() else 0


def interrupt(recipe, out, devices, number) -> int:
    """Starts the command, sends all its processes a signal in the middle, and returns the exit code."""
    command = [sys.executable, "-m", "train.run", str(recipe), "--out", str(out), "--devices", str(devices)]
    with open(out.with_suffix(".log"), "w") as log:
        process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log,
                                   start_new_session=True)
        states = set()  # each is a new file
        while len(states) < STOP_AT:
            assert process.poll() is None, out.with_suffix(".log").read_text()[-3000:]
            states |= {(out / "state.pt").stat().st_mtime_ns} if (out / "state.pt").exists() else set()
            time.sleep(0.02)
        os.killpg(process.pid, number)
        process.wait()
    return process.returncode


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    flat, others = (torch.cat([values[key].float().flatten() for key in one]) for values in (one, other))
    # Adam makes much of little: what was rounding in a small gradient is seen in a weight that has hardly moved.
    assert (flat - others).norm() < 0.01 * flat.norm()


def test_two_processes_train_as_one_and_stop_together(recipe, unbroken, tmp_path):
    """All of them are told to stop, as by a machine that will soon be gone, and one device alone goes on."""
    out = tmp_path / "run"
    assert interrupt(recipe, out, 2, signal.SIGTERM) == 128 + signal.SIGTERM
    step, together, alone = saved_step(out), losses(out), losses(unbroken)
    assert STOP_AT <= step < STEPS, "it was told too late for this test to tell anything"
    assert f"Stopped by SIGTERM after step {step} of {STEPS}, which is saved" in out.with_suffix(".log").read_text()
    assert set(together) == set(range(1, step + 1))
    assert np.allclose([*together.values()], [alone[number] for number in together], rtol=2e-3)
    main(recipe, out, "--resume", *SELDOM_SAVED)
    assert np.allclose(losses(out)[STEPS], alone[STEPS], rtol=2e-3)
    assert_same_weights(weights(unbroken), weights(out))


def test_a_killed_run_ends_as_an_unbroken_one(recipe, unbroken, tmp_path):
    out = tmp_path / "run"
    assert interrupt(recipe, out, 1, signal.SIGKILL) == -signal.SIGKILL
    assert STOP_AT <= saved_step(out) < STEPS, "it was killed too late for this test to tell anything"
    main(recipe, out, "--resume", *SELDOM_SAVED)
    assert np.allclose(losses(out)[STEPS], losses(unbroken)[STEPS], rtol=1e-3)
    assert_same_weights(weights(unbroken), weights(out))


def test_ctrl_c_saves_and_what_may_change_on_the_way_may(recipe, tmp_path, monkeypatch, capsys):
    log = trainer.Trainer._log

    def interrupted(self, *arguments):
        log(self, *arguments)
        if self.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
    monkeypatch.setattr(trainer.Trainer, "_log", interrupted)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(SystemExit) as ended:
        main(recipe, tmp_path / "run")
    assert ended.value.code == 128 + signal.SIGINT and saved_step(tmp_path / "run") == 2
    assert "Stopped by SIGINT after step 2 of 8, which is saved: go on with --resume." in capsys.readouterr().out
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    main(recipe, tmp_path / "run", "--resume", "--steps", 3, "--set", "log_steps=2", "workers=2")
    assert "Changed since the run began: steps: 8, now 3; workers: 1, now 2; log_steps: 1, now 2." \
        in capsys.readouterr().out
    assert saved_step(tmp_path / "run") == Recipe.load(tmp_path / "run" / "recipe.yaml").steps == 3


def test_a_run_leaves_what_its_help_says(unbroken, recipe):
    usual = unbroken / "usual"
    usual.touch()
    for file in ("state.pt", "recipe.yaml", "handpose/config.json", "handpose/model.safetensors",
                 "handpose/network.onnx", "best/model.safetensors", "sanity.jpg"):
        state = (unbroken / file).stat()
        assert state.st_size > 100
        assert stat.S_IMODE(state.st_mode) == stat.S_IMODE(usual.stat().st_mode), file
    usual.unlink()
    assert Recipe.load(unbroken / "recipe.yaml") == Recipe.load(recipe, SELDOM_SAVED[1:])
    assert {path.name for path in unbroken.iterdir()} == {"state.pt", "recipe.yaml", "handpose", "best", "sanity.jpg",
                                                          "curves"}


def test_a_run_is_not_written_over(recipe, unbroken, capsys):
    before = {path: path.stat().st_mtime_ns for path in unbroken.rglob("*")}
    assert "holds a run already: go on with it by --resume" in refused(capsys, recipe, unbroken)
    assert {path: path.stat().st_mtime_ns for path in unbroken.rglob("*")} == before


@pytest.mark.parametrize("change, words", [
    ("network.backbone=resnet34", "network.backbone (was resnet18, is resnet34)"),
    ("data.sources.0.share=3", "data.sources.0.share (was 2.0, is 3.0)"), ("seed=1", "seed (was 0, is 1)"),
    ("data.backgrounds=[]", "data.backgrounds"), ("batch=16", "batch (was 8, is 16)"),
    ("rate=5e-4", "rate (was 0.0002"),
    ("losses.pose=3", "losses.pose"), ("start_from=x", "start_from (was None, is x)")])
def test_another_recipe_does_not_go_on_with_a_run(recipe, unbroken, capsys, change, words):
    said = refused(capsys, recipe, unbroken, "--resume", "--set", change)
    assert words in said and "name another folder" in said


def test_changes_take_the_place_of_the_recipes_options(recipe):
    changed = Recipe.load(recipe, ["data.sources.0.validation=8", "rate=0.5", "network.backbone=resnet34"])
    assert (changed.data.sources[0].validation, changed.rate, changed.network.backbone) == (8, 0.5, "resnet34")
    with pytest.raises(ValueError, match="colour"):
        Recipe.load(recipe, ["colour=red"])


@pytest.mark.parametrize("more, words", [
    (["--set", "steps=ten"], "steps: Input"), (["--steps", "-3"], "steps: Input"),
    (["--set", "start_from=nowhere"], "no checkpoint folder nowhere"),
    (["--set", "start_from=checkpoints"], "is of another network, with backbone resnet50-half and"),
    (["--set", "warm_start=nowhere.whl"], "No weights to begin with at nowhere.whl"),
    (["--set", "group=3"], "groups of 3 do not make up a batch of 8 on 1 device:"),
    (["--set", "data.sources.1.path=gone.zip", "group=3"], "groups of 3 do not"),
    (["--set", "data.sources.1.path=gone.zip", "group=3"], "there is no gone.zip"),
    (["--set", "data.sources.0.validation=24"], "24 hands, of which 24 cannot be held out"),
    (["--set", "data.sources.2.validation=99"], "6 hands, of which 99 cannot be held out"),
    (["--set", "network.hand_model=mano"], "MANO_RIGHT.pkl"),
    (["--set", "precision=16-true"], "precision: Input should"),
    (["--set", "network.backbone=resnet7"], "There is no backbone 'resnet7'")])
def test_what_cannot_be_run_is_a_sentence(recipe, tmp_path, monkeypatch, capsys, more, words):
    monkeypatch.setenv("HANDPOSE_MANO", str(tmp_path))
    assert words in refused(capsys, recipe, tmp_path / "run", *more)
    assert not (tmp_path / "run" / "recipe.yaml").exists()


@pytest.mark.parametrize("devices", ["0", "-1", "two", "9" * 30])
def test_what_is_no_number_of_devices_is_named(recipe, tmp_path, capsys, devices):
    with pytest.raises(SystemExit) as ended:
        main(recipe, tmp_path, "--devices", devices)
    assert ended.value.code == 2 and f"{devices} is no number of devices" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_a_sentence(recipe, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert "file" in refused(capsys, recipe, tmp_path / "file" / "run")


def test_what_is_kept_is_a_checkpoint(unbroken):
    assert HandNetwork.from_pretrained(unbroken / "best").config.input_size == 64


def test_epochs_are_counted_in_hands():
    recipe = Recipe(epochs=2.5, validate_epochs=0.5, batch=10).in_steps(hands=200)
    assert (recipe.steps, recipe.validate_steps) == (50, 10)


def test_batch_norm_is_torchs_outside_of_several_processes():
    torch.manual_seed(0)
    theirs = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    ours = synchronise(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(5, 3, 8, 8)
    assert torch.equal(theirs(images), ours(images))
    assert torch.equal(theirs[1].running_var, ours[1].running_var)
