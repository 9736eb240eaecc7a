"""Grips and hands that meet: nothing lies in anything, fingers touch what they hold, and solids know where they end."""
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handpose.hand_model.model import HandModel
from train.synthesis.grasp import DEEPEST, FINGER_JOINTS, THUMB, Closer
from train.synthesis.held import take
from train.synthesis.meetings import MEETINGS
from train.synthesis.objects import THINGS, make
from train.synthesis.pairs import Flesh, touch
from train.synthesis.solids import Box, Capsules, Placed, Ring, Turned, distance


@pytest.fixture(scope="module")
def closer():
    return Closer(HandModel.load())


def winding(vertices, faces, points):
    """How often a mesh goes around each point (N,): about 1 inside, 0 outside (Van Oosterom and Strackee, 1983)."""
    a, b, c = (vertices[faces[:, k]][None] - points[:, None] for k in range(3))
    x, y, z = (np.linalg.norm(side, axis=2) for side in (a, b, c))
    volume = np.einsum("nfi,nfi->nf", a, np.cross(b, c))
    dots = x * y * z + (a * b).sum(2) * z + (b * c).sum(2) * x + (c * a).sum(2) * y
    return np.arctan2(volume, dots).sum(1) / (2 * np.pi)


def to_surface(vertices, faces, points):
    """Metres (N,) from each point to the nearest triangle: to its plane, or else to its nearest edge."""
    corners = vertices[faces]
    a, b, c = corners.swapaxes(0, 1)
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-15)
    found = []
    for point in points:
        plane = ((point - a) * normal).sum(1)
        foot = point - plane[:, None] * normal
        over = np.all([(np.cross(q - p, foot - p) * normal).sum(1) >= 0 for p, q in ((a, b), (b, c), (c, a))], axis=0)
        edges = []
        for p, q in ((a, b), (b, c), (c, a)):
            t = np.clip(((point - p) * (q - p)).sum(1) / np.maximum(((q - p) ** 2).sum(1), 1e-15), 0, 1)
            edges.append(np.linalg.norm(p + t[:, None] * (q - p) - point, axis=1))
        found.append(np.where(over, np.abs(plane), np.min(edges, 0)).min())
    return np.array(found)


@pytest.mark.parametrize("solid", [
    Turned(np.array([.03, .03]), np.array([-.05, .05]), 60), Box(np.array([.02, .05, .01])), Ring(.05, .012, 60),
    Turned(np.array([.02, .04, .01]), np.array([-.05, .0, .08]), 60)], ids=["can", "box", "ring", "vase"])
def test_a_solid_knows_how_far_its_surface_is(solid):
    vertices, faces, _ = solid.mesh()
    points = np.random.default_rng(0).uniform(-.09, .09, (60, 3))
    known = solid.distance(points)
    inside = winding(vertices, faces, points) > .5
    clear = np.abs(known) > .002
    assert (inside == (known < 0))[clear].all() and inside.any()
    np.testing.assert_allclose(np.abs(known), to_surface(vertices, faces, points), atol=.001)
    turn, place = Rotation.from_rotvec([.3, -.8, 1.1]).as_matrix(), np.array([.1, -.2, .05])
    moved = Placed(Placed(solid, place, turn), np.array([0, 0, .3]))
    np.testing.assert_allclose(moved.distance(points @ turn.T + place + [0, 0, .3]), known, atol=1e-12)


def test_capsules_are_segments_that_are_thick():
    rng = np.random.default_rng(1)
    rods, points = Capsules(*rng.normal(size=(2, 5, 3)), rng.uniform(.1, .3, 5)), rng.normal(size=(40, 3))
    t = np.linspace(0, 1, 2001)[:, None]
    naive = [min(np.linalg.norm(a + t * (b - a) - point, axis=1).min() - r
                 for a, b, r in zip(rods.start, rods.end, rods.radii, strict=True)) for point in points]
    np.testing.assert_allclose(rods.distance(points), naive, atol=1e-3)


@pytest.mark.parametrize("name", THINGS)
def test_what_is_held_is_touched_and_not_entered(closer, name):
    """By the meshes: no vertex of the hand lies deeper than 2 mm in any body, thumb and fingers are near it."""
    held = []
    for seed in range(12):
        rng = np.random.default_rng([seed, 5])
        betas = np.float32(np.clip(rng.normal(size=10), -2, 2))
        for kind in THINGS[name]:
            one = take(rng, closer, betas, name, kind)
            if one:
                held.append((one, closer.posed(one.pose, betas).vertices))
        if len(held) >= 2:
            break
    assert held, f"{name} is never held"
    one, skin = held[0]
    meshes = [body.mesh() for body in one.thing.solids]
    for vertices, faces, _ in meshes:
        near = skin[distance(one.thing.solids, skin) < .004]
        inside = near[winding(vertices, faces, near) > .5]
        if len(inside):
            assert to_surface(vertices, faces, inside).max() < DEEPEST + .0005
    gaps = [min(to_surface(vertices, faces, skin[closer.finger_of_vertex == finger][::7]).min()
                for vertices, faces, _ in meshes) for finger in range(5)]
    assert (np.array(gaps) < .006).sum() >= 2 and (one.grip == "hook" or gaps[THUMB] < .006 or sum(
        gap < .006 for gap in gaps) >= 3)


def test_a_finger_stops_where_it_touches(closer):
    """On a rod under the fingers each of them bends less than into a fist, and as far as it can."""
    start, end = np.zeros((15, 3)), np.zeros((15, 3))
    end[:12, 2] = [1.5, 1.7, 1.1] * 4
    betas = np.zeros(10, np.float32)
    rod = Placed(Turned(np.full(2, .02), np.array([-.2, .2])), np.array([-.11, -.04, 0]))
    pose = closer.close(start, end, betas, [rod])
    free = closer.close(start, end, betas, [Placed(rod, np.array([0, -1.0, 0]))])
    np.testing.assert_allclose(free[:12], 1.2 * end[:12])
    gap = distance([rod], closer.posed(pose, betas).vertices)
    for finger, joints in enumerate(FINGER_JOINTS[:4]):
        rows = np.array(joints) - 1
        assert pose[rows, 2].sum() < .95 * free[rows, 2].sum()
        mine = gap[closer.finger_of_vertex == finger]
        assert -DEEPEST < mine.min() < .002
        further = pose.copy()
        further[rows, 2] += .1
        deeper = distance([rod], closer.posed(further, betas).vertices)[closer.finger_of_vertex == finger]
        assert deeper.min() < mine.min() - .0005


@pytest.mark.parametrize("name", MEETINGS)
def test_hands_meet_without_lying_in_each_other(closer, name):
    """By the meshes: where a vertex of one hand is inside of the other, the surface is near."""
    flesh, found = Flesh(closer), None
    for seed in range(20):
        betas = np.float32(np.random.default_rng(seed).normal(size=10).clip(-2, 2))
        found = touch(np.random.default_rng([seed, 9]), closer, flesh, betas, name)
        if found:
            break
    assert found, f"hands never meet as in {name}"
    first, second = (closer.posed(pose, betas).vertices for pose in (found.pose, found.other_pose))
    other = second @ found.turn.T + found.place
    assert np.linalg.det(found.turn) == pytest.approx(-1)  # the other hand is a left one
    faces = closer.model.faces
    close = other[np.abs(other[:, None] - first[None, ::8]).max(2).min(1) < .02]
    inside = close[winding(first, faces, close) > .5] if len(close) else close
    if len(inside):
        assert to_surface(first, faces, inside).max() < DEEPEST + .002
    nearest = min(np.linalg.norm(first - point, axis=1).min() for point in other)
    assert nearest < {"clapping": .08, "interlaced": .03}.get(name, .012)
    back = found.swapped()
    np.testing.assert_allclose(first @ back.turn.T + back.place, (first - found.place) @ found.turn, atol=1e-6)


def test_measures_are_drawn_anew():
    boxes = {tuple(np.round(np.ptp(make("bottle", np.random.default_rng(k)).solids[0].mesh()[0], axis=0), 4))
             for k in range(5)}
    assert len(boxes) == 5
