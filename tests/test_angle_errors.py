"""Joint angles from joints alone: those that hands were built and posed with, by rotations that are composed here."""
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handpose.hand_model.model import HandModel
from handpose.hand_model.skeleton import FINGERS, MANO_JOINT_NAMES
from handpose.joint_angles import angles_of_joints
from train.scoring.angle_errors import ABDUCTIONS, ANGLES, FLEXIONS, angle_errors

# A right hand before the camera: fingers up (-y), its back to the camera, so that the palm looks along +z; thumb left.
FORWARD, PALMAR, TOWARDS_THUMB = np.array([0, -1.0, 0]), np.array([0, 0, 1.0]), np.array([-1.0, 0, 0])
KNUCKLES = {"index": [-.025, -.09, 0], "middle": [0, -.095, 0], "ring": [.02, -.09, 0], "little": [.04, -.08, 0]}
LENGTHS = [.045, .028, .022]


def built(flexion, abduction):
    """Joints (21, 3) of a hand whose fingers are bent (5, 3) and spread (5,) by so many degrees."""
    joints = np.zeros((21, 3))
    for number, finger in enumerate(FINGERS):
        joints[1 + 4 * number] = KNUCKLES.get(finger, [-.03, -.02, .01])
        # A finger bends towards the palm and spreads away from the middle finger, which spreads towards the thumb; a
        # thumb bends away from its side of the palm and spreads towards where the palm looks.
        bending, spreading = (-TOWARDS_THUMB, PALMAR) if finger == "thumb" else (PALMAR, TOWARDS_THUMB)
        spreading = -spreading if finger in ("ring", "little") else spreading
        frame = Rotation.identity()
        for part, angle in enumerate(np.radians(flexion[number])):
            frame = frame * Rotation.from_rotvec(angle * np.cross(FORWARD, bending))
            if part == 0:
                frame = frame * Rotation.from_rotvec(np.radians(abduction[number]) * np.cross(FORWARD, spreading))
            joints[2 + 4 * number + part] = joints[1 + 4 * number + part] + LENGTHS[part] * frame.apply(FORWARD)
    return joints


@pytest.mark.parametrize("seed", range(4))
def test_angles_are_those_a_hand_was_built_with_wherever_it_is(seed):
    rng = np.random.default_rng(seed)
    flexion, abduction = rng.uniform(-30, 120, (5, 3)), rng.uniform(-25, 25, 5)
    joints = built(flexion, abduction)
    turn = Rotation.random(random_state=seed)
    for hand in (joints, 1.3 * turn.apply(joints) + [.1, .2, .7], np.stack([joints] * 2)[1]):
        bent, spread = angles_of_joints(hand)
        np.testing.assert_allclose(bent, flexion, atol=1e-6)
        np.testing.assert_allclose(spread, abduction, atol=1e-6)


def test_a_mirrored_hand_bends_the_other_way_and_errs_as_much():
    rng = np.random.default_rng(0)
    a, b = (built(rng.uniform(0, 90, (5, 3)), rng.uniform(-20, 20, 5)) for _ in range(2))
    mirrored = [joints * [-1, 1, 1] for joints in (a, b)]
    other = np.array([1, -1, -1, -1, -1])  # all but the thumb, which bends along the palm
    np.testing.assert_allclose(angles_of_joints(mirrored[0])[0], other[:, None] * angles_of_joints(a)[0], atol=1e-6)
    np.testing.assert_allclose(angles_of_joints(mirrored[0])[1], -other * angles_of_joints(a)[1], atol=1e-6)
    assert angle_errors(*mirrored) == pytest.approx(angle_errors(a, b))


def test_errors_are_means_of_absolute_differences_by_joint():
    flexion, abduction = np.full((5, 3), 20.0), np.zeros(5)
    other, spread = flexion.copy(), abduction.copy()
    other[0] += [3, -6, 9]  # thumb
    other[1, 0] += 8  # index MCP
    other[4, 2] -= 4  # little DIP
    spread[[0, 2]] = 5, -2
    errors = angle_errors(built(other, spread), built(flexion, abduction))
    assert errors == pytest.approx({
        "flexion": (3 + 6 + 9 + 8 + 4) / 15, "abduction": 7 / 5, "flexion thumb CMC": 3, "flexion thumb MCP": 6,
        "flexion thumb IP": 9, "flexion MCP": 2, "flexion PIP": 0, "flexion DIP": 1, "abduction thumb CMC": 5,
        "abduction MCP": .5}, abs=1e-6)
    assert set(errors) - {"flexion", "abduction"} == set(ANGLES) and len(ANGLES) == len(FLEXIONS) + len(ABDUCTIONS)
    straight = built(np.zeros((5, 3)), abduction)
    far, back = (built(np.full((5, 3), angle), abduction) for angle in (175, -175))
    assert angle_errors(far, back)["flexion MCP"] == pytest.approx(10) and angle_errors(straight, straight) == (
        pytest.approx(dict.fromkeys(errors, 0), abs=1e-6))


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_said_is_left_out():
    goal = built(np.full((5, 3), 10.0), np.zeros(5))
    aside = goal.copy()
    aside[6:9] += [.05 * -1, 0, 0] - (aside[6] - aside[5])  # the index finger straight towards the thumb
    assert np.isnan(angles_of_joints(aside)[0][1, 0]) and angles_of_joints(aside)[1][1] == pytest.approx(90)
    assert np.isfinite(angle_errors(aside, goal)["flexion MCP"])  # of the three that are left
    nothing = angle_errors(np.zeros((21, 3)), goal)
    assert np.isnan([*nothing.values()]).all()


@pytest.mark.parametrize("degrees", [20, 60, 90])
def test_posed_hands_bend_as_they_were_posed(degrees):
    model, poses = HandModel.load(), []
    for finger in FINGERS[1:]:
        for part in (1, 2, 3):
            pose = np.zeros((15, 3))
            pose[MANO_JOINT_NAMES.index(f"{finger}{part}") - 1, 2] = np.radians(degrees)  # the open hand bends about z
            poses.append(pose.ravel())
    turn = np.tile([.5, -1, .3], (13, 1))
    posed = model(turn, np.array([np.zeros(45), *poses]), np.zeros((13, 10)), np.zeros((13, 3))).joints
    flexion, abduction = angles_of_joints(posed)
    for row in range(12):
        bent = np.zeros((5, 3))
        bent[1 + row // 3, row % 3] = degrees
        # The flat hand's fingers are not quite straight, nor quite across the axes that their outer joints bend about.
        np.testing.assert_allclose(flexion[row + 1] - flexion[0], bent, atol=[.03, .03, .14][row % 3] * degrees)
        np.testing.assert_allclose(abduction[row + 1], abduction[0], atol=1.5)
