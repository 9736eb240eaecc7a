"""Metrics against scipy and brute force."""
import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from handpose.hand_model.skeleton import BONES
from train.scoring.metrics import (
    error_2d,
    f_score,
    freihand_scores,
    pa_mpjpe,
    palm_rotation,
    pck_auc,
    procrustes,
    root_relative,
)


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


def brute_f_score(points, goal, threshold):
    """Counts by all pairs of vertices."""
    apart = cdist(points, goal)
    precision, recall = (apart.min(1) < threshold).mean(), (apart.min(0) < threshold).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def brute_auc(distances):
    """FreiHAND's: a curve for each point, its area by the trapezoid rule, the mean of the areas; distances (N, P)."""
    thresholds = np.linspace(0, 0.05, 100)
    curves = (distances[..., None] <= thresholds).mean(0)
    return (np.diff(thresholds) * (curves[:, 1:] + curves[:, :-1]) / 2).sum(1).mean() / 0.05


def aligned_by_scipy(points, goal):
    a, b = points - points.mean(0), goal - goal.mean(0)
    rotation, scale = orthogonal_procrustes(a, b)
    assert np.linalg.det(rotation) > 0
    return a @ rotation * scale / (a**2).sum() + goal.mean(0)


def test_f_score_agrees_with_brute_force():
    rng = np.random.default_rng(1)
    goal = rng.normal(size=(300, 3)) * 0.03
    for spread, count in ((0, 300), (0.003, 300), (0.01, 200), (1, 300)):
        points = goal[:count] + rng.normal(size=(count, 3)) * spread
        expected = [brute_f_score(points, goal, threshold) for threshold in (0.005, 0.015)]
        assert f_score(points, goal, (0.005, 0.015)) == pytest.approx(expected, abs=1e-6)


def test_f_score_is_a_share_of_both_meshes_and_strict():
    goal = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    # one point lies on the goal: precision 1, recall 1/4
    assert f_score(goal[:1], goal, (0.5,)) == pytest.approx([2 * 0.25 / 1.25])
    assert f_score(goal + [0, 0.5, 0], goal, (0.5, 0.501)) == pytest.approx([0, 1])


def test_auc_agrees_with_the_rule_written_out():
    distances = np.random.default_rng(2).gamma(2, 0.01, size=(40, 21))
    assert pck_auc(distances) == pytest.approx(brute_auc(distances), abs=1e-9)
    assert pck_auc(np.full(5, 0.06)) == 0 and pck_auc(np.zeros(5)) == 1
    assert pck_auc(np.full(5, 0.025)) == pytest.approx(0.5, abs=0.01)


def test_freihand_scores_agree_with_an_independent_computation():
    rng = np.random.default_rng(3)
    goal_joints, goal_vertices = rng.normal(size=(6, 21, 3)) * 0.04, rng.normal(size=(6, 778, 3)) * 0.04
    turn = Rotation.random(6, random_state=0).as_matrix()
    joints, vertices = (1.2 * (goal + rng.normal(size=goal.shape) * 0.006) @ turn + [0.02, 0, 0.01]
                        for goal in (goal_joints, goal_vertices))
    scores = freihand_scores(joints, vertices, goal_joints, goal_vertices)
    aligned = [np.stack([aligned_by_scipy(*pair) for pair in zip(*pairs, strict=True)])
               for pairs in ((joints, goal_joints), (vertices, goal_vertices))]
    for name, (points, mesh) in (("aligned", aligned), ("not aligned", (joints, vertices))):
        away, mesh_away = (np.sqrt(((a - b) ** 2).sum(2)) for a, b in ((points, goal_joints), (mesh, goal_vertices)))
        expected = {"joints mm": 1000 * away.mean(), "joints AUC": brute_auc(away),
                    "vertices mm": 1000 * mesh_away.mean(), "vertices AUC": brute_auc(mesh_away),
                    "F@5": np.mean([brute_f_score(*pair, 0.005) for pair in zip(mesh, goal_vertices, strict=True)]),
                    "F@15": np.mean([brute_f_score(*pair, 0.015) for pair in zip(mesh, goal_vertices, strict=True)])}
        assert scores[name] == pytest.approx(expected, abs=1e-6)
    assert scores["aligned"]["joints mm"] == pytest.approx(pa_mpjpe(joints, goal_joints).mean())
    assert 0.1 < scores["aligned"]["F@5"] < 0.9  # or the thresholds would not be tested


def test_a_mesh_of_another_kind_is_aligned_as_its_joints_are():
    rng = np.random.default_rng(4)
    goal_joints, goal_vertices = rng.normal(size=(3, 21, 3)) * 0.04, rng.normal(size=(3, 778, 3)) * 0.04
    turn = Rotation.random(random_state=1).as_matrix()
    moved = [1.4 * points @ turn + [0.3, 0.1, 0] for points in (goal_joints, goal_vertices[:, ::2])]
    scores = freihand_scores(*moved, goal_joints, goal_vertices)
    expected = np.mean([brute_f_score(goal[::2], goal, 0.005) for goal in goal_vertices])
    assert scores["aligned"]["F@5"] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(scores["aligned"]["vertices mm"]) and np.isnan(scores["not aligned"]["vertices AUC"])
    assert scores["not aligned"]["joints mm"] > 100
