"""The network's own say in a label."""
import json
from pathlib import Path

import numpy as np
import pytest

from handpose import HandEstimator, load_photo
from train.scoring.metrics import root_relative
from train.second_opinion import mix, opinion

PHOTO = Path(__file__).parent / "data" / "hand_right.jpg"


def test_a_share_is_between_the_two_in_the_label_s_own_size():
    rng = np.random.default_rng(0)
    world, other = rng.normal(0, 0.05, (2, 21, 3))
    size = np.linalg.norm(world - world.mean(0))
    assert np.allclose(mix(world, other, 0.0), world - world.mean(0))
    assert np.linalg.norm(mix(world, other, 1.0)) == pytest.approx(size)
    assert np.allclose(mix(world, 3 * world + 1, 0.7), world - world.mean(0))  # the same but for place and size
    half = mix(world, other, 0.5)
    assert np.allclose(2 * half, mix(world, other, 0.0) + mix(world, other, 1.0))


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_network_s_joints_are_in_the_photo_s_own_frame(side):
    """Whatever the views, and for a mirrored photo the mirror image."""
    estimator = HandEstimator.load()
    truth = json.loads(PHOTO.with_suffix(".json").read_text())
    rgb, goal = load_photo(PHOTO).rgb, np.array(truth["joints"])
    if side == "left":
        rgb, goal = np.ascontiguousarray(rgb[:, ::-1]), goal * [-1, 1, 1]
    found = estimator.find(rgb)[0]
    shift = np.array([4.0, -3.0, 0.0])
    joints = opinion(estimator, rgb, side, np.stack([found.points, found.points + shift]), np.stack([found.world] * 2))
    assert joints.shape == (21, 3) and np.allclose(joints.mean(0), 0, atol=1e-6)
    assert root_relative(joints, goal - goal[0]) < 25  # mm; the wrong hand or frame would be far above
