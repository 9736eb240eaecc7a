"""The surface that is displayed: closed, finer, and hardly away from the hand model's own."""
import numpy as np
import pytest
import trimesh

from handpose.drawing.smooth import smooth, smooth_surface
from handpose.hand_model.model import HandModel

BETAS = np.zeros((1, 10))


@pytest.fixture(scope="module", params=["right", "left"])
def hand(request):
    """Vertices and triangles of a hand at rest, open at its wrist."""
    model = HandModel.load()
    model = model if request.param == "right" else model.left()
    return model.rest(BETAS)[0][0].astype(float), model.faces


def test_it_is_closed_and_its_normals_point_outwards(hand):
    open_mesh, closed = trimesh.Trimesh(*hand, process=False), trimesh.Trimesh(*smooth(*hand), process=False)
    assert not open_mesh.is_watertight
    assert closed.is_watertight and closed.is_winding_consistent and closed.euler_number == 2
    assert 1.5e-4 < closed.volume < 5e-4  # m^3, positive: not inside out


def test_it_keeps_to_the_hand_model(hand):
    vertices, faces = hand
    smoothed, _ = smooth(vertices, faces)
    edges = trimesh.Trimesh(vertices, faces, process=False).edges_sorted
    rim = edges[trimesh.grouping.group_rows(edges, require_count=1)]
    inner = np.setdiff1d(np.arange(len(vertices)), rim)
    apart = 1e3 * np.linalg.norm(smoothed[inner] - vertices[inner], axis=1)  # the first ones are the model's own, moved
    assert apart.mean() < 0.6 and apart.max() < 3.0  # mm, most of them along the surface


def test_edges_are_softer(hand):
    def bends(vertices, faces):
        return np.degrees(trimesh.Trimesh(vertices, faces, process=False).face_adjacency_angles)
    assert np.percentile(bends(*smooth(*hand)), 99) < 0.7 * np.percentile(bends(*hand), 99)


def test_one_matrix_serves_all_poses_and_moves_with_them(hand):
    vertices, faces = hand
    weights = smooth_surface(faces, len(vertices)).weights
    assert smooth_surface(faces.copy(), len(vertices)).weights is weights
    turn = trimesh.transformations.random_rotation_matrix(np.random.default_rng(0).random(3))[:3, :3]
    moved = smooth(vertices @ turn.T + [0.1, 0.2, 0.3], faces)[0]
    np.testing.assert_allclose(moved, smooth(vertices, faces)[0] @ turn.T + [0.1, 0.2, 0.3], atol=1e-6)


def test_a_flat_surface_stays_flat_and_a_closed_one_stays_closed():
    ball = trimesh.creation.icosphere(subdivisions=2)
    finer = trimesh.Trimesh(*smooth(ball.vertices, ball.faces), process=False)
    assert len(finer.faces) == 4 * len(ball.faces) and finer.is_watertight
    u, v = np.meshgrid(range(5), range(5), indexing="ij")
    sheet = np.stack([u, v, 2 * u - v], -1).reshape(-1, 3).astype(float)
    corner = (5 * u + v)[:-1, :-1].ravel()
    faces = np.stack([corner, corner + 5, corner + 6, corner, corner + 6, corner + 1], 1).reshape(-1, 3)
    flat = smooth(sheet, faces)[0]
    np.testing.assert_allclose(flat[:, 2], 2 * flat[:, 0] - flat[:, 1], atol=1e-6)
