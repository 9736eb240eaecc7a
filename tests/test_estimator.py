"""From pixels to hands in one call, on a rendered photo whose truth is known, and on pictures without a hand."""
import json
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handpose import Camera, HandModel, Photo, load_photo
from train.scoring.metrics import error_2d, pa_mpjpe, palm_rotation

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def photo():
    return load_photo(DATA / "hand_right.jpg").rgb


@pytest.fixture(scope="module")
def truth():
    values = json.loads((DATA / "hand_right.json").read_text())
    camera = Camera(values["fx"], values["fx"], values["cx"], values["cy"])
    return camera, np.array(values["joints"]), np.array(values["joints_2d"])


def test_the_hand_is_where_and_how_it_is(estimator, photo, truth):
    camera, joints, joints_2d = truth
    (hand,) = estimator(photo, camera).hands
    assert hand.side == "right" and hand.score > 0.5
    assert error_2d(hand.joints_2d, joints_2d) < 0.06
    assert pa_mpjpe(hand.joints_3d, joints) < 15
    assert palm_rotation(hand.joints_3d, joints) < 25
    assert hand.distance == pytest.approx(np.linalg.norm(joints[0]), rel=0.25)


def test_a_hand_agrees_with_itself(estimator, photo, truth):
    """Its parameters pose the model into its vertices and joints, which project to its pixels inside its box."""
    camera = truth[0]
    for rgb, model in ((photo, HandModel.load()), (np.ascontiguousarray(photo[:, ::-1]), HandModel.load().left())):
        (hand,) = estimator(rgb, camera).hands
        posed = model(*(values[None] for values in
                        (hand.global_orient, hand.hand_pose, hand.betas, hand.transl)))
        assert np.abs(posed.vertices[0] - hand.vertices).max() < 1e-4
        assert np.abs(posed.joints[0] - hand.joints_3d).max() < 1e-4
        assert np.allclose(camera.project(hand.joints_3d), hand.joints_2d)
        assert np.allclose(hand.box, [*hand.joints_2d.min(0), *hand.joints_2d.max(0)])


def test_a_mirrored_photo_shows_the_mirrored_hand(estimator, photo, truth):
    camera = truth[0]
    width = photo.shape[1]
    mirrored_camera = Camera(camera.fx, camera.fy, width - 1 - camera.cx, camera.cy)
    (right,) = estimator(photo, camera).hands
    (left,) = estimator(np.ascontiguousarray(photo[:, ::-1]), mirrored_camera).hands
    assert (right.side, left.side) == ("right", "left")
    box = np.ptp(right.joints_2d, axis=0).max()
    assert np.abs(left.joints_2d * [-1, 1] + [width - 1, 0] - right.joints_2d).max() < 0.1 * box
    assert np.linalg.norm(left.joints_3d * [-1, 1, 1] - right.joints_3d, axis=1).mean() < 0.03


def test_turning_the_photo_turns_the_hand(estimator, photo, truth):
    camera = truth[0]  # its principal point is the middle, which a turn keeps
    (hand,) = estimator(photo, camera).hands
    (turned,) = estimator(np.ascontiguousarray(np.rot90(photo)), camera).hands  # a quarter turn to the left
    expected = hand.joints_3d @ np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1.0]]).T
    root = lambda joints: joints - joints[0]  # noqa: E731
    assert np.linalg.norm(root(turned.joints_3d) - root(expected), axis=1).mean() < 0.02


def test_distance_follows_the_focal_length(estimator, photo):
    near, far = (estimator(photo, focal_px=focal).hands[0] for focal in (500, 1000))
    assert far.distance / near.distance == pytest.approx(2, rel=0.15)
    assert np.abs(near.joints_2d - far.joints_2d).max() < 8
    assert np.abs(near.hand_pose - far.hand_pose).max() < 0.4  # perspective changes, so the alignment may a little


def test_the_camera_counts_and_not_who_told_it(estimator, photo):
    guessed = estimator(photo)
    told = estimator(photo, focal_px=guessed.camera.fx)
    assert (guessed.camera.source, told.camera.source) == ("default", "user")
    assert np.array_equal(told.hands[0].joints_3d, guessed.hands[0].joints_3d)


def test_landmarks_can_be_left_out(estimator, photo, truth):
    camera, joints, joints_2d = truth
    (hand,) = estimator.place(estimator.predict(Photo(photo), use_landmarks=False), camera).hands
    assert error_2d(hand.joints_2d, joints_2d) < 0.25


def test_live_crops_are_smaller_and_show_the_same(estimator, photo, truth):
    camera, joints, joints_2d = truth
    asked = []

    class Engine:
        config = replace(estimator.engine.config, live_size=96)

        def __call__(self, crops, landmarks=None):
            asked.append(crops.shape[1:])
            return engine(crops, landmarks)

    whole, engine = copy(estimator), estimator.engine
    whole.engine = Engine()
    live, found = whole.for_live(), whole.find(photo)
    (hand,), (other,) = (each.place(each.predict(Photo(photo), found=found), camera).hands for each in (whole, live))
    assert asked == [(128, 128, 3), (96, 96, 3)]
    for one in (hand, other):
        assert error_2d(one.joints_2d, joints_2d) < 0.06 and pa_mpjpe(one.joints_3d, joints) < 15
    whole.engine.config = replace(whole.engine.config, live_size=None)
    assert whole.for_live().crop_size == 128


@pytest.mark.parametrize("picture", ["black", "noise", "stripes"])
def test_no_hand_is_seen_where_none_is(estimator, picture):
    rng = np.random.default_rng(0)
    rgb = {"black": np.zeros((240, 320, 3), np.uint8), "noise": rng.integers(0, 256, (240, 320, 3), np.uint8),
           "stripes": np.tile(np.uint8(np.arange(320) // 20 % 2 * 255)[None, :, None], (240, 1, 3))}[picture]
    result = estimator(rgb)
    assert result.hands == [] and result.to_dict("x.jpg")["hands"] == []


def test_the_result_is_plain_json(estimator, photo, truth):
    result = estimator(photo, truth[0]).to_dict("hand_right.jpg")
    (hand,) = json.loads(json.dumps(result))["hands"]
    assert {key: np.shape(hand[key]) for key in ("box", "joints_2d", "joints_3d")} == {
        "box": (4,), "joints_2d": (21, 2), "joints_3d": (21, 3)}
    assert {key: len(value) for key, value in hand["mano"].items()} == {
        "global_orient": 3, "hand_pose": 45, "betas": 10, "transl": 3}
