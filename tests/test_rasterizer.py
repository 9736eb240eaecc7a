"""The rasteriser against a loop over triangles and pixels, and against the geometry it draws."""
import numpy as np
import pytest

from handpose.drawing.rasterizer import rasterize


def naive(points, faces, width, height):
    """Face, perspective-correct weights and depth by asking every triangle at every pixel."""
    face = np.full((height, width), -1)
    weights, depth = np.zeros((height, width, 3)), np.full((height, width), np.inf)
    for row in range(height):
        for column in range(width):
            for k, corners in enumerate(faces):
                system = np.vstack([points[corners, :2].T, np.ones(3)])
                if abs(np.linalg.det(system)) < 1e-12:
                    continue
                screen = np.linalg.solve(system, [column, row, 1])
                if (screen < 0).any():
                    continue
                w = screen / points[corners, 2]
                z = 1 / w.sum()
                if z < depth[row, column]:
                    face[row, column], weights[row, column], depth[row, column] = k, w * z, z
    return face, weights, depth


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spread", [3, 12, 80])  # pixels: slivers between pixels, usual ones, larger than the image
def test_equals_naive(seed, spread):
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.uniform(-4, 28, (25, 2)), 3, 0)
    points = np.column_stack([centres + rng.normal(0, spread, (75, 2)), rng.uniform(.2, 2, 75)])
    faces = rng.permutation(75).reshape(25, 3) if spread == 12 else np.arange(75).reshape(25, 3)
    got = rasterize(points, faces, 27, 21)
    face, weights, depth = naive(points, faces, 27, 21)
    np.testing.assert_array_equal(got.face, face)
    np.testing.assert_allclose(got.barycentric, weights, atol=1e-5)
    np.testing.assert_allclose(got.depth, depth, rtol=1e-5)


def test_interpolates_what_a_pinhole_sees():
    """On a tilted plane, the interpolated 3D point projects back to its own pixel."""
    rng = np.random.default_rng(0)
    corners = np.array([[-.2, -.2, .4], [.2, -.2, .9], [.2, .2, .7], [-.2, .2, .5]]) + rng.normal(0, .01, (4, 3))
    corners[3] = corners[0] + corners[2] - corners[1]
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    points = np.column_stack([corners[:, :2] / corners[:, 2:] * 100 + 50, corners[:, 2]])
    buffer = rasterize(points, faces, 100, 100)
    seen = buffer.face >= 0
    assert seen.sum() > 1000
    space = buffer.interpolate(corners, faces)[seen]
    pixels = space[:, :2] / space[:, 2:] * 100 + 50
    np.testing.assert_allclose(pixels, np.argwhere(seen)[:, ::-1], atol=1e-3)
    np.testing.assert_allclose(space[:, 2], buffer.depth[seen], rtol=1e-5)


def test_closed_mesh_has_no_cracks():
    """A fine fan of triangles about a point covers its whole disc, shared edges through pixel centres included."""
    angles = np.arange(64) / 64 * 2 * np.pi
    ring = np.column_stack([32 + 30 * np.cos(angles), 32 + 30 * np.sin(angles), np.ones(64)])
    points = np.vstack([ring, [32, 32, 1]])
    faces = np.array([[k, (k + 1) % 64, 64] for k in range(64)])
    face = rasterize(points, faces, 65, 65).face
    u, v = np.meshgrid(np.arange(65), np.arange(65))
    assert (face[np.hypot(u - 32, v - 32) < 29.9] >= 0).all()
    assert (face[np.hypot(u - 32, v - 32) > 30.1] == -1).all()


def test_nothing_to_see():
    behind = np.array([[1, 1, -1], [9, 1, 1], [1, 9, 1], [np.nan, 0, 1], [-50, -50, 1], [-40, -50, 1], [-50, -40, 1]])
    faces = np.array([[0, 1, 2], [1, 2, 3], [4, 5, 6], [1, 1, 2]])
    for these in (faces, faces[:0]):
        buffer = rasterize(behind, these, 12, 10)
        assert buffer.face.shape == (10, 12) and (buffer.face == -1).all() and np.isinf(buffer.depth).all()
