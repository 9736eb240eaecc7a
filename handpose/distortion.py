"""Lens distortion by OpenCV's model: radial k1, k2, k3 and tangential p1, p2 (Brown, Decentering distortion of lenses,
1966).

Coefficients are (k1, k2, p1, p2, k3). Rays and points are (x / z, y / z): where a lens without distortion images what
stands at (x, y, z), at a focal length of 1.
"""
from __future__ import annotations

import cv2
import numpy as np

ITERATIONS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-9)  # of undoing it; OpenCV's own 5 are few


def distort(rays: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    """Where the lens images rays (..., 2): points (..., 2). Rays beyond its rim are imaged on it (see `rim`)."""
    rays = np.asarray(rays, float)
    radius = np.linalg.norm(rays, axis=-1, keepdims=True)
    rays = rays * np.minimum(1, rim(coefficients) / np.maximum(radius, 1e-12))
    points = np.concatenate([rays, np.ones_like(radius)], -1).reshape(-1, 3)
    if not len(points):  # of which OpenCV makes none
        return rays
    return cv2.projectPoints(points, np.zeros(3), np.zeros(3), np.eye(3), np.array(coefficients))[0].reshape(rays.shape)


def undistort(points: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    """The rays (..., 2) that the lens images at points (..., 2)."""
    points = np.asarray(points, float)
    if not points.size:
        return points
    return cv2.undistortImagePoints(points.reshape(-1, 1, 2), np.eye(3), np.array(coefficients), None,
                                    ITERATIONS).reshape(points.shape)


def rim(coefficients: tuple[float, ...]) -> float:
    """The radius x / z up to which rays farther out are imaged farther out; there the polynomial turns back."""
    k1, k2, _, _, k3 = coefficients
    turns = np.roots([7 * k3, 5 * k2, 3 * k1, 1])  # zeros, in the radius' square, of the imaged radius' slope
    radii = turns.real[(abs(turns.imag) < 1e-9) & (turns.real > 0)]
    return float(np.sqrt(radii.min())) if len(radii) else np.inf
