"""Refinement against scipy's minimiser of the same objective, and against hands whose truth is known."""
import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from handpose.align import SHAPE_DEVIATION, SIZE_DEVIATION, TURN_DEVIATION, align
from handpose.hand_model.model import HandModel


@pytest.fixture(scope="module")
def skeleton():
    return HandModel.load().joints_only()


def joints_of(skeleton, rotations, betas, transl):
    return skeleton.pose(rotations[None], betas[None], transl[None]).joints[0]


def a_hand(seed):
    """A true hand, an estimate some degrees away from it, and what is seen of the true one."""
    rng = np.random.default_rng(seed)
    pose = np.zeros((16, 3))
    pose[0] = rng.normal(size=3)
    pose[1:13, 2] = rng.uniform(0, 1, 12)
    true = Rotation.from_rotvec(pose).as_matrix()
    estimate = true @ Rotation.from_rotvec(rng.normal(size=(16, 3)) * TURN_DEVIATION * 0.7).as_matrix()
    betas, transl = rng.normal(size=10) * 0.5, np.array([0.05, -0.03, 0.6])
    return true, estimate, betas, transl


def seen(skeleton, rotations, betas, transl):
    joints = joints_of(skeleton, rotations, betas, transl)
    return joints[:, :2] / joints[:, 2:], joints


def size_of(skeleton, rotations, betas):
    joints = joints_of(skeleton, rotations, betas, np.zeros(3))
    return np.linalg.norm(joints - joints.mean(0))


@pytest.mark.parametrize("seed", range(4))
def test_reaches_the_minimum_that_scipy_finds(skeleton, seed):
    true, estimate, betas, transl = a_hand(seed)
    rays, _ = seen(skeleton, true, betas, transl)
    rays = rays + np.random.default_rng(seed).normal(size=rays.shape) * 0.004
    deviation = np.random.default_rng(seed + 9).uniform(0.003, 0.02, 21)

    given = betas + np.random.default_rng(seed).normal(size=10) * 0.5

    def residuals(away, shape, place):
        joints = joints_of(skeleton, estimate @ Rotation.from_rotvec(away.reshape(16, 3)).as_matrix(), shape, place)
        return np.concatenate([((joints[:, :2] / joints[:, 2:] - rays) / deviation[:, None]).ravel(),
                               away / TURN_DEVIATION.ravel(), (shape - given) / SHAPE_DEVIATION,
                               [(size_of(skeleton, estimate, shape) / size_of(skeleton, estimate, given) - 1)
                                / SIZE_DEVIATION]])

    best = least_squares(lambda x: residuals(x[:48], x[48:58], x[58:]),
                         np.concatenate([np.zeros(48), given, transl]), diff_step=1e-3)
    rotations, shape, place = align(skeleton, estimate, given, rays, deviation, steps=6)
    away = Rotation.from_matrix(estimate.transpose(0, 2, 1) @ rotations).as_rotvec().ravel()
    cost = (residuals(away, shape, place) ** 2).sum()
    start = (residuals(np.zeros(48), given, transl) ** 2).sum()
    assert cost < start
    assert cost < 2 * best.cost * 1.05 + 0.05  # scipy's cost is half the sum


@pytest.mark.parametrize("seed", range(4))
def test_steps_bring_joints_closer_in_2d_and_in_3d(skeleton, seed):
    true, estimate, betas, transl = a_hand(seed)
    rays, goal = seen(skeleton, true, betas, transl)
    rotations, shape, place = align(skeleton, estimate, betas, rays, np.full(21, 0.005))
    before, after = joints_of(skeleton, estimate, betas, transl), joints_of(skeleton, rotations, shape, place)
    # from the wrist: how large a hand and so how far away it is can hardly be seen
    away = lambda joints: np.linalg.norm((joints - joints[0]) - (goal - goal[0]), axis=1).mean()  # noqa: E731
    away_2d = lambda joints: np.linalg.norm(joints[:, :2] / joints[:, 2:] - rays, axis=1).mean()  # noqa: E731
    assert away_2d(after) < 0.25 * away_2d(before)
    assert away(after) < 0.8 * away(before)
    assert np.allclose(rotations @ rotations.transpose(0, 2, 1), np.eye(3), atol=1e-6)


def test_an_aligned_hand_stays_as_it_is(skeleton):
    true, _, betas, transl = a_hand(7)
    rays, _ = seen(skeleton, true, betas, transl)
    rotations, shape, place = align(skeleton, true, betas, rays, np.full(21, 0.005))
    assert np.allclose(rotations, true, atol=1e-3) and np.allclose(place, transl, atol=1e-4)
    assert np.allclose(shape, betas, atol=1e-3)


def test_the_shape_answers_for_bones_of_another_length(skeleton):
    true, _, betas, transl = a_hand(3)
    rays, _ = seen(skeleton, true, betas, transl)
    given = betas + np.eye(10)[1] * 1.5
    rotations, shape, _ = align(skeleton, true, given, rays, np.full(21, 0.002))
    assert np.abs(shape - betas).sum() < np.abs(given - betas).sum()


@pytest.mark.parametrize("seed", range(4))
def test_a_hand_is_not_made_smaller_to_explain_perspective(skeleton, seed):
    true, estimate, betas, transl = a_hand(seed)
    rays, _ = seen(skeleton, true, betas, transl / 1.5)
    _, shape, _ = align(skeleton, estimate, betas, rays / 1.5, np.full(21, 0.002))
    assert abs(size_of(skeleton, true, shape) / size_of(skeleton, true, betas) - 1) < 0.01


def told(skeleton, seed, *world):
    """The joints (21, 3) of an estimate aligned with rays that tell little, and with these world points."""
    true, estimate, betas, transl = a_hand(seed)
    rays, _ = seen(skeleton, true, betas, transl)
    return joints_of(skeleton, *align(skeleton, estimate, betas, rays, np.full(21, 0.03), *world))


@pytest.mark.parametrize("seed", range(4))
def test_world_points_bring_joints_closer_in_3d_whatever_their_place_and_size(skeleton, seed):
    true, _, betas, transl = a_hand(seed)
    goal = joints_of(skeleton, true, betas, transl)
    away = lambda joints: np.linalg.norm((joints - joints[0]) - (goal - goal[0]), axis=1).mean()  # noqa: E731
    assert away(told(skeleton, seed, goal)) < 0.8 * away(told(skeleton, seed))
    assert np.allclose(told(skeleton, seed, 1.3 * goal + [0.2, 0, -0.1]), told(skeleton, seed, goal))


@pytest.mark.parametrize("seed", range(4))
def test_world_points_of_another_pose_are_doubted(skeleton, seed):
    true, _, betas, transl = a_hand(seed)
    other = joints_of(skeleton, true, betas, transl) * [1, 1, -1]
    alone = told(skeleton, seed)
    away = lambda joints: np.linalg.norm((joints - joints.mean(0)) - (alone - alone.mean(0)), axis=1)  # noqa: E731
    assert away(told(skeleton, seed, other)).mean() < 0.1 * away(other).mean()
