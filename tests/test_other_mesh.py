"""A mesh of another topology, unit, frame, shape and pose follows hands as the skin does that it was taken from."""
from dataclasses import replace

import numpy as np
import pytest
from mano_files import decimate
from scipy.spatial.transform import Rotation
from test_joint_angles import MODELS, posed

from handpose.hand_model.model import HandModel, mirror_rotvec
from handpose.hand_model.other_mesh import fit_mesh
from handpose.hand_model.skeleton import MANO_JOINT_NAMES

OPEN = MODELS["open"]


@pytest.fixture(scope="module")
def foreign():
    """A mesh of 778 of the open hand's vertices, and which they are; a slightly bent hand of another shape, in
    centimetres, turned and moved. Fingertips come first."""
    dice = np.random.default_rng(5)
    faces, _ = decimate(OPEN.v_template.astype(float), OPEN.faces, set(OPEN.tip_vertices))
    kept = np.array([*OPEN.tip_vertices, *sorted(set(np.unique(faces)) - set(OPEN.tip_vertices))])
    pose = np.zeros((15, 3))
    pose[[MANO_JOINT_NAMES.index(f"{finger}{part}") - 1 for finger in ("index", "ring") for part in (1, 2)], 2] = 0.15
    skin = OPEN(np.zeros((1, 3)), pose.reshape(1, 45), dice.normal(0, 0.7, (1, 10)), np.zeros((1, 3))).vertices[0]
    points = skin[kept]
    numbers = np.full(len(skin), -1)
    numbers[kept] = range(len(kept))
    wrist = np.flatnonzero(points[:, 0] > np.sort(points[:, 0])[-16])
    return 100 * Rotation.from_rotvec([1, -2, 0.5]).apply(points) + [30, 5, -9], numbers[faces], kept, wrist


@pytest.fixture(scope="module")
def other(foreign):
    points, faces, _, wrist = foreign
    return fit_mesh(OPEN, points, faces, range(5), wrist)


def test_the_residual_is_that_of_the_same_skin(other):
    assert other.residual_mm < 0.15 and other.residual_mm < other.worst_mm < 0.4


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("scale", [1.0, 1.1])
def test_it_follows_the_skin_it_was_taken_from(foreign, other, side, scale):
    kept = foreign[2]
    dice = np.random.default_rng(1)
    turns = {name: np.array([0, 0, dice.uniform(0, 1)]) for name in MANO_JOINT_NAMES[1:13]}
    hand = posed(OPEN, side, turns)
    betas = dice.normal(0, 1, 10)
    model = (OPEN if side == "right" else OPEN.left()).scaled(scale)
    skin = model(*(np.reshape(values, (1, -1)) for values in (hand.global_orient, hand.hand_pose, betas, hand.transl)))
    vertices = other.vertices_of(replace(hand, betas=betas, scale=scale))
    apart = 1000 * np.linalg.norm(vertices - skin.vertices[0][kept], axis=1)
    assert apart.mean() < 0.5 and np.quantile(apart, 0.95) < 1


def test_a_left_hand_is_the_mirrored_right_one(other):
    right = posed(OPEN, "right", {"index2": np.array([0, 0, 1.0])})
    left = replace(right, side="left", global_orient=mirror_rotvec(right.global_orient),
                   hand_pose=mirror_rotvec(right.hand_pose.reshape(15, 3)).ravel(), transl=right.transl * [-1, 1, 1])
    assert np.allclose(other.vertices_of(left), other.vertices_of(right) * [-1, 1, 1], atol=1e-5)


def test_what_does_not_fit_is_refused(foreign, other):
    points, faces, _, wrist = foreign
    for wrong in (dict(tips=range(4)), dict(tips=[0, 1, 2, 3, 9999]), dict(wrist=[]), dict(vertices=points[:, :2]),
                  dict(faces=[[0, 1, 778]])):
        with pytest.raises(ValueError, match="five fingertips"):
            fit_mesh(OPEN, **(dict(vertices=points, faces=faces, tips=range(5), wrist=wrist) | wrong))
    with pytest.raises(ValueError, match="hands of the model 'open', not 'mano'"):
        other.vertices_of(posed(HandModel(OPEN.arrays(), "mano"), "right", {}))
