"""Orders of joints by names and geometry; wrist poses against the mesh, dex-retargeting and the axes they promise."""
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_joint_angles import MODELS, every_hand, posed

from handpose.hand_model.rotations import rotvec_to_rotmat
from handpose.hand_model.skeleton import JOINT_NAMES
from handpose.joint_orders import FREIHAND, MANO, OPENXR, ORDERS, in_order

# XrHandJointEXT of the OpenXR specification, in short.
OF_SPECIFICATION = """PALM WRIST THUMB_METACARPAL THUMB_PROXIMAL THUMB_DISTAL THUMB_TIP INDEX_METACARPAL INDEX_PROXIMAL
INDEX_INTERMEDIATE INDEX_DISTAL INDEX_TIP MIDDLE_METACARPAL MIDDLE_PROXIMAL MIDDLE_INTERMEDIATE MIDDLE_DISTAL MIDDLE_TIP
RING_METACARPAL RING_PROXIMAL RING_INTERMEDIATE RING_DISTAL RING_TIP LITTLE_METACARPAL LITTLE_PROXIMAL
LITTLE_INTERMEDIATE LITTLE_DISTAL LITTLE_TIP""".lower().split()
SAME_JOINT = {"thumb": dict(cmc="metacarpal", mcp="proximal", ip="distal", tip="tip"),
              None: dict(mcp="proximal", pip="intermediate", dip="distal", tip="tip")}
BENT = {f"{finger}{part}": np.array([0, 0, 0.5]) for finger in ("index", "middle", "ring", "little")
        for part in (1, 2, 3)} | {"thumb2": np.array([0.18, -0.45, 0.1])}


def test_names_are_those_of_the_others():
    assert list(OPENXR) == OF_SPECIFICATION and FREIHAND == JOINT_NAMES and len(MANO) == len(set(MANO)) == 21
    assert MANO[:5] == ("wrist", "index1", "index2", "index3", "middle1") and MANO[16:18] == ("thumb_tip", "index_tip")


@every_hand
def test_joints_stand_where_their_names_say(right, side):
    joints = posed(right, side, BENT).joints_3d
    assert np.array_equal(in_order(joints, "freihand"), joints)
    mano = dict(zip(MANO, in_order(joints, "mano"), strict=True))
    openxr = dict(zip(OPENXR, in_order(joints, "openxr"), strict=True))
    assert np.array_equal(openxr["wrist"], joints[0]) and np.array_equal(mano["wrist"], joints[0])
    for name, joint in zip(JOINT_NAMES[1:], joints[1:], strict=True):
        finger, part = name.split("_")
        bone = SAME_JOINT.get(finger, SAME_JOINT[None])[part]
        assert np.array_equal(openxr[f"{finger}_{bone}"], joint)
        number = {"cmc": 1, "mcp": 2 if finger == "thumb" else 1, "ip": 3, "pip": 2, "dip": 3}.get(part)
        assert np.array_equal(mano[f"{finger}{number}" if number else name], joint)
    assert np.array_equal(in_order(np.stack([joints] * 2), "openxr")[1], in_order(joints, "openxr"))


@every_hand
def test_made_joints_lie_in_the_palm_in_their_order(right, side):
    joints = dict(zip(OPENXR, in_order(posed(right, side, {}).joints_3d, "openxr"), strict=True))
    wrist, palm = joints["wrist"], joints["palm"]
    across = joints["index_proximal"] - joints["little_proximal"]
    places = []
    for finger in ("index", "middle", "ring", "little"):
        base, knuckle = joints[f"{finger}_metacarpal"], joints[f"{finger}_proximal"]
        whole = np.linalg.norm(knuckle - wrist)
        assert 0.6 < np.linalg.norm(knuckle - base) / whole < 0.9  # metacarpals of 55 to 70 mm in a hand of usual size
        places.append((base - wrist) @ across)
    assert places == sorted(places, reverse=True)
    assert 0.4 < (places[0] - places[3]) / (across @ across) < 0.6
    np.testing.assert_allclose(palm, (joints["middle_metacarpal"] + joints["middle_proximal"]) / 2, atol=1e-9)


def test_what_is_no_order_or_no_hand_is_refused():
    with pytest.raises(ValueError, match="freihand, mano, openxr"):
        in_order(np.zeros((21, 3)), "unity")
    with pytest.raises(ValueError, match="21 joints"):
        in_order(np.zeros((26, 3)), "mano")
    assert set(ORDERS) == {"freihand", "mano", "openxr"}


@every_hand
def test_the_wrist_pose_brings_the_flat_hand_to_where_the_hand_is(right, side):
    """All of a hand that bends no finger is the rest pose, moved by one motion."""
    hand, model = posed(right, side, {}), right if side == "right" else right.left()
    rest = model(*(np.zeros((1, size)) for size in (3, 45, 10, 3)))
    flat = rest.vertices[0] - rest.joints[0, 0]
    pose = hand.wrist_pose
    np.testing.assert_allclose(flat @ pose[:3, :3].T + pose[:3, 3], hand.vertices, atol=1e-5)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1) and pose[3].tolist() == [0, 0, 0, 1]
    fingers, thumb = flat[model.tip_vertices[2]], flat[model.tip_vertices[0]]
    assert np.argmax(np.abs(fingers)) == 0 and np.sign(fingers[0]) == (-1 if side == "right" else 1) and thumb[2] > 0.05


def test_the_operator_pose_is_dex_retargetings():
    """Joints of the open hand, and what the example detector of dex-retargeting 0.5.0 makes of them: its three-point
    frame times its OPERATOR2MANO (single_hand_detector.py, constants.py)."""
    joints = np.zeros((21, 3))
    joints[[5, 9]] = [0.05612, -0.05965, -0.03643], [0.05519, -0.04382, -0.05151]
    dice = np.random.default_rng(0)
    turns = {f"{finger}{part}": dice.normal(0, .4, 3) for finger in ("index", "middle", "thumb") for part in (1, 2, 3)}
    for side, sign in (("right", 1), ("left", -1)):
        hand = posed(MODELS["open"], side, turns)
        relative = hand.joints_3d - hand.joints_3d[0]
        np.testing.assert_allclose(relative[[5, 9]], joints[[5, 9]] * [sign, 1, 1], atol=1e-5)
        seen = relative @ hand.operator_pose[:3, :3]
        theirs = np.array([[0.0592, 0.07376, 0.07733], [0.02276, 0.02884, 0.16571], [0.01178, -0.04576, 0.13299]])
        np.testing.assert_allclose(seen[[4, 8, 20]], theirs * [1, sign, 1], atol=2e-5)


@every_hand
def test_the_operators_axes_are_palm_and_fingers(right, side):
    hand = posed(right, side, BENT)
    axes = hand.operator_pose[:3, :3]
    assert np.linalg.det(axes) == pytest.approx(1) and np.allclose(hand.operator_pose[:3, 3], hand.joints_3d[0])
    seen = (hand.joints_3d - hand.joints_3d[0]) @ axes
    flat = posed(right, side, {})
    assert ((flat.joints_3d - flat.joints_3d[0]) @ flat.operator_pose[:3, :3])[12, 2] > 0.12  # middle tip ahead
    assert seen[12, 0] > 0.02  # bent to where the palm looks
    assert np.sign(seen[4, 1]) == (1 if side == "right" else -1)  # thumb
    # Near MANO's wrist, whose palm is not that of two knuckles.
    palm, ahead = (-hand.wrist_pose[:3, 1], hand.wrist_pose[:3, 0] * (-1 if side == "right" else 1))
    assert axes[:, 0] @ palm > np.cos(np.radians(20)) and axes[:, 2] @ ahead > np.cos(np.radians(20))


@every_hand
def test_openxr_poses_by_the_specification(right, side):
    hand = posed(right, side, BENT)
    poses = dict(zip(OPENXR, hand.openxr_poses, strict=True))
    assert np.allclose([pose[:3, 3] for pose in poses.values()], in_order(hand.joints_3d, "openxr"))
    for pose in poses.values():
        assert np.allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3)) and np.linalg.det(pose[:3, :3]) > 0
    for finger in ("thumb", "index", "middle", "ring", "little"):
        chain = [poses[name] for name in OPENXR if name.startswith(finger)]
        for pose, after in zip(chain, chain[1:], strict=False):
            bone = after[:3, 3] - pose[:3, 3]
            assert -pose[:3, 2] @ bone / np.linalg.norm(bone) == pytest.approx(1)
        assert np.allclose(chain[-1][:3, 2], chain[-2][:3, 2])
        if finger != "thumb":  # the joint bends about x, as the one before has it: downwards is a negative turn
            for one, other in zip(chain[1:-2], chain[2:-1], strict=True):
                bend = one[:3, :3].T @ other[:3, :3]
                assert np.degrees(np.arctan2(bend[2, 1], bend[2, 2])) == pytest.approx(-np.degrees(0.5), abs=6)
    # Palm down and fingers ahead, x points to the right of either hand: from its thumb or to it.
    to_the_thumb = hand.joints_3d[5] - hand.joints_3d[17]
    assert np.sign(poses["palm"][:3, 0] @ to_the_thumb) == (-1 if side == "right" else 1)
    back = rotvec_to_rotmat(hand.global_orient)[:, 1]
    assert poses["palm"][:3, 1] @ back > 0.98 and poses["wrist"][:3, 1] @ back > 0.98
    assert poses["index_tip"][:3, 1] @ back < 0.5  # the nail of a bent finger


def test_the_examples_of_the_docs_run(tmp_path, monkeypatch):
    root = Path(__file__).parent.parent
    shutil.copy(root / "tests" / "data" / "hand_right.jpg", tmp_path / "hand.jpg")
    monkeypatch.chdir(tmp_path)
    names = {}
    for program in re.findall(r"```python\n(.*?)```", (root / "docs" / "robots.md").read_text(), re.DOTALL):
        if "SeqRetargeting" not in program:  # which needs dex-retargeting
            exec(program, names)
    assert names["joints_in_wrist"][0] == pytest.approx(np.zeros(3), abs=1e-9)
    assert names["joints_in_wrist"][9, 0] < -0.05 and names["retargeting_input"][9] == pytest.approx(
        [0, 0, np.linalg.norm(names["hand"].joints_3d[9] - names["hand"].joints_3d[0])])
    assert names["openxr_hand"][1, 2, 3] < 0 and len(names["places"]) == 26 and len(names["places_of_smplx"]) == 21
