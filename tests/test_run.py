"""The training command: killed and resumed, on one process and on two."""
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from train import run as train_run
from train.data.loader import Loader, Shuffle
from train.learning.batch_norm import synchronise
from train.learning.recipe import Recipe

STEPS = 8
KILL_AT = 3  # after the warm-up: the schedule has its own part in the state then


@pytest.fixture(scope="module")
def recipe(rendered, tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(yaml.safe_dump({
        "network": {"backbone": "resnet18", "input_size": 64, "token_width": 48, "token_layers": 1,
                    "pyramid_channels": 32, "lifter_width": 64},
        "data": {"sources": [{"kind": "renders", "folder": str(rendered / "renders"), "validation": 4,
                              "landmarks": str(rendered / "landmarks.npz")}],
                 "backgrounds": [str(rendered / "backgrounds")], "without_image": 1.0},
        "steps": STEPS, "batch": 16, "group": 8, "warm_up": 1, "precision": "32-true", "save_minutes": 0,
        "log_steps": 1, "validate_steps": 4}))
    return path


def command(recipe, out, *more, processes=1):
    start = [sys.executable, "-m"] if processes == 1 else \
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "-m"]
    return [*start, "train.run", str(recipe), "--out", str(out), *more]


def run(*args, **options):
    done = subprocess.run(command(*args, **options), env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def unbroken(recipe, tmp_path_factory):
    out = tmp_path_factory.mktemp("unbroken")
    run(recipe, out)
    return out


def losses(out):
    events = EventAccumulator(str(out / "curves")).Reload()
    return {event.step: event.value for event in events.Scalars("train/total")}


def weights(out):
    return load_file(out / "handpose" / "model.safetensors")


def saved_step(out):
    return torch.load(out / "state.pt", weights_only=True)["step"] if (out / "state.pt").is_file() else 0


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    flat, others = (torch.cat([values[key].float().flatten() for key in one]) for values in (one, other))
    # Adam makes much of little: what was rounding in a small gradient is seen in a weight that has hardly moved.
    assert (flat - others).norm() < 0.01 * flat.norm()


def test_two_processes_train_as_one(recipe, unbroken, tmp_path):
    run(recipe, tmp_path, processes=2)
    alone, together = losses(unbroken), losses(tmp_path)
    assert alone.keys() == together.keys() == set(range(1, STEPS + 1))
    assert np.allclose([*alone.values()], [*together.values()], rtol=2e-3)
    assert_same_weights(weights(unbroken), weights(tmp_path))


def test_a_killed_run_ends_as_an_unbroken_one(recipe, unbroken, tmp_path):
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(command(recipe, tmp_path), env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=log)
        while saved_step(tmp_path) < KILL_AT:
            assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert KILL_AT <= saved_step(tmp_path) < STEPS, "it was killed too late for this test to tell anything"
    run(recipe, tmp_path, "--resume")
    assert np.allclose(losses(tmp_path)[STEPS], losses(unbroken)[STEPS], rtol=1e-3)
    assert_same_weights(weights(unbroken), weights(tmp_path))


def test_a_run_leaves_what_its_help_says(unbroken):
    for file in ("state.pt", "handpose/config.json", "best/model.safetensors", "sanity.jpg"):
        assert (unbroken / file).stat().st_size > 100


def test_changes_take_the_place_of_the_recipes_options(recipe):
    changed = Recipe.load(recipe, ["data.sources.0.validation=8", "rate=0.5", "network.backbone=resnet34"])
    assert (changed.data.sources[0].validation, changed.rate, changed.network.backbone) == (8, 0.5, "resnet34")
    with pytest.raises(ValueError, match="colour"):
        Recipe.load(recipe, ["colour=red"])


@pytest.mark.parametrize("more, words", [(["--set", "steps=ten"], "steps: Input"), (["--steps", "-3"], "steps: Input"),
                                         (["--set", "start_from=nowhere"], "no checkpoint folder nowhere")])
def test_what_cannot_be_run_is_a_sentence(recipe, tmp_path, monkeypatch, capsys, more, words):
    monkeypatch.setattr(sys, "argv", ["train.run", str(recipe), "--out", str(tmp_path), *more])
    with pytest.raises(SystemExit) as ended:
        train_run.main()
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert ended.value.code == 1 and words in said and said.endswith(".")


def test_epochs_are_counted_in_hands():
    recipe = Recipe(epochs=2.5, validate_epochs=0.5, batch=10).in_steps(hands=200)
    assert (recipe.steps, recipe.validate_steps) == (50, 10)


def test_every_epoch_shows_everything_once_in_an_order_of_its_own():
    shuffle = Shuffle(7, seed=3)
    first, second = shuffle.at(range(0, 7)), shuffle.at(range(7, 14))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(7))
    assert first.tolist() != second.tolist()
    assert shuffle.at(range(5, 9)).tolist() == [*first[5:].tolist(), *second[:2].tolist()]


def test_processes_share_out_what_one_would_show():
    class Numbers:
        def __len__(self):
            return 50

        def take(self, index, with_images=True):
            return index
    from train.data import loader
    join, loader.Samples.join = loader.Samples.join, staticmethod(lambda parts: torch.cat(parts))
    try:
        def shown(rank, world):
            return [[(group.seed, group.hands.tolist()) for group in groups]
                    for groups in Loader([Numbers()], [4], [0], 4, 1, rank, world).steps(3, 9)]
        alone, halves = shown(0, 1), [shown(rank, 2) for rank in (0, 1)]
    finally:
        loader.Samples.join = staticmethod(join)
    for step, groups in enumerate(alone):
        assert groups == [halves[number % 2][step][number // 2] for number in range(4)]


def test_batch_norm_is_torchs_outside_of_several_processes():
    torch.manual_seed(0)
    theirs = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    ours = synchronise(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(5, 3, 8, 8)
    assert torch.equal(theirs(images), ours(images))
    assert torch.equal(theirs[1].running_var, ours[1].running_var)
