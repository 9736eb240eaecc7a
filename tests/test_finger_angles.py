"""Flexion is the angle that was posed, with its sign, of both hands and of another hand model."""
import numpy as np
import pytest
from mano_files import mano_arrays

from handpose.finger_angles import finger_bends, joint_flexions
from handpose.hand import Hand
from handpose.hand_model.model import HandModel, mirror_rotvec
from handpose.hand_model.rotations import rotmat_to_rotvec, rotvec_to_rotmat
from handpose.hand_model.skeleton import FINGERS, MANO_JOINT_NAMES, TIP_JOINTS
from page.content.text import card

MODELS = {"open": HandModel.load(), "mano": HandModel(mano_arrays(), "mano")}
EVERY_HAND = [pytest.param(MODELS[name], side, id=f"{name}-{side}") for name in MODELS for side in ("right", "left")]
every_hand = pytest.mark.parametrize(("right", "side"), EVERY_HAND)
THUMB_AXIS = np.array([0.36, -0.91, 0.21]) / np.linalg.norm([0.36, -0.91, 0.21])


def turn_of(finger: str, degrees: float) -> np.ndarray:
    """The axis-angle (3,) that bends a right hand's joint by so many degrees."""
    return np.radians(degrees) * (THUMB_AXIS if finger == "thumb" else np.array([0, 0, 1.0]))


def posed(right: HandModel, side: str, turns: dict[str, np.ndarray]) -> Hand:
    """A hand whose named joints ("index2") are turned, each given as a right hand's axis-angle (3,)."""
    pose = np.zeros((15, 3))
    for joint, turn in turns.items():
        pose[MANO_JOINT_NAMES.index(joint) - 1] = turn
    orient, model = np.array([0.4, -1.1, 2.0]), right
    if side == "left":
        pose, orient, model = mirror_rotvec(pose), mirror_rotvec(orient), right.left()
    place = np.array([0.05, 0, 0.5])
    hand = model(*(np.reshape(value, (1, -1)) for value in (orient, pose, np.zeros(10), place)))
    joints = hand.joints[0]
    return Hand(side, 1.0, np.zeros(4), model.name, joints[:, :2], joints, hand.vertices[0], model.faces, orient,
                pose.ravel(), np.zeros(10), place)


def towards_the_palm(hand: Hand, flat: Hand, joint: int) -> float:
    """Metres that a joint lies farther than in the flat hand on the palm's side, which the knuckles tell."""
    wrist, index, little = hand.joints_3d[[0, 5, 17]]
    normal = np.cross(index - wrist, little - wrist) * (1 if hand.side == "right" else -1)
    return float((hand.joints_3d[joint] - flat.joints_3d[joint]) @ normal / np.linalg.norm(normal))


@every_hand
def test_a_flat_hand_is_not_bent(right, side):
    flat = posed(right, side, {})
    assert all(abs(flexion) < 3 for flexions in joint_flexions(flat).values() for flexion in flexions)
    assert all(abs(bend) < 3 for bend in finger_bends(flat).values())


@every_hand
@pytest.mark.parametrize("degrees", [30, -20, 95])
@pytest.mark.parametrize("finger", FINGERS)
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_joints_flexion_is_what_was_posed_and_hyperextension_is_negative(right, side, degrees, finger, part):
    hand = posed(right, side, {f"{finger}{part + 1}": turn_of(finger, degrees)})
    for other, flexions in joint_flexions(hand).items():
        expected = np.zeros(3)
        expected[part] = degrees * (other == finger)
        np.testing.assert_allclose(flexions, expected, atol=2)
    if finger != "thumb" and degrees < 90:  # the thumb bends across the palm
        tip = TIP_JOINTS[FINGERS.index(finger)]
        assert np.sign(towards_the_palm(hand, posed(right, side, {}), tip)) == np.sign(degrees)


@every_hand
def test_bends_are_what_a_fingers_joints_bend_together(right, side):
    hand = posed(right, side, {f"{finger}{part}": turn_of(finger, bend) for finger in FINGERS
                               for part, bend in ((1, 30), (2, 40), (3, -10))})
    for finger, bend in finger_bends(hand).items():
        assert bend == pytest.approx(30 if finger == "thumb" else 60, abs=2)


@every_hand
@pytest.mark.parametrize("degrees", [30, -20])
def test_spreading_a_finger_and_rolling_it_about_its_bone_is_not_bending_it(right, side, degrees):
    about_y, about_x = (rotvec_to_rotmat(np.radians(angle) * axis) for angle, axis in zip((18, 12), np.eye(3)[[1, 0]],
                                                                                           strict=True))
    flexion = rotvec_to_rotmat(turn_of("index", degrees))
    for turn in (about_y @ flexion, flexion @ about_x):
        hand = posed(right, side, {"index1": rotmat_to_rotvec(turn)})
        assert joint_flexions(hand)["index"][0] == pytest.approx(degrees, abs=2)


def test_a_turn_that_is_written_the_long_way_round_is_the_same_bend():
    hand = posed(MODELS["open"], "right", {"index2": turn_of("index", 330)})
    assert joint_flexions(hand)["index"][1] == pytest.approx(-30)


def test_the_cards_words_and_bars_tell_bent_from_bent_back():
    hand = posed(MODELS["open"], "left", {"index2": turn_of("index", 40), "ring1": turn_of("ring", -10),
                                          "thumb3": turn_of("thumb", 12), "little1": turn_of("little", 2)})
    html = card(hand)
    words = "Fingers: thumb bent 12°, index bent 40°, middle straight, ring bent back 10°, little straight"
    assert f'aria-label="{words}" title="{words}"' in html
    heights = [int(part.split("%")[0]) for part in html.split("height: ")[1:]]
    assert len(heights) == 5 and heights[2:] == [100, 100, 99] and heights[1] < 100
