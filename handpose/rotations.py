"""Rotations in NumPy: rotation vectors (axis times angle, radians) and matrices, any number at once."""
from __future__ import annotations

import numpy as np

SMALL = 1e-6  # radians; below it series take the place of quotients of small numbers


def rotvec_to_rotmat(rotvec: np.ndarray) -> np.ndarray:
    """Matrices (..., 3, 3) of rotation vectors (..., 3), by Rodrigues' formula; keeps float32."""
    x, y, z = np.moveaxis(np.asarray(rotvec), -1, 0)
    angle = np.sqrt(x * x + y * y + z * z)
    safe = np.where(angle < SMALL, 1, angle)
    sine = np.where(angle < SMALL, 1, np.sin(safe) / safe)
    versine = np.where(angle < SMALL, 0.5, 2 * (np.sin(safe / 2) / safe) ** 2)  # (1 - cos) / angle^2
    c = 1 - versine * angle * angle
    rows = [[c + versine * x * x, versine * x * y - sine * z, versine * x * z + sine * y],
            [versine * x * y + sine * z, c + versine * y * y, versine * y * z - sine * x],
            [versine * x * z - sine * y, versine * y * z + sine * x, c + versine * z * z]]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def rotmat_to_rotvec(matrix: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3), no longer than pi, of matrices (..., 3, 3); keeps float32.

    By way of the unit quaternion, taken from its largest component (Shepperd, "Quaternion from Rotation Matrix", 1978).
    """
    m = np.asarray(matrix)
    (a, b, c), (d, e, f), (g, h, i) = np.moveaxis(m, (-2, -1), (0, 1))
    # Row k is the quaternion (w, x, y, z) times four of its k-th component.
    rows = np.stack([np.stack([1 + a + e + i, h - f, c - g, d - b], -1),
                     np.stack([h - f, 1 + a - e - i, b + d, c + g], -1),
                     np.stack([c - g, b + d, 1 - a + e - i, f + h], -1),
                     np.stack([d - b, c + g, f + h, 1 - a - e + i], -1)], -2)
    largest = np.argmax(np.diagonal(rows, axis1=-2, axis2=-1), -1)
    quaternion = np.take_along_axis(rows, largest[..., None, None], -2)[..., 0, :]
    quaternion = np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    w, axis = quaternion[..., 0], quaternion[..., 1:]
    sine = np.sqrt((axis * axis).sum(-1))
    angle = 2 * np.arctan2(sine, w)
    return axis * np.where(sine < SMALL * w, 2 / np.where(w > 0, w, 1), angle / np.where(sine > 0, sine, 1))[..., None]


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """The rotations (..., 3, 3) that are closest to matrices (..., 3, 3) in the Frobenius norm (special orthogonal
    Procrustes)."""
    u, _, vt = np.linalg.svd(matrix)
    u[..., 2] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))[..., None]
    return u @ vt
