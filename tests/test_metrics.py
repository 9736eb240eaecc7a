"""Metrics against scipy and brute force."""
import numpy as np
import pytest
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.transform import Rotation

from handpose.skeleton import BONES
from train.metrics import error_2d, pa_mpjpe, palm_rotation, procrustes, root_relative


@pytest.fixture
def hands():
    rng = np.random.default_rng(0)
    goal = rng.normal(size=(5, 21, 3)) * 0.05
    return goal + rng.normal(size=goal.shape) * 0.01, goal


def test_procrustes_agrees_with_scipy(hands):
    for a, b in zip(*hands, strict=True):
        standard_b, standard_a, _ = scipy_procrustes(b, a)  # scaled to unit norm, in b's frame
        norm = np.linalg.norm(b - b.mean(0))
        assert np.allclose(procrustes(a, b), standard_a * norm + b.mean(0), atol=1e-9)
        expected = 1000 * np.linalg.norm(standard_a - standard_b, axis=1).mean() * norm
        assert pa_mpjpe(a, b) == pytest.approx(expected, abs=1e-6)


def test_procrustes_forgives_similarity_but_not_reflection(hands):
    goal = hands[1]
    moved = 1.7 * goal @ Rotation.from_rotvec([0.3, 2, -1]).as_matrix().T + [1, 2, 3]
    assert pa_mpjpe(moved, goal).max() < 1e-9
    assert pa_mpjpe(goal * [-1, 1, 1], goal).min() > 5


def test_root_relative_forgives_size_and_place_but_not_rotation(hands):
    found, goal = hands
    assert np.allclose(root_relative(found * 2 + 1, goal), root_relative(found, goal))
    assert root_relative(goal @ Rotation.from_rotvec([0, 0, 0.5]).as_matrix(), goal).min() > 1
    a, b = found[0] - found[0, 0], goal[0] - goal[0, 0]
    scale = sum(np.linalg.norm(b[c] - b[p]) for p, c in BONES) / sum(np.linalg.norm(a[c] - a[p]) for p, c in BONES)
    assert root_relative(found[0], goal[0]) == pytest.approx(
        np.mean([1000 * np.linalg.norm(a[j] * scale - b[j]) for j in range(1, 21)]))


def test_palm_rotation_is_the_angle_turned(hands):
    for degrees in (1, 30, 120):
        turn = Rotation.from_rotvec(np.radians(degrees) * np.array([0.6, 0, 0.8])).as_matrix()
        assert np.allclose(palm_rotation(hands[1] @ turn.T, hands[1]), degrees, atol=1e-4)


def test_error_2d_is_a_share_of_the_box():
    goal = np.zeros((21, 2))
    goal[1] = [100, 40]
    assert error_2d(goal + [3, 4], goal) == pytest.approx(0.05)
