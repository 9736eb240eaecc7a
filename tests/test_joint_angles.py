"""Angles are those that were posed, with their signs, of both hands and of another hand model."""
import numpy as np
import pytest
from mano_files import mano_arrays
from scipy.spatial.transform import Rotation

from handpose.hand import Hand
from handpose.hand_model.model import HandModel, mirror_rotvec
from handpose.hand_model.skeleton import FINGERS, MANO_JOINT_NAMES, TIP_JOINTS
from handpose.joint_angles import ANGLE_NAMES, angles_of_joints, finger_bends
from handpose.joint_errors import joint_errors
from page.content.cards import card

MODELS = {"open": HandModel.load(), "mano": HandModel(mano_arrays(), "mano")}
EVERY_HAND = [pytest.param(MODELS[name], side, id=f"{name}-{side}") for name in MODELS for side in ("right", "left")]
every_hand = pytest.mark.parametrize(("right", "side"), EVERY_HAND)
THUMB_AXIS = np.array([0.36, -0.91, 0.21]) / np.linalg.norm([0.36, -0.91, 0.21])
THUMB_ACROSS = np.cross(np.cross(THUMB_AXIS, [-0.61, -0.42, 0.67]), THUMB_AXIS)  # along the thumb, across its axis
THUMB_ACROSS /= np.linalg.norm(THUMB_ACROSS)
X = np.array([-1.0, 0, 0])  # along the fingers


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
    assert list(flat.joint_angles) == list(ANGLE_NAMES) and len(set(ANGLE_NAMES)) == 20
    assert all(abs(angle) < 3 for angle in flat.joint_angles.values())
    assert all(abs(bend) < 3 for bend in finger_bends(flat).values())


@every_hand
@pytest.mark.parametrize("degrees", [30, -20, 95])
@pytest.mark.parametrize("finger", FINGERS)
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_joints_flexion_is_what_was_posed_and_hyperextension_is_negative(right, side, degrees, finger, part):
    hand = posed(right, side, {f"{finger}{part + 1}": turn_of(finger, degrees)})
    joint = ("cmc", "mcp", "ip")[part] if finger == "thumb" else ("mcp", "pip", "dip")[part]
    expected = dict.fromkeys(ANGLE_NAMES, 0) | {f"{finger}_{joint}_flexion": degrees}
    assert hand.joint_angles == pytest.approx(expected, abs=1e-4)
    tip = TIP_JOINTS[FINGERS.index(finger)]
    flat = posed(right, side, {})
    if finger != "thumb" and degrees < 90:
        assert np.sign(towards_the_palm(hand, flat, tip)) == np.sign(degrees)
    if finger == "thumb" and degrees < 90:  # across the palm, to the little finger
        def to_the_little_finger(one):
            return np.linalg.norm(one.joints_3d[4] - one.joints_3d[17])
        assert np.sign(to_the_little_finger(flat) - to_the_little_finger(hand)) == np.sign(degrees)


@every_hand
@pytest.mark.parametrize("degrees", [25, -15])
@pytest.mark.parametrize("finger", FINGERS)
def test_abduction_leads_away_from_the_middle_finger_or_the_palm(right, side, degrees, finger):
    """By where the tip goes, which no sign of an axis tells; abduction was posed about the axis across flexion's."""
    away = np.array([0.0, 1, 0]) * (-1 if finger in ("ring", "little") else 1)  # z towards the thumb is +y turning -x
    if finger == "thumb":
        away = np.cross(THUMB_ACROSS, THUMB_AXIS)
    flat, hand = posed(right, side, {}), posed(right, side, {f"{finger}1": np.radians(degrees) * away})
    name = "thumb_cmc_abduction" if finger == "thumb" else f"{finger}_mcp_abduction"
    assert hand.joint_angles == pytest.approx(dict.fromkeys(ANGLE_NAMES, 0) | {name: degrees}, abs=0.1)
    tip = TIP_JOINTS[FINGERS.index(finger)]
    if finger == "thumb":
        assert np.sign(towards_the_palm(hand, flat, tip)) == np.sign(degrees)
    else:  # the middle finger goes towards the thumb, from the ring finger
        other = TIP_JOINTS[FINGERS.index("ring" if finger == "middle" else "middle")]
        gap = [np.linalg.norm(one.joints_3d[tip] - one.joints_3d[other]) for one in (hand, flat)]
        assert np.sign(gap[0] - gap[1]) == np.sign(degrees)


@every_hand
@pytest.mark.parametrize("seed", [0, 1])
def test_all_angles_at_once_are_those_of_the_isbs_order(right, side, seed):
    """Flexion, then abduction, then a roll, composed here; by SciPy's own intrinsic Euler angles for the fingers."""
    dice, turns, expected = np.random.default_rng(seed), {}, {}
    for finger in FINGERS:
        joints = ("cmc", "mcp", "ip") if finger == "thumb" else ("mcp", "pip", "dip")
        lateral, forward = (THUMB_AXIS, THUMB_ACROSS) if finger == "thumb" else (np.array([0, 0, 1.0]), X)
        for part, joint in enumerate(joints):
            flexion, abduction, roll = dice.uniform([-40, -30, -30], [110, 30, 30])
            turn = (Rotation.from_rotvec(np.radians(flexion) * lateral)
                    * Rotation.from_rotvec(np.radians(abduction) * np.cross(forward, lateral))
                    * Rotation.from_rotvec(np.radians(roll) * forward))
            if finger != "thumb":
                euler = turn.as_euler("ZYX", degrees=True)
                assert euler == pytest.approx([flexion, abduction, -roll], abs=1e-6)
            turns[f"{finger}{part + 1}"] = turn.as_rotvec()
            expected[f"{finger}_{joint}_flexion"] = flexion
            if part == 0:
                expected[f"{finger}_{joint}_abduction"] = abduction * (-1 if finger in ("ring", "little") else 1)
    assert posed(right, side, turns).joint_angles == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("degrees", [-20, 40, 80])
def test_angles_by_rotations_agree_with_those_of_the_joints_alone(degrees):
    """Two ways to the same angles: less those of the flat hand's bones, fingers agree; a thumb's come out small."""
    right = MODELS["open"]
    flat = angles_of_joints(posed(right, "right", {}).joints_3d)[0]
    for finger in FINGERS:
        hand = posed(right, "right", {f"{finger}2": turn_of(finger, degrees)})
        number, middle = FINGERS.index(finger), "mcp" if finger == "thumb" else "pip"
        by_joints = (angles_of_joints(hand.joints_3d)[0] - flat)[number, 1]
        share = by_joints / hand.joint_angles[f"{finger}_{middle}_flexion"]
        assert 0.7 < share < 0.95 if finger == "thumb" else share == pytest.approx(1, abs=0.05)


@every_hand
def test_bends_are_what_a_fingers_joints_bend_together(right, side):
    hand = posed(right, side, {f"{finger}{part}": turn_of(finger, bend) for finger in FINGERS
                               for part, bend in ((1, 30), (2, 40), (3, -10))})
    for finger, bend in finger_bends(hand).items():
        assert bend == pytest.approx(30 if finger == "thumb" else 60, abs=2)


def test_a_turn_that_is_written_the_long_way_round_is_the_same_bend():
    hand = posed(MODELS["open"], "right", {"index2": turn_of("index", 330)})
    assert hand.joint_angles["index_pip_flexion"] == pytest.approx(-30)


def test_the_cards_words_and_bars_tell_bent_from_bent_back():
    hand = posed(MODELS["open"], "left", {"index2": turn_of("index", 40), "ring1": turn_of("ring", -10),
                                          "thumb3": turn_of("thumb", 12), "little1": turn_of("little", 2)})
    html = card(hand, 1, joint_errors([hand])[0])
    words = "Fingers: thumb bent 12°, index bent 40°, middle straight, ring bent back 10°, little straight"
    assert f'aria-label="{words}" title="{words}"' in html
    heights = [int(part.split("%")[0]) for part in html.split("height: ")[1:]]
    assert len(heights) == 5 and heights[2:] == [100, 100, 99] and heights[1] < 100
