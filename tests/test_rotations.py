"""Rotations of arrays of any shape and precision, against the exponential of a matrix."""
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from handpose.hand_model.rotations import nearest_rotation, rotmat_to_rotvec, rotvec_to_rotmat


def rotvecs() -> np.ndarray:
    """Of all sizes: none, tiny, small, any, nearly a half turn, more than one."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(40, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    sizes = [0, 1e-12, 1e-8, 9e-7, 1.1e-6, 1e-4, 0.1, 1, 2, 3, np.pi - 1e-6, np.pi - 1e-9]
    return np.array([direction * size for direction in [*directions, *np.eye(3), *-np.eye(3)] for size in sizes])


def exponential(rotvec: np.ndarray) -> np.ndarray:
    """Of the matrices (N, 3, 3) that multiply as the cross product with vectors (N, 3) does."""
    return expm(np.cross(rotvec[:, None], np.eye(3)).swapaxes(1, 2))


def test_matrices_are_the_exponential():
    expected = exponential(rotvecs())
    assert np.abs(rotvec_to_rotmat(rotvecs()) - expected).max() < 1e-13
    assert np.abs(rotvec_to_rotmat(3 * rotvecs()) - exponential(3 * rotvecs())).max() < 1e-13
    assert np.abs(rotvec_to_rotmat(rotvecs().reshape(2, -1, 3)).reshape(-1, 3, 3) - expected).max() < 1e-13
    assert np.abs(rotvec_to_rotmat(rotvecs()[20]) - expected[20]).max() < 1e-13


def test_vectors_come_back():
    assert np.abs(rotmat_to_rotvec(exponential(rotvecs())) - rotvecs()).max() < 1e-8
    small = rotvecs()[np.linalg.norm(rotvecs(), axis=1) < 2]
    assert np.abs(rotmat_to_rotvec(rotvec_to_rotmat(small)) - small).max() < 1e-14


def test_half_turns_are_either_way():
    axes = np.vstack([np.eye(3), np.random.default_rng(1).normal(size=(9, 3))])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    matrices = 2 * axes[:, :, None] * axes[:, None] - np.eye(3)
    found = rotmat_to_rotvec(matrices)
    assert np.allclose(np.linalg.norm(found, axis=1), np.pi)
    assert np.abs(Rotation.from_rotvec(found).as_matrix() - matrices).max() < 1e-8


def test_single_precision_stays_single():
    vectors = rotvecs().astype(np.float32)
    matrices = rotvec_to_rotmat(vectors)
    assert matrices.dtype == rotmat_to_rotvec(matrices).dtype == nearest_rotation(matrices).dtype == np.float32
    assert np.abs(matrices - exponential(vectors.astype(float))).max() < 1e-6


@pytest.mark.parametrize("noise", [0.0, 0.1, 1.0])
def test_no_rotation_is_nearer(noise):
    rng = np.random.default_rng(2)
    matrices = Rotation.random(50, random_state=3).as_matrix() + noise * rng.normal(size=(50, 3, 3))
    nearest = nearest_rotation(matrices)
    assert np.allclose(nearest @ nearest.swapaxes(1, 2), np.eye(3)) and np.allclose(np.linalg.det(nearest), 1)
    distance = np.linalg.norm(matrices - nearest, axis=(1, 2))
    for size in (1e-3, 0.1, 1.0):
        others = nearest @ Rotation.from_rotvec(size * rng.normal(size=(50, 3))).as_matrix()
        assert (np.linalg.norm(matrices - others, axis=(1, 2)) >= distance - 1e-12).all()
    if not noise:
        assert np.abs(nearest - matrices).max() < 1e-12
