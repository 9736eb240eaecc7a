"""A stranger's folder for `make checkpoint`: photo sets, backgrounds and a tiny recipe; and what is asked of it."""
from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from train import make_checkpoint
from train.synthesize import Job, synthesize

COUNT, STEPS = 24, 12  # renders and steps of a round
RECIPE = """\
rounds: 2
renders: 1000
render_size: 136
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


def paint_walls(folder: Path, count: int) -> None:
    """Writes so many backgrounds, 0.jpg and so on."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(count):
        blobs = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{k}.jpg"), blobs)


def write_stranger(folder: Path) -> None:
    """Writes photos/ (sets of renders of invented poses), walls/ and tiny.yaml."""
    paint_walls(folder / "walls", 5)
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


def arguments(folder: Path, *more) -> list[str]:
    """Of the command, as `make` gives them for `variables`."""
    return [str(text) for text in (folder / "tiny.yaml", "--out", folder / "out", "--work", folder / "work", "--photos",
                                   folder / "photos", "--backgrounds", folder / "walls", "--devices", 1, "--workers", 1,
                                   "--set", f"renders={COUNT}", f"run.steps={STEPS}", *more)]


def planned(capsys, given: list[str]) -> set[str]:
    """The stages that would be made."""
    capsys.readouterr()
    make_checkpoint.main([*given, "--dry-run"])
    return {line.rpartition("-")[0] for line in capsys.readouterr().out.splitlines() if line.endswith("to be made")}


def refused(capsys, words: str, given: list[str]) -> None:
    """Asserts that the command ends with one sentence that has these words."""
    with pytest.raises(SystemExit) as caught:
        make_checkpoint.main(given)
    said = capsys.readouterr()
    assert caught.value.code == 1 and words in said.err and said.err.count("\n") == 1 and not said.out, said
