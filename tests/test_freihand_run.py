"""From FreiHAND's files to hands in photos, by the commands of docs/freihand.md: train, resume, validate, export."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from freihand_files import write_freihand, zip_set
from mano_files import mano_arrays, write_mano_pickle

from handpose.network.hand_network import HandNetwork

ROOT = Path(__file__).parent.parent
TINY = ["network.backbone=resnet18", "network.input_size=64", "network.token_width=48", "network.token_layers=1",
        "network.pyramid_channels=32", "data.sources.0.validation=10", "warm_start=null", "epochs=2", "batch=20",
        "group=20", "warm_up=2", "workers=1", "precision=32-true", "keep_epochs=1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """240 training images in a .zip, an evaluation set, and MANO's file."""
    folder = tmp_path_factory.mktemp("freihand")
    zip_set(write_freihand(folder / "set", samples=60, evaluation=6), folder / "FreiHAND_pub_v2.zip")
    write_mano_pickle(folder / "MANO_RIGHT.pkl", mano_arrays())
    return folder


def python(folder: Path, *arguments) -> str:
    """What a command prints that is run in the repository."""
    environment = {**os.environ, "HANDPOSE_MANO": str(folder), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-m", *map(str, arguments)], cwd=ROOT, env=environment, capture_output=True,
                         text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def test_train_resume_validate_export(folder):
    run, results = folder / "runs" / "freihand", folder / "results"
    train = ("train.run", "train/recipes/freihand.yaml", "--out", run)
    options = ("--set", f"data.sources.0.path={folder / 'FreiHAND_pub_v2.zip'}", *TINY)
    python(folder, *train, "--steps", 7, *options)
    said = python(folder, *train, "--resume", *options)
    assert "240/240" not in said  # images are checked once
    errors = [float(value) for value in re.findall(r"freihand/image: pa_mpjpe_mm ([\d.]+)", said)]
    assert errors and 0 < errors[-1] < 60
    assert (run / "sanity.jpg").is_file()
    for name in ("handpose", "best"):
        assert HandNetwork.from_pretrained(run / name).config.hand_model == "mano"

    checkpoint = ("--checkpoint", run / "best")
    said = python(folder, "train.validate", folder / "set", *checkpoint, "--out", results)
    scores = json.loads((results / "scores.json").read_text())
    assert f"{scores['aligned']['vertices mm']:.2f}" in said and scores["hands"] == 6
    joints, vertices = json.loads((results / "pred.json").read_text())
    assert np.shape(joints) == (6, 21, 3) and np.shape(vertices) == (6, 778, 3)

    photos = folder / "set" / "evaluation" / "rgb"
    python(folder, "train.validate", photos, *checkpoint, "--crop", "image", "--out", results / "photos")
    assert len(list((results / "photos").glob("*.obj"))) == len(list((results / "photos").glob("*.overlay.jpg"))) == 6
    python(folder, "handpose", "predict", photos, *checkpoint, "--smplx", "--npz", "--mesh", "obj", "--out",
           results / "predicted")
    assert len(list((results / "predicted").glob("*.smplx.npz"))) == 6
