"""Landmarks against drawn hands whose joints are known, and their maps against exact symmetries of the image."""
from dataclasses import replace

import numpy as np
import pytest
from drawn_hand import WALL, draw_hand, small_hand
from PIL import Image

from handpose.detection.find_hands import find_hands
from handpose.detection.landmarks import LandmarkModel, Landmarks, confirmed_landmarks, confirms, is_hand, region_of
from handpose.detection.palm_detector import HandRegion, PalmDetector
from train.pseudo_label import VIEWS, label_crop, label_folder

LENGTH = 230  # px, of the drawn hand


@pytest.fixture(scope="module")
def detector():
    return PalmDetector.load()


@pytest.fixture(scope="module")
def model():
    return LandmarkModel.load()


@pytest.fixture(scope="module")
def drawn():
    return draw_hand(length=LENGTH)


def test_drawn_joints(detector, model, drawn):
    image, joints = drawn
    hand, = find_hands(image, detector, model)
    errors = np.linalg.norm(hand.points[:, :2] - joints, axis=1) / LENGTH
    assert np.median(errors) < .03 and errors.max() < .06
    assert hand.presence > .9 and hand.points[0, 2] == pytest.approx(0, abs=.01)
    # A flat hand square to the camera: world and pixels are the same picture, wrist to fingertip about 18 cm.
    size = np.linalg.norm(hand.world[12] - hand.world[0])
    assert .14 < size < .21
    flat = (hand.world - hand.world[0])[:, :2] * LENGTH / size
    assert np.median(np.linalg.norm(flat - (joints - joints[0]), axis=1)) < .06 * LENGTH


def test_side_of_drawn_hand(detector, model, drawn):
    """The drawing shows nails and wrinkles and a thumb on the left: the back of a right hand."""
    right, = find_hands(drawn[0], detector, model)
    left, = find_hands(np.ascontiguousarray(drawn[0][:, ::-1]), detector, model)
    assert right.right > .5 > left.right


def answers_agree(got: Landmarks, expected: Landmarks, pixels: float):
    np.testing.assert_allclose(got.points, expected.points, atol=pixels)
    np.testing.assert_allclose(got.world, expected.world, atol=1e-3)
    assert got.presence == pytest.approx(expected.presence, abs=.01)
    assert got.right == pytest.approx(expected.right, abs=.02)


def test_mirror_symmetry(model, drawn):
    """The mirrored region of the mirrored image is the same input: the answers mirror each other exactly."""
    image, width = drawn[0], drawn[0].shape[1]
    region = HandRegion(np.array([190., 210.]), 300, .2)
    there = model(np.ascontiguousarray(image[:, ::-1]), HandRegion(np.array([width - 1 - 190., 210.]), 300, -.2), True)
    back = replace(there, points=there.points * [-1, 1, 1] + [width - 1, 0, 0], world=there.world * [-1, 1, 1],
                   right=1 - there.right)
    answers_agree(back, model(image, region), .2)


def test_shift_and_quarter_turn(model, drawn):
    image = drawn[0]
    region = HandRegion(np.array([190., 210.]), 300, .2)
    here = model(image, region)
    padded = np.pad(image, ((31, 0), (57, 0), (0, 0)))
    there = model(padded, replace(region, center=region.center + [57, 31]))
    answers_agree(replace(there, points=there.points - [57, 31, 0]), here, .2)
    # (u, v) goes to (H - 1 - v, u) when the image is turned clockwise.
    turned_region = HandRegion(np.array([399 - 210., 190.]), 300, .2 + np.pi / 2)
    turned = model(np.ascontiguousarray(np.rot90(image, -1)), turned_region)
    turn = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    back = replace(turned, points=(turned.points - [399, 0, 0]) @ turn.T, world=turned.world @ turn.T)
    answers_agree(back, here, .2)


def test_scale(model, drawn):
    """Twice the picture: twice the pixels, depth included; the same metres."""
    region = HandRegion(np.array([190., 210.]), 320, 0)
    one = model(drawn[0], region)
    two = model(drawn[0].repeat(2, 0).repeat(2, 1), HandRegion(np.array([380.5, 420.5]), 640, 0))
    np.testing.assert_allclose(two.points, one.points * 2 + [.5, .5, 0], atol=12)
    np.testing.assert_allclose(two.world, one.world, atol=5e-3)


@pytest.mark.parametrize("turn", [0, 20, 90, 200])
def test_region_of_known_joints(turn):
    """The upright drawing's region by hand, then turned, scaled and shifted."""
    joints = draw_hand(8, 8, 1000, (0, 0))[1]
    # Upright once its wrist-to-knuckles line is: that line runs from (0, 0) to mean(mean(index, ring), middle) knuckle
    up = (((joints[5] + joints[13]) / 2) + joints[9]) / 2
    tilt = np.arctan2(up[0], -up[1])
    rotate = lambda a: np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])  # noqa: E731
    upright = joints @ rotate(-tilt).T
    stiff = upright[[0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]]
    low, high = stiff.min(0), stiff.max(0)
    center = (low + high) / 2 - [0, .1 * (high - low)[1]]
    angle = np.radians(turn)
    region = region_of(.3 * upright @ rotate(angle).T + [50, 60])
    np.testing.assert_allclose(region.center, .3 * rotate(angle) @ center + [50, 60], atol=1e-9)
    assert region.side == pytest.approx(.3 * 2 * (high - low).max())
    assert np.cos(region.angle - angle) == pytest.approx(1)


def test_region_of_answer_holds_the_hand(detector, model, drawn):
    image, joints = drawn
    region = model(image, detector(image)[0]).region
    assert (np.abs(region.crop(224).to_crop(joints) - 111.5) < 112).all()


def test_what_one_witness_doubts_the_other_must_be_sure_of(model, drawn):
    hand = model(drawn[0], region_of(drawn[1]))

    def told(presence, score):
        return is_hand(replace(hand, presence=presence), HandRegion(np.zeros(2), 1.0, 0.0, score))

    assert told(0.97, 0.4) and told(0.6, 0.95) and told(0.8, 0.8) and told(1.0, 0.3) and told(0.6, 1.0)
    assert not told(0.5, 0.5) and not told(0.95, 0.2) and not told(0.2, 0.95) and not told(0.0, 1.0)
    odds = lambda share: share / (1 - share)  # noqa: E731
    for presence in (0.3, 0.6, 0.9):  # the same product of odds is the same evidence
        score = (np.e**1.75 / odds(presence)) / (1 + np.e**1.75 / odds(presence))
        assert told(presence, score + 1e-6) and not told(presence, score - 1e-6)


def test_small_hand_is_found(detector, model):
    image, joints = small_hand()
    hand, = find_hands(image, detector, model)
    assert np.median(np.linalg.norm(hand.points[:, :2] - joints, axis=1)) < .06 * 60


def test_look_again_repairs_a_bad_region(model, drawn):
    image, joints = drawn
    good = region_of(joints)
    bad = replace(good, center=good.center + [25, -20], side=good.side * 1.2, angle=good.angle + .5)
    error = lambda hand: np.linalg.norm(hand.points[:, :2] - joints, axis=1).mean() / LENGTH  # noqa: E731
    again = confirmed_landmarks(image, bad, model)
    assert error(again) < .03 and error(again) < error(model(image, bad))


class Saying:
    """A landmark model that gives the same landmarks of any region, as sure of hand and side as it is told to be."""

    def __init__(self, points, *presence_and_right):
        self.points, self.said, self.asked = points, iter(presence_and_right), []

    def __call__(self, rgb, region, mirrored=False):
        self.asked.append(mirrored)
        return Landmarks(self.points, np.zeros((21, 3)), *next(self.said))


def test_one_look_is_enough_where_it_is_sure_of_hand_and_side_and_well_framed(drawn):
    image, joints = drawn
    points = np.column_stack([joints, np.zeros(21)])
    good = region_of(joints)
    sure = Saying(points, (.95, .9))
    assert confirmed_landmarks(image, good, sure).presence == .95 and sure.asked == [False]
    again = (.9, .2), (.7, .4), (.8, .3)  # over the region of the first, its mirror image, and the region of these
    for region, first in ((good, (.95, .6)), (replace(good, angle=good.angle + .5), (.95, .9))):
        doubtful = Saying(points, first, *again)
        look = confirmed_landmarks(image, region, doubtful)
        assert doubtful.asked == [False, False, True, False]
        assert (look.presence, look.right) == (.7, pytest.approx(.3))
    turned = Saying(points, (.6, .9), (.5, .9), (.8, .9), *again)  # not sure: in other turns, too
    assert confirmed_landmarks(image, good, turned).presence == .7
    assert turned.asked == [False] * 4 + [True, False]
    nothing = Saying(points, (.04, .9))
    assert confirmed_landmarks(image, good, nothing).presence == .04 and nothing.asked == [False]


@pytest.mark.parametrize("turns", [0, 1])
def test_regions_confirm_each_other_up_to_whole_turns(turns):
    region = HandRegion(np.array([100., 80.]), 60, .1)
    same = replace(region, angle=.1 - .2 + 2 * np.pi * turns, center=region.center + 4, side=64)
    assert confirms(region, region) and confirms(region, same) and confirms(same, region)
    for other in (replace(same, angle=.1 + np.pi), replace(same, side=80), replace(same, center=region.center + 10)):
        assert not confirms(region, other)


def test_every_view_speaks_of_the_same_pixels(model, drawn):
    """Turned, scaled and mirrored views answer in the frame of the image as it is, metres included."""
    image, joints = drawn
    rough = joints + np.random.default_rng(0).normal(0, .03 * LENGTH, joints.shape)
    views = label_crop(model, image, rough)
    assert views.points.shape == (len(VIEWS), 21, 3) == views.world.shape
    errors = np.linalg.norm(views.points[..., :2] - joints, axis=-1) / LENGTH
    assert (errors.mean(1) < .04).all()
    upright = (views.world - views.world[:, :1])[..., :2]
    towards_tip = upright[:, 12] / np.linalg.norm(upright[:, 12], axis=1, keepdims=True)
    assert (towards_tip[:, 1] < -.97).all()  # up in the image, whatever the view's turn
    assert (upright[:, 4, 0] < 0).all() and (upright[:, 20, 0] > 0).all()  # thumb left, little finger right
    points, world, spread = views.median()
    assert np.median(np.linalg.norm(points[:, :2] - joints, axis=1)) < .03 * LENGTH
    assert 0 < spread.max() < .05


def test_label_folder(tmp_path, drawn):
    """One set with rough labels, one without; a photo without a hand leaves no row."""
    image, joints = drawn
    for name in ("labelled", "bare"):
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / name / "hand.png")
    Image.fromarray(np.broadcast_to(WALL, (200, 200, 3)).astype(np.uint8)).save(tmp_path / "bare" / "wall.png")
    np.savez(tmp_path / "labelled" / "labels.npz", fname=["hand.png"], landmarks_px=joints[None])
    out = tmp_path / "labels.npz"
    assert label_folder(tmp_path, out, processes=1) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"bare", "labelled", "labels.npz"}  # nothing half-written
    with np.load(out) as labels:
        assert list(labels["set"]) == ["bare", "labelled"] and list(labels["fname"]) == ["hand.png"] * 2
        assert labels["view_points"].shape == labels["view_world"].shape == (2, len(VIEWS), 21, 3)
        assert (np.median(np.linalg.norm(labels["points"][..., :2] - joints, axis=-1), axis=1) < .03 * LENGTH).all()
        assert (labels["presence"] > .9).all() and labels["spread"].shape == (2, 21)
