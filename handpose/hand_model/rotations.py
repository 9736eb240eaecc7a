"""Rotation vectors (axis times angle, radians) and matrices in arrays of any shape, by SciPy."""
from __future__ import annotations

import numpy as np
import scipy
from scipy.spatial.transform import Rotation

# From 1.17 on, SciPy first makes sure that a matrix is a rotation, which takes three times as long as the rest.
UNCHECKED = {"assume_valid": True} if np.lib.NumpyVersion(scipy.__version__) >= "1.17.0" else {}


def rotvec_to_rotmat(rotvec: np.ndarray) -> np.ndarray:
    """Matrices (..., 3, 3) of rotation vectors (..., 3); keeps float32."""
    rotvec = np.asarray(rotvec)
    return _kept(Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix(), (*rotvec.shape, 3), rotvec)


def rotmat_to_rotation(matrix: np.ndarray) -> Rotation:
    """SciPy's rotations of matrices (N, 3, 3), which have to be rotations."""
    return Rotation.from_matrix(matrix, **UNCHECKED)


def rotmat_to_rotvec(matrix: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3), no longer than pi, of matrices (..., 3, 3); keeps float32."""
    matrix = np.asarray(matrix)
    return _kept(rotmat_to_rotation(matrix.reshape(-1, 3, 3)).as_rotvec(), matrix.shape[:-1], matrix)


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """The rotations (..., 3, 3) that are closest to matrices (..., 3, 3) in the Frobenius norm (special orthogonal
    Procrustes)."""
    u, _, vt = np.linalg.svd(matrix)
    u[..., 2] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))[..., None]
    return u @ vt


def _kept(array: np.ndarray, shape: tuple[int, ...], like: np.ndarray) -> np.ndarray:
    return array.reshape(shape).astype(np.promote_types(like.dtype, np.float32), copy=False)
