"""The table of all hands, read back by pandas (which gradio brings) and compared with the results themselves."""
# ruff: noqa: F811 (fixtures are arguments of the name that they are imported by)
import json

import numpy as np
import pandas
import pytest
from bad_images import READABLE, write
from clip_files import FPS, encode, picture
from test_batch import OneHand
from test_cli import photos, predict, stub  # noqa: F401
from test_export import HANDS
from test_video import StubTracker

from handpose.command.table import COLUMNS
from handpose.hand_model.skeleton import JOINT_NAMES


def test_photos_and_clips_become_one_table(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("handpose.estimator.HandEstimator.load", classmethod(lambda *_: OneHand()))
    monkeypatch.setattr("handpose.tracker.HandTracker", lambda *_, **__: StubTracker())
    (photos / "a, b").mkdir()
    write(photos / "a, b", READABLE, ["grey.png"])
    encode(photos / "wave.mp4", [picture(k) for k in range(6)])
    out = tmp_path / "out"
    assert predict(photos, "--out", out, "--no-overlay", "--csv") == 0
    assert str(out / "hands.csv") in capsys.readouterr().out
    table = pandas.read_csv(out / "hands.csv")
    assert tuple(table.columns) == COLUMNS
    photo, clip = table[table.image == "a, b/grey.png"], table[table.image == "wave.mp4"]
    assert len(photo) == 21 and photo.frame.isna().all() and (photo.hand == 0).all()
    result, = json.loads((out / "a, b" / "grey.json").read_text())["hands"]
    assert photo.joint.tolist() == list(JOINT_NAMES) and (photo.side == "right").all()
    assert np.allclose(photo[["u", "v"]], result["joints_2d"]) and np.allclose(photo[["x", "y", "z"]],
                                                                            result["joints_3d"])
    assert photo.hidden.tolist() == list(map(int, result["joints_hidden"])) and photo.error_px.isna().all()
    for name, degrees in result["joint_angles"].items():
        joint, motion = name.rsplit("_", 1)
        assert photo.set_index("joint").loc[joint, f"{motion}_deg"] == pytest.approx(degrees)
    assert photo.flexion_deg.notna().sum() + photo.abduction_deg.notna().sum() == len(result["joint_angles"])

    assert clip.groupby(["frame", "hand"]).size().to_dict() == {
        (frame, track): 21 for frame, tracks in enumerate([[], [7], [7], [7, 8], [7, 8], [7, 8]]) for track in tracks}
    left = clip[(clip.frame == 4) & (clip.hand == 8)]
    assert np.allclose(left[["x", "y", "z"]], HANDS[1].joints_3d, atol=1e-5) and (left.side == "left").all()
    assert np.allclose(left.time_s, 4 / FPS, atol=2e-3) and (clip.filled == 0).all()


def test_a_table_can_be_asked_for_later_and_has_what_went_well(stub, photos, tmp_path, capsys):
    write(photos, READABLE, ["grey.png", "rgba.png"])
    (photos / "bad.png").write_bytes(b"no image")
    out = tmp_path / "out"
    assert predict(photos, "--out", out) == 1 and not (out / "hands.csv").exists()
    assert predict(photos, "--out", out, "--csv") == 1  # and does nothing anew
    assert "2 photos by an earlier run" in capsys.readouterr().out
    assert sorted(pandas.read_csv(out / "hands.csv").image.unique()) == ["grey.png", "rgba.png"]
    stub.hands = []
    assert predict(photos / "grey.png", "--out", out, "--again", "--csv") == 0
    assert len(pandas.read_csv(out / "hands.csv")) == 0


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"hands": [{}]}', '{"hands": [3]}', "\udcff"])
def test_results_that_somebody_changed_are_named(stub, photos, tmp_path, capsys, content):
    write(photos, READABLE, ["grey.png"])
    assert predict(photos, "--out", tmp_path / "out") == 0
    (tmp_path / "out" / "grey.json").write_text(content, errors="surrogateescape")
    assert predict(photos, "--out", tmp_path / "out", "--csv") == 2
    assert "grey.json is not what was written there: do it anew with --again." in capsys.readouterr().err
    assert not (tmp_path / "out" / "hands.csv").exists()
