"""Hands cut out of whole photos, and what the network says of them where the landmark model says nothing."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from handpose import load_photo
from handpose.detection.landmarks import LandmarkModel
from handpose.detection.region import HandBox
from train import cut_hands
from train.cut_hands import JOINTS_IN_BOX, hand_in_box
from train.second_opinion import label_alone, weights_of

PHOTO = Path(__file__).parent / "data" / "hand_right.jpg"


@pytest.fixture(scope="module")
def truth():
    return np.array(json.loads(PHOTO.with_suffix(".json").read_text())["joints_2d"])


@pytest.fixture
def whole(tmp_path, truth):
    """A photo of two sources, in one of which it is kept for measuring, and labels of a hand in each that somebody
    drew, one that was found, and one that is too small."""
    box = [*(truth.min(0) - 10).tolist(), *(truth.max(0) + 10).tolist()]
    hand = {"box": box, "side": "right", "sure_side": True, "angle": 0.0, "presence": 1.0}
    labels = []
    for source, number in (("street", 0), ("gloves", 0), ("gloves", 1)):
        (tmp_path / source).mkdir(exist_ok=True)
        (tmp_path / source / f"{number:04d}.jpg").write_bytes(PHOTO.read_bytes())
        hands = [hand | {"kind": "gloved"}, hand | {"kind": "bare"}] if source == "gloves" else [
            hand, hand | {"box": [0, 0, 20, 20]}]
        labels.append({"file": f"{source}/{number:04d}.jpg", "size": [512, 512], "hands": hands, "doubtful": []})
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    return tmp_path


def test_crops_show_the_hands_and_say_where(whole, truth):
    out = whole / "photos"
    assert cut_hands.cut_hands(whole, whole / "labels.json", out, kinds=["gloved"]) == 2
    assert sorted(path.name for path in out.iterdir()) == ["whole_gloves", "whole_street"]
    photo = load_photo(PHOTO).rgb
    for folder in out.iterdir():
        with np.load(folder / "labels.npz") as labels:
            (name,), (joints,), (side,) = (labels[key] for key in ("fname", "landmarks_px", "handedness"))
            assert labels["photo"][0] != "gloves/0000.jpg"  # which is kept
        assert side == "Right"
        crop = load_photo(folder / str(name)).rgb
        scale = np.ptp(joints, axis=0).max() / np.ptp(truth, axis=0).max()
        assert np.allclose((joints - joints.mean(0)) / scale, truth - truth.mean(0), atol=20)  # px of the photo
        at = [tuple(points.mean(0).round().astype(int)[::-1]) for points in (joints, truth)]
        assert np.abs(crop[at[0]].astype(int) - photo[at[1]]).max() < 40  # the same skin


def test_what_cannot_be_cut_is_told(whole, capsys):
    for more, words in ((["--sources", "beach"], "knows no photos of beach"), (["--kinds", "x", "--sources", "gloves"],
                                                                              "No hand in")):
        with pytest.raises(SystemExit) as caught:
            cut_hands.main([str(whole), "--labels", str(whole / "labels.json"), "--out", str(whole / "out"), *more])
        assert caught.value.code == 1 and words in capsys.readouterr().err


def test_where_nothing_is_seen_a_hand_is_put_into_the_box():
    box = HandBox(200.0, 100.0, 320.0, 260.0)
    hand = hand_in_box(np.zeros((400, 500, 3), np.uint8), box, LandmarkModel.load(threads=1))
    assert np.allclose(hand.box.mean(0), [260, 180], atol=60) and 80 < np.ptp(hand.box, axis=0).max() < 240
    assert JOINTS_IN_BOX * 160 == pytest.approx(np.ptp(hand.box, axis=0).max()) or np.ptp(hand.box, axis=0).min() > 60


@pytest.mark.parametrize("side, turn", [("right", 0), ("left", 0), ("right", cv2.ROTATE_90_CLOCKWISE)])
def test_the_network_labels_a_hand_of_which_nobody_knows_direction_and_side(estimator, truth, side, turn):
    rgb, goal = load_photo(PHOTO).rgb, truth
    if side == "left":
        rgb, goal = np.ascontiguousarray(rgb[:, ::-1]), truth * [-1, 1] + [rgb.shape[1] - 1, 0]
    if turn:
        rgb, goal = cv2.rotate(rgb, turn), np.stack([rgb.shape[0] - 1 - goal[:, 1], goal[:, 0]], 1)
    extent = np.ptp(goal, axis=0)
    rough = goal.mean(0) + np.random.default_rng(0).uniform(-0.5, 0.5, (21, 2)) * extent  # no hand, but about there
    said = label_alone(estimator, rgb, rough)
    assert said.side == side and np.linalg.norm(said.points[:, :2] - goal, axis=1).mean() < 0.06 * extent.max()
    assert said.spread.max() < 0.1 and np.allclose(said.world.mean(0), 0, atol=1e-6)
    nothing = label_alone(estimator, np.full_like(rgb, 128), rough)
    assert nothing.side == "" and np.isnan(nothing.world).all()


def test_photos_that_the_network_gets_wrong_count_most():
    weights = weights_of(np.array([0.01, 0.02, 0.03, 0.06, 0.5, np.nan]))
    assert np.allclose(weights, [0.5, 0.02 / 0.03, 1.0, 2.0, 0.5, 0])  # 0.03 is the mean of what is believed
    assert weights_of(np.array([np.nan, 0.4])).tolist() == [0, 0.5]
