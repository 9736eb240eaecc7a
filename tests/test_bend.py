"""Bending a found hand: nothing at zero, a fist or a flat hand at the ends, the wrist where it was, both sides alike.
"""
import numpy as np
import pytest
from test_moving import MODELS, make_hand, unpacked

from handpose.bend import bent
from handpose.drawing.smooth import smooth
from handpose.hand_model.skeleton import MIRROR, TIP_JOINTS
from page.content.moving import STEP
from page.content.play import Play

SIDES = pytest.mark.parametrize("side", ["right", "left"])


@SIDES
def test_zero_is_the_hand_that_was_found_and_one_in_minus_is_flat(side):
    hand = make_hand(side, 1)
    same = bent(hand, MODELS[side])
    np.testing.assert_allclose(same.vertices, hand.vertices, atol=1e-6)
    np.testing.assert_allclose(same.hand_pose, hand.hand_pose, atol=1e-6)
    np.testing.assert_allclose(bent(hand, MODELS[side], curl=-1).hand_pose, 0, atol=1e-9)


@SIDES
def test_a_curled_hand_is_a_fist_and_a_spread_one_is_wide(side):
    hand = make_hand(side, 1)
    flat, fist = (bent(hand, MODELS[side], curl=curl).joints_3d for curl in (-1, 1))
    reach = [np.linalg.norm(joints[list(TIP_JOINTS[1:])] - joints[0], axis=1) for joints in (flat, fist)]
    assert (reach[1] < 0.75 * reach[0]).all()  # fingertips near the palm
    wide, narrow = (bent(hand, MODELS[side], curl=-1, spread=spread).joints_3d for spread in (1, -1))
    assert np.linalg.norm(wide[8] - wide[20]) > np.linalg.norm(narrow[8] - narrow[20]) + 0.03  # metres
    large, small = (np.ptp(bent(hand, MODELS[side], curl=-1, shape=shape).vertices, axis=0).max() for shape in (1, -1))
    assert abs(large / small - 1) > 0.05
    for joints in (flat, fist, wide, narrow):
        np.testing.assert_allclose(joints[0], hand.joints_3d[0], atol=1e-6)


def test_a_left_hand_bends_as_its_mirror_image_does():
    right = make_hand("right", 2)
    mirrored = right.hand_pose.reshape(15, 3) * [1, -1, -1]
    left = make_hand("left", 2)
    left = type(left)(**{**left.__dict__, "hand_pose": mirrored.ravel(), "joints_3d": right.joints_3d * MIRROR,
                         "global_orient": right.global_orient * [1, -1, -1]})
    one, other = bent(right, MODELS["right"], 0.4, 0.7, -0.5), bent(left, MODELS["left"], 0.4, 0.7, -0.5)
    np.testing.assert_allclose(other.joints_3d, one.joints_3d * MIRROR, atol=1e-5)


@pytest.mark.parametrize("wrong", [dict(curl=1.1), dict(spread=float("nan")), dict(shape=-2)])
def test_numbers_beyond_the_sliders_are_refused(wrong):
    with pytest.raises(ValueError, match="between -1 and 1"):
        bent(make_hand("right", 0), MODELS["right"], **wrong)


# ---- what browsers send and get

def told(hand) -> dict:
    return {"side": hand.side, "scale": 1.0, "wrist": hand.joints_3d[0].tolist(), "betas": hand.betas.tolist(),
            "global_orient": hand.global_orient.tolist(), "hand_pose": hand.hand_pose.tolist()}


def test_the_page_shows_the_bent_hand():
    hand = make_hand("left", 1)
    (shown,) = Play(MODELS)({"hands": [told(hand)], "curl": 0.5, "spread": 0.0, "shape": 0})["hands"]
    vertices = smooth(bent(hand, MODELS["left"], curl=0.5).vertices, hand.faces)[0]
    got = unpacked(shown["vertices"], "<i2").reshape(-1, 3) * STEP + shown["wrist"]
    np.testing.assert_allclose(np.stack([got[:, 0], -got[:, 2], got[:, 1]], 1), vertices, atol=2e-5)
    assert len(unpacked(shown["light"], "u1")) == len(vertices) and np.shape(shown["line"]) == (3, 30)


HAND = told(make_hand("right", 0))


@pytest.mark.parametrize("message", [
    None, [], {}, {"hands": []}, {"hands": [HAND] * 11, "curl": 0, "spread": 0, "shape": 0},
    {"hands": [1]}, {"hands": "hands"},
    {"hands": [{**HAND, "side": "up"}]}, {"hands": [{**HAND, "scale": 1e9}]}, {"hands": [{**HAND, "scale": None}]},
    {"hands": [{**HAND, "betas": [0] * 9}]}, {"hands": [{**HAND, "betas": [float("nan")] * 10}]},
    {"hands": [{**HAND, "hand_pose": ["1"] * 45}]}, {"hands": [{**HAND, "wrist": [1e300] * 3}]},
    {"hands": [HAND], "curl": "a lot", "spread": 0, "shape": 0}, {"hands": [HAND], "curl": 0, "spread": 0}])
def test_what_no_page_sends_gets_a_sentence(message):
    answer = Play(MODELS)(message)
    assert set(answer) == {"problem"} and answer["problem"].endswith(".")
