"""Shapes between hand models: the open hand and one of MANO's format."""
import numpy as np
import pytest
from mano_files import REST_TURNS, mano_arrays
from scipy.spatial.transform import Rotation

from handpose.hand_model.model import HandModel
from handpose.hand_model.rotations import rotvec_to_rotmat
from handpose.hand_model.shape import convert_shape, rest_pose_difference
from handpose.hand_model.skeleton import BONES, MANO_PARENTS, MANO_TO_JOINT


@pytest.fixture(scope="module")
def arrays():
    return mano_arrays()


@pytest.fixture(scope="module")
def hands(arrays):
    return HandModel.load(), HandModel(arrays, "mano")


def test_shape_comes_back_from_another_model(hands):
    opened, other = hands
    for seed in range(2):
        betas = np.random.default_rng(seed).normal(size=10)
        there = convert_shape(betas, opened, other)
        back = convert_shape(there.betas, other, opened)
        assert there.residual_mm < 1.0 and there.worst_mm < 5
        rest = [model.rest(np.asarray(values)[None])[1][0] for model, values in
                ((opened, betas), (opened, back.betas), (opened, np.zeros(10)))]
        gaps = [np.linalg.norm(joints - rest[0], axis=1).mean() for joints in rest[1:]]
        assert gaps[0] < 0.4 * gaps[1]
    assert convert_shape(np.zeros(10), opened, opened).residual_mm == pytest.approx(0, abs=1e-6)


def test_shape_of_a_scaled_hand_is_scaled(arrays, hands):
    """A model that is the same hand 5 % larger needs betas that make it smaller."""
    scale = 1.05
    larger = {**arrays, **{key: arrays[key] * scale for key in ("v_template", "shapedirs")}}
    fit = convert_shape(np.zeros(10), HandModel(larger, "mano"), hands[1])
    same = convert_shape(np.zeros(10), hands[1], hands[1])
    assert fit.residual_mm < 1.0 < 1e3 * 0.05 * 0.09 and np.abs(same.betas).max() < 1e-6
    size = [np.linalg.norm(hands[1].rest(values[None])[1][0, 4])
            for values in (fit.betas, same.betas)]
    assert size[0] / size[1] == pytest.approx(scale, abs=0.01)


def test_rest_pose_difference_finds_how_the_fingers_were_turned(hands, arrays):
    opened, other = hands
    assert np.allclose(rest_pose_difference(opened, opened), 0, atol=1e-3)
    askew = HandModel(turned_whole(arrays, 7.0), "mano")
    assert np.allclose(rest_pose_difference(other, askew)[[4, 8, 12]], 7, atol=0.5)
    degrees = dict(zip(BONES, rest_pose_difference(opened, other), strict=True))
    for first_joint, keypoint in ((1, 5), (4, 9), (7, 17), (10, 13)):
        turned = abs(REST_TURNS.get(first_joint, 0.0))  # about y, which is across the finger
        assert degrees[keypoint, keypoint + 1] == pytest.approx(turned, abs=3)  # merged vertices moved the joints


def test_a_pose_carried_over_is_wrong_by_the_rest_poses_difference(hands):
    """Whatever the pose: between joints, not at the tips, whose skin bends on its own."""
    pose = np.random.default_rng(1).normal(size=(1, 16, 3))
    directions = []
    for model in hands:
        rotations = rotvec_to_rotmat(pose)
        places = model.chain(rotations, model.rest(np.zeros((1, 10)))[1])[1][0]
        bones = places[1:] - places[list(MANO_PARENTS[1:])]
        directions.append(bones / np.linalg.norm(bones, axis=1, keepdims=True))
    posed_degrees = np.degrees(np.arccos((directions[0] * directions[1]).sum(1)))
    expected = dict(zip(BONES, rest_pose_difference(*hands), strict=True))
    for joint in range(1, 16):
        bone = MANO_TO_JOINT[MANO_PARENTS[joint]], MANO_TO_JOINT[joint]
        assert posed_degrees[joint - 1] == pytest.approx(expected[bone], abs=0.05)


def turned_whole(arrays, degrees):
    """The same hand, turned about y as one piece: the fingers, which lie across y, by all of it."""
    turn = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
    return {**arrays, "v_template": arrays["v_template"] @ turn.T}
