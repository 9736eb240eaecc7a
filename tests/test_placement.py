"""The closed form against SciPy's least squares, and its bound against rays that no hand before a camera sends."""
import numpy as np
import pytest
from scipy.optimize import lsq_linear

from handpose.hand_model.model import HandModel
from handpose.placement import NEAREST, solve_translation

FLAT = np.zeros((1, 3)), np.zeros((1, 45)), np.zeros((1, 10)), np.zeros((1, 3))
JOINTS = HandModel.load()(*FLAT).joints[0] @ np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])  # tilted


def system(joints, rays, weights) -> tuple[np.ndarray, np.ndarray]:
    """A (42, 3) and b (42,): x + tx = u (z + tz) and y + ty = v (z + tz) of all joints, weighted."""
    rows, goals = [], []
    for (x, y, z), (u, v), weight in zip(joints, rays, weights, strict=True):
        rows += [np.sqrt(weight) * np.array([1, 0, -u]), np.sqrt(weight) * np.array([0, 1, -v])]
        goals += [np.sqrt(weight) * (u * z - x), np.sqrt(weight) * (v * z - y)]
    return np.array(rows), np.array(goals)


def hostile_rays(seed: int) -> np.ndarray:
    """Of a hand upside down, all alike, at random, or huge."""
    rng = np.random.default_rng(seed)
    place = JOINTS + [0, 0, 0.5]
    seen = place[:, :2] / place[:, 2:]
    return [2 * seen.mean(0) - seen, np.zeros((21, 2)), rng.normal(size=(21, 2)), 1e6 * rng.normal(size=(21, 2)),
            -1e-6 * seen, 5 * seen][seed % 6]


@pytest.mark.parametrize("seed", range(24))
def test_no_joint_comes_nearer_than_the_bound(seed):
    rng, rays = np.random.default_rng(seed), hostile_rays(seed)
    weights = rng.uniform(0.01, 100, 21)
    transl = solve_translation(JOINTS[None], rays[None], weights[None], NEAREST)[0]
    assert np.isfinite(transl).all()
    assert (JOINTS + transl)[:, 2].min() > NEAREST - 1e-9
    free = solve_translation(JOINTS[None], rays[None], weights[None])[0]
    if (JOINTS + free)[:, 2].min() >= NEAREST:
        assert np.array_equal(transl, free)  # to the last bit
    else:
        assert (JOINTS + transl)[:, 2].min() == pytest.approx(NEAREST)


@pytest.mark.parametrize("seed", [0, 2, 5, 6, 8, 11])
def test_it_is_the_least_squares_solution_within_the_bound(seed):
    rng, rays = np.random.default_rng(seed), hostile_rays(seed)
    weights = rng.uniform(0.5, 2, 21)
    transl = solve_translation(JOINTS[None], rays[None], weights[None], NEAREST)[0]
    best = lsq_linear(*system(JOINTS, rays, weights), bounds=([-np.inf, -np.inf, NEAREST - JOINTS[:, 2].min()], np.inf),
                      tol=1e-14, method="bvls")
    assert np.allclose(transl, best.x, atol=1e-5)
