"""Short gaps in a clip are filled by hands that moved evenly, and marked."""
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from handpose import Camera, HandModel
from handpose.clips.arrays import SHAPES, ClipArrays
from handpose.clips.gaps import LONGEST_S
from handpose.hand import Hand, TrackedHand

CAMERA = Camera.from_fov(60, 640, 480)
RIGHT = HandModel.load()
MODELS = {"right": RIGHT, "left": RIGHT.left()}


def hand(seed: int, side: str = "right", score: float = 0.9) -> Hand:
    dice = np.random.default_rng(seed)
    orient, pose, betas = dice.normal(0, 0.8, 3), dice.normal(0, 0.3, 45), dice.normal(0, 1, 10)
    transl = np.array([0.05, 0.02, 0.5]) + dice.normal(0, 0.05, 3)
    posed = MODELS[side](*(part[None] for part in (orient, pose, betas, transl)))
    joints = posed.joints[0]
    pixels = CAMERA.project(joints)
    return Hand(side, score, np.append(pixels.min(0), pixels.max(0)), "open", pixels, joints, posed.vertices[0],
                MODELS[side].faces, orient, pose, betas, transl)


def arrays_of(frames: list[list[TrackedHand]], times_s, models=MODELS) -> dict[str, np.ndarray]:
    arrays = ClipArrays(CAMERA, 640, 480, models)
    for time_s, tracked in zip(times_s, frames, strict=True):
        arrays.add(time_s, tracked)
    return arrays.arrays()


@pytest.mark.parametrize("side", ["right", "left"])
def test_between_two_frames_each_joint_turns_about_one_axis(side):
    start, end = TrackedHand(1, hand(0, side, 0.9)), TrackedHand(1, hand(1, side, 0.7))
    times = [0.0, 0.05, 0.2, 0.25]
    data = arrays_of([[start], [], [], [end]], times)
    assert data["filled"].tolist() == [[False], [True], [True], [False]] and data["track"].tolist() == [[1]] * 4
    assert data["score"][1:3, 0] == pytest.approx(0.7) and data["side"][1, 0] == side
    for row in (1, 2):
        share = times[row] / 0.25
        for joint in range(16):
            ends = [np.append(one.hand.global_orient, one.hand.hand_pose).reshape(16, 3)[joint] for one in (start, end)]
            expected = Slerp([0, 1], Rotation.from_rotvec(ends))(share)
            got = np.append(data["global_orient"][row, 0], data["hand_pose"][row, 0]).reshape(16, 3)[joint]
            assert (expected.inv() * Rotation.from_rotvec(got)).magnitude() < 1e-4
        for name in ("betas", "transl"):
            first, last = getattr(start.hand, name), getattr(end.hand, name)
            assert np.allclose(data[name][row, 0], first + share * (last - first), atol=1e-5)
        posed = MODELS[side](*(data[name][row].astype(float) for name in ("global_orient", "hand_pose", "betas",
                                                                        "transl")))
        assert np.abs(posed.joints[0] - data["joints_3d"][row, 0]).max() < 1e-4
        assert np.abs(CAMERA.project(posed.joints[0]) - data["joints_2d"][row, 0]).max() < 0.1
        assert all(np.isfinite(data[name][row]).all() for name in SHAPES if not name.startswith("joints_error"))


def test_long_gaps_other_sides_and_unknown_models_stay_open():
    one, other = TrackedHand(1, hand(0)), TrackedHand(1, hand(1, "left"))
    for frames, times, models in (([[one], [], [one]], [0, 0.2, LONGEST_S + 0.01], MODELS),
                                  ([[one], [], [other]], [0, 0.1, 0.2], MODELS),
                                  ([[one], [], [replace(one, track=2)]], [0, 0.1, 0.2], MODELS),
                                  ([[one], [], [one]], [0, 0.1, 0.2], None),
                                  ([[], [one], []], [0, 0.1, 0.2], MODELS)):
        data = arrays_of(frames, times, models)
        assert not data["filled"].any() and np.isnan(data["score"]).any()


def test_a_hand_whose_column_was_taken_meanwhile_gets_another():
    first, second, third = (TrackedHand(track, hand(track)) for track in (1, 2, 3))
    data = arrays_of([[first, second], [third, second], [third, second], [first, second]], [0, 0.1, 0.2, 0.3])
    assert data["track"].shape == (4, 3)
    for row in range(4):
        assert {1, 2} <= set(data["track"][row].tolist())
    assert (data["track"][data["filled"]] == 1).all() and data["filled"].sum() == 2
