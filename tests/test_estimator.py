"""From pixels to hands in one call, on a rendered photo whose truth is known, and on pictures without a hand."""
import json
import pickle
from copy import copy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from handpose import Camera, HandBox, HandEstimator, HandModel, HandTracker, Photo, load_photo
from handpose.crop import Crop, upright_box
from handpose.crop_predictor import CROP_SCALE
from handpose.detection.hand_detector import HAND_SCALE
from handpose.detection.landmarks import Landmarks
from handpose.detection.region import HandRegion
from handpose.prediction import HandPrediction
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
    live, found = whole.for_live(), estimator.find(photo)
    (hand,), (other,) = (each.place(each.predict(Photo(photo), found=found), camera).hands for each in (whole, live))
    assert asked == [(160, 160, 3), (96, 96, 3)]
    for one in (hand, other):
        assert error_2d(one.joints_2d, joints_2d) < 0.06 and pa_mpjpe(one.joints_3d, joints) < 15
    whole.engine.config = replace(whole.engine.config, live_size=None)
    assert whole.for_live().crop_size == 160


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


def test_a_stretched_picture_whose_camera_is_told_shows_the_same_hand(estimator, photo, truth):
    """Of pixels that are lower than wide: 1.3 times the rows, the same hand in space, joints where they went."""
    camera, _, joints_2d = truth
    (hand,) = estimator(photo, camera).hands
    rows = round(1.3 * len(photo))
    stretch = rows / len(photo)
    high = cv2.resize(photo, (photo.shape[1], rows), interpolation=cv2.INTER_CUBIC)
    told = Camera(camera.fx, camera.fy * stretch, camera.cx, (camera.cy + 0.5) * stretch - 0.5)
    result = estimator(high, told)
    (tracked,) = HandTracker(estimator, smooth=False)(high, 0.0, told)
    box = [*joints_2d.min(0), *joints_2d.max(0)]
    high_box = [box[0], (box[1] + 0.5) * stretch - 0.5, box[2], (box[3] + 0.5) * stretch - 0.5]
    (pointed_at,), (boxed,) = estimator(photo, camera, boxes=[box]).hands, estimator(high, told, boxes=[high_box]).hands
    assert result.camera == told and (result.width, result.height) == high.shape[1::-1]
    for one, same in ((result.hands[0], hand), (tracked.hand, hand), (boxed, pointed_at)):
        assert np.linalg.norm(one.joints_3d - same.joints_3d, axis=1).max() < 0.003
        assert np.abs(one.joints_2d - ((same.joints_2d + 0.5) * [1, stretch] - 0.5)).max() < 4
        assert np.allclose(one.box, [*one.joints_2d.min(0), *one.joints_2d.max(0)])


def test_a_photo_by_a_distorting_lens_shows_the_same_hand(estimator, photo, truth):
    """The same view through a lens that bulges, by OpenCV's remapping: all that is said stays, but for the pixels."""
    camera, _, joints_2d = truth
    told = replace(camera, distortion=(-0.7, 0.1, 0.003, -0.003, 0))
    size = photo.shape[1::-1]
    u, v = np.meshgrid(*map(np.arange, size))
    rays = cv2.undistortImagePoints(np.stack([u, v], -1).reshape(-1, 1, 2).astype(float), told.matrix,
                                    np.array(told.distortion))
    distorted = cv2.remap(photo, *np.moveaxis(rays.reshape(*size[::-1], 2), 2, 0).astype(np.float32), cv2.INTER_CUBIC)
    (hand,) = estimator(photo, camera).hands
    result = estimator(distorted, told)
    (tracked,) = HandTracker(estimator, smooth=False)(distorted, 0.0, told)
    there = hand.seen_by(told)  # where the lens images it
    (boxed,) = estimator(distorted, told, boxes=[there.box]).hands
    (pointed_at,) = estimator(photo, camera, boxes=[hand.box]).hands
    assert np.linalg.norm(there.joints_2d - hand.joints_2d, axis=1).max() > 6
    assert result.camera == told and (result.width, result.height) == size
    for one, same in ((result.hands[0], hand), (tracked.hand, hand), (boxed, pointed_at)):
        assert np.linalg.norm(one.joints_3d - same.joints_3d, axis=1).max() < 0.02 * same.distance
        assert error_2d(one.joints_2d, same.seen_by(told).joints_2d) < 0.02
        assert np.allclose(one.joints_2d, told.project(one.joints_3d))
    assert result.to_dict("x")["camera"]["distortion"] == list(told.distortion)


def test_a_camera_is_told_in_one_of_three_ways(estimator, photo):
    width = photo.shape[1]
    focal = width / 2 / np.tan(np.radians(40) / 2)
    ways = [{"camera": Camera(focal, focal, (width - 1) / 2, (width - 1) / 2)}, {"focal_px": focal}, {"fov_deg": 40.0}]
    first, *others = (estimator(photo, **way) for way in ways)
    assert first.camera.source == "user" and first.camera.fx == focal
    for other in others:
        assert other.camera.fx == pytest.approx(focal)
        assert np.allclose(other.hands[0].joints_3d, first.hands[0].joints_3d, atol=1e-5)
    for several in ([0, 1], [1, 2], [0, 2], [0, 1, 2]):
        with pytest.raises(ValueError, match="one of camera, focal_px and fov_deg"):
            estimator(photo, **{key: value for way in several for key, value in ways[way].items()})
    for wrong in ({"focal_px": 0}, {"focal_px": np.nan}, {"focal_px": 1e9}, {"fov_deg": 180}, {"fov_deg": -1}):
        with pytest.raises(ValueError, match="must lie between"):
            estimator(photo, **wrong)


def test_a_pickled_estimator_says_the_same(estimator, photo, truth):
    one = copy(estimator)
    one.alignment, one.crop_size = False, 96  # its checkpoint takes other sizes as well
    same = pickle.loads(pickle.dumps(one))
    assert (same.alignment, same.crop_size) == (False, 96)
    same.crop_size = one.crop_size = estimator.crop_size
    assert same(photo, truth[0]).to_dict("x") == one(photo, truth[0]).to_dict("x")
    assert same(photo, truth[0]).to_dict("x") != estimator(photo, truth[0]).to_dict("x")


def test_an_estimator_made_by_hand_says_why_it_cannot_be_pickled(estimator):
    own = HandEstimator(estimator.engine, HandModel.load(), estimator.detector, estimator.landmark_model)
    with pytest.raises(TypeError, match="Only an estimator that HandEstimator.load made can be pickled"):
        pickle.dumps(own)


NAN = float("nan")


@pytest.mark.parametrize("box", [
    (10, 10, 10, 90), (90, 10, 10, 90), (10, 90, 90, 10), (NAN, 10, 90, 90), (10, 10, float("inf"), 90), (10, 10, 90),
    (10, 10, 90, 90, 90), ("a", 10, 90, 90), "10 10 90 90", None, 5, (10**400, 10, 90, 90), (10, 10, 90, None),
    [[10, 10], [90, 90]], np.zeros((4, 2)), (10, 10, 90, 90, "middle"),
    (-90, 10, -10, 90), (513, 10, 600, 90), (10, 512, 90, 600), (-5000, -5000, 5000, 5000)])
def test_boxes_that_are_none_are_refused_in_a_sentence(estimator, photo, box):
    with pytest.raises(ValueError, match="box|side") as error:
        estimator(photo, boxes=[box])
    said = str(error.value)
    assert said.endswith(".") and ". " not in said.replace("...", "") and "\n" not in said and len(said) < 250


@pytest.mark.parametrize("wrong", [("a", 1, 2, 3), (1, 1, "9", 9), (1, 1, 9, None), (NAN, 1, 9, 9), (1, 1, 9, 9, "up")])
def test_hand_boxes_are_checked_as_they_are_made(wrong):
    with pytest.raises(ValueError, match="A hand's (box|side) is"):
        HandBox(*wrong)


def test_a_box_may_reach_over_the_picture_s_edge_and_no_boxes_are_no_hands(estimator, photo, truth):
    low, high = truth[2].min(0), truth[2].max(0)
    (hand,) = estimator(photo, truth[0], boxes=[HandBox(*(low - 60), *(high + 60), "right")]).hands
    assert hand.side == "right" and error_2d(hand.joints_2d, truth[2]) < 0.06
    assert estimator(photo, boxes=[]).hands == []
    # Where nothing is, a hand is reported all the same, and called unsure.
    hands = estimator(photo, truth[0], boxes=[(0, 0, 30, 30), (*low, *high)]).hands
    assert len(hands) == 2 and hands[0].score < 0.1 < 0.5 < hands[1].score


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_network_alone_looks_again_where_its_crop_was_off(estimator, photo, truth, mirrored):
    """In a region that is too large, turned and beside the hand, it sees which side the hand is of, and where."""
    rgb = np.ascontiguousarray(photo[:, ::-1]) if mirrored else photo
    goal = truth[2] * ([-1, 1] if mirrored else 1) + ([photo.shape[1] - 1, 0] if mirrored else 0)
    center, extent, angle = upright_box(goal)
    region = HandRegion(center + 0.3 * extent.max(), HAND_SCALE * 1.3 * extent.max(), angle + 0.8, 0.9)
    (hand,) = estimator.predictor.predict_regions(rgb, [region])
    assert hand.side == ("left" if mirrored else "right") and hand.presence == 0.9
    assert not estimator.predictor.crop_about(goal, mirrored).is_off(hand.crop)
    once = estimator.predictor.predict_crops(rgb, [region_crop := Crop.around(
        region.center, CROP_SCALE / HAND_SCALE * region.side, region.angle, estimator.crop_size, mirrored)])[0]
    assert region_crop.is_off(hand.crop)
    errors = [error_2d(seen.joints_2d, goal) for seen in (hand, HandPrediction(region_crop, 1.0, once))]
    assert errors[0] < errors[1] and errors[0] < 0.06
    assert estimator.predictor.look_again(rgb, [hand]) == [hand]  # well framed, and left as it is


def test_the_network_aims_where_the_hand_lies(estimator, photo, truth):
    """It tells which way the fingers point in a region that is turned, too large and beside the hand."""
    center, extent, angle = upright_box(truth[2])
    off = HandRegion(center + 0.15 * extent.max(), HAND_SCALE * 1.1 * extent.max(), angle + 0.7, 0.25)
    (aimed,) = estimator.predictor.aim(photo, [off])
    assert abs(aimed.angle - angle) < 0.2 and aimed.score == off.score
    seen = estimator.landmark_model(photo, aimed)
    assert error_2d(seen.points[:, :2], truth[2]) < 0.06
    assert estimator.predictor.aim(np.full_like(photo, 90), [off]) == estimator.predictor.aim(photo, []) == []


def test_the_network_is_sure_of_a_hand_where_it_is(estimator, photo, truth):
    """Less where the joints are said to lie beside it, or of the other side, and not at all where there is none."""
    right = Landmarks.of_joints(truth[2], "right")
    beside = Landmarks.of_joints(truth[2] + 0.15 * np.ptp(truth[2], axis=0).max(), "right")
    there, off, other = (estimator.predictor.sureness_of(photo, hand)
                         for hand in (right, beside, replace(right, right=0.0)))
    assert there > 0.2 and max(off, other) < there / 2
    assert estimator.predictor.sureness_of(np.full_like(photo, 90), right) < 0.01


def test_hands_without_depth_are_told_from_the_image_alone(estimator, photo):
    (seen,), ask = estimator.find(photo), estimator.predictor.predict_hands
    joints = Landmarks.of_joints(seen.points[:, :2], seen.side)
    (alone,), (given,), mixed = ask(photo, [seen], False), ask(photo, [seen]), ask(photo, [joints, seen, joints])
    assert error_2d(alone.joints_2d, given.joints_2d) > 1e-3
    for hand, same in zip(mixed, (alone, given, alone), strict=True):
        np.testing.assert_allclose(hand.joints_2d, same.joints_2d, atol=0.05)


def test_what_only_the_landmark_model_denies_is_found(estimator, photo, truth):
    class Denies:
        def __call__(self, rgb, region, mirrored=False):
            return replace(Landmarks.of_joints(truth[2], "right"), presence=0.01)

    stubborn = copy(estimator)
    stubborn.landmark_model = Denies()
    (hand,) = stubborn(Photo(photo)).hands
    assert hand.side == "right" and error_2d(hand.joints_2d, truth[2]) < 0.06
    assert stubborn(Photo(np.full_like(photo, 90))).hands == []


def test_without_landmarks_the_landmark_model_is_not_asked(estimator, photo, truth):
    alone = copy(estimator)
    alone.landmark_model = None
    (hand,) = alone.place(alone.predict(Photo(photo), use_landmarks=False, camera=truth[0])).hands
    assert hand.side == "right" and pa_mpjpe(hand.joints_3d, truth[1]) < 15
    assert alone.predict(Photo(np.full_like(photo, 90)), use_landmarks=False).hands == ()


def test_crops_are_off_by_place_size_or_turn():
    crop = Crop.around(np.array([50.0, 40.0]), 80.0, 0.3, 128, mirrored=True)
    for center, side, angle, off in (((50, 40), 80, 0.3, False), ((53, 40), 80, 0.3, False), ((55, 40), 80, 0.3, True),
                                     ((50, 40), 84, 0.3, False), ((50, 40), 95, 0.3, True), ((50, 40), 80, 0.45, False),
                                     ((50, 40), 80, 0.55, True)):
        assert crop.is_off(Crop.around(np.array(center, float), side, angle, 96, mirrored=True)) == off
