"""From FreiHAND's files to hands in photos, by the commands of docs/freihand.md: train, resume, validate, export."""
import json
import re
from pathlib import Path

import numpy as np
from freihand_files import write_freihand, zip_set
from mano_files import mano_arrays, write_mano_pickle

from handpose.command import cli
from handpose.network.hand_network import HandNetwork
from train import run, validate

RECIPE = Path(__file__).parent.parent / "train" / "recipes" / "freihand.yaml"
SAMPLES, EVALUATION = 20, 4
TINY = ["network.backbone=resnet50-half", "network.input_size=64", "network.token_width=12", "network.token_layers=1",
        "network.pyramid_channels=16", "network.lifter_width=32", "network.lifter_blocks=1",
        "data.sources.0.validation=5", "warm_start=null", "batch=20", "group=20", "warm_up=2", "workers=1",
        "precision=32-true", "keep_epochs=1"]


def test_train_resume_validate_export(tmp_path, monkeypatch, capsys):
    data = write_freihand(tmp_path / "set", SAMPLES, EVALUATION, size=128)
    packed = zip_set(data, tmp_path / "FreiHAND_pub_v2.zip")
    write_mano_pickle(tmp_path / "MANO_RIGHT.pkl", mano_arrays())
    monkeypatch.setenv("HANDPOSE_MANO", str(tmp_path))
    out, results = tmp_path / "run", tmp_path / "results"

    def train(*more, options=()):
        run.main([str(RECIPE), "--out", str(out), "--devices", "1", *more, "--set", f"data.sources.0.path={packed}",
                  *TINY, *options])
        return "".join(capsys.readouterr())

    assert "80/80" in train("--steps", "3")  # images are looked at
    said = train("--resume", options=["epochs=2"])
    assert "80/80" not in said and "epochs: None, now 2" in said  # and that only once
    errors = [float(value) for value in re.findall(r"freihand/image: pa_mpjpe_mm ([\d.]+)", said)]
    assert errors and 0 < errors[-1] < 60
    assert (out / "sanity.jpg").is_file() and len(list(out.glob("step-*"))) == 2
    for name in ("handpose", "best"):
        assert HandNetwork.from_pretrained(out / name).config.hand_model == "mano"

    checkpoint = ("--checkpoint", str(out / "best"))
    assert validate.main([str(data), *checkpoint, "--out", str(results)]) == 0
    scores = json.loads((results / "scores.json").read_text())
    assert f"{scores['aligned']['vertices mm']:.2f}" in capsys.readouterr().out and scores["hands"] == EVALUATION
    joints, vertices = json.loads((results / "pred.json").read_text())
    assert np.shape(joints) == (EVALUATION, 21, 3) and np.shape(vertices) == (EVALUATION, 778, 3)

    photos = str(data / "evaluation" / "rgb")
    assert validate.main([photos, *checkpoint, "--crop", "image", "--out", str(results / "photos")]) == 0
    assert len(list((results / "photos").glob("*.obj"))) == EVALUATION
    assert len(list((results / "photos").glob("*.overlay.jpg"))) == EVALUATION
    assert cli.main(["predict", photos, *checkpoint, "--smplx", "--npz", "--mesh", "obj", "--out",
                     str(results / "predicted")]) == 0
    assert len(list((results / "predicted").glob("*.smplx.npz"))) == EVALUATION
