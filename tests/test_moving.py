"""What browsers get of moving hands, unpacked as they do, is the hand model's own surface."""
import json
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from test_export import CAMERA

from handpose.clips.arrays import ClipArrays
from handpose.drawing.smooth import closed_surface
from handpose.hand import Hand, TrackedHand
from handpose.hand_model.model import HandModel
from handpose.rig.motion import motions_of_clip
from page.content.moving import STEP, playback, posed_hand, surface

MODELS = {"right": HandModel.load(), "left": HandModel.load().left()}


def unpacked(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(b64decode(text), kind)


def make_hand(side: str, frame: int) -> Hand:
    dice = np.random.default_rng(frame)
    betas, transl = np.full(10, 0.5), np.array([0.02 * frame, 0.01, 0.5])
    orient, pose = dice.normal(size=3), 0.3 * dice.normal(size=45)
    posed = MODELS[side](*(np.asarray(part, np.float32)[None] for part in (orient, pose, betas, transl)))
    joints = posed.joints[0].astype(float)
    pixels = CAMERA.project(joints)
    return Hand(side, 0.8 + 0.02 * frame, np.concatenate([pixels.min(0), pixels.max(0)]), "open", pixels, joints,
                posed.vertices[0].astype(float), MODELS[side].faces, orient, pose, betas, transl)


@pytest.fixture(scope="module")
def clip():
    """Four frames: a right hand in all of them, a left one in the second and third."""
    arrays = ClipArrays(CAMERA, 96, 64)
    frames = [[make_hand("right", frame)] + [make_hand("left", frame)] * (frame in (1, 2)) for frame in range(4)]
    for frame, hands in enumerate(frames):
        arrays.add(frame / 10, [TrackedHand(1 + (hand.side == "left"), hand) for hand in hands])
    return arrays.arrays(), frames


def test_a_clips_skin_follows_its_bones(clip):
    arrays, frames = clip
    told = json.loads(playback(arrays, motions_of_clip(arrays, MODELS)))
    bones, weights = (unpacked(told["surface"][key], "u1").reshape(-1, 4) for key in ("bones", "weights"))
    assert told["times"] == [0, 0.1, 0.2, 0.3]
    assert {hand["side"]: hand["frames"] for hand in told["hands"]} == {"right": [0, 1, 2, 3], "left": [1, 2]}
    for hand in told["hands"]:
        rest, moves = unpacked(hand["rest"], "<f4").reshape(-1, 3), unpacked(hand["moves"], "<f4").reshape(-1, 16, 3, 4)
        at_rest = np.column_stack([rest, np.ones(len(rest))])
        for row, frame in enumerate(hand["frames"]):
            true = next(one for one in frames[frame] if one.side == hand["side"])
            carried = np.einsum("vkij,vj->vki", moves[row][bones], at_rest)
            posed = (weights[..., None] * carried).sum(1) / weights.sum(1, keepdims=True)
            lids = closed_surface(true.faces, len(true.vertices)).weights
            inner = np.flatnonzero(lids[:len(true.vertices)].getnnz(1) == 1)  # not on the rim, which is evened
            assert 1e3 * np.linalg.norm(posed[inner] - true.vertices[inner], axis=1).max() < 1.5  # mm
            assert abs(hand["scores"][row] - true.score) < 0.006
    points = np.concatenate([hand.vertices for hands in frames for hand in hands])
    assert (np.linalg.norm(points - told["middle"], axis=1) < told["reach"]).all()


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_hand_of_this_moment_is_itself_to_a_hundredth_of_a_millimetre(side):
    hand = make_hand(side, 3)
    told = posed_hand(hand)
    vertices = unpacked(told["vertices"], "<i2").reshape(-1, 3) * STEP + told["wrist"]
    lids = closed_surface(hand.faces, len(hand.vertices)).weights
    assert np.abs(vertices - lids @ hand.vertices).max() < 2e-5 and told["side"] == side
    far = posed_hand(replace(hand, vertices=hand.vertices * 9))  # which no hand is
    assert unpacked(far["vertices"], "<i2").max() == 32767


def test_triangles_are_those_of_the_closed_surface():
    told = surface(MODELS["right"])
    faces = unpacked(told["faces"], "<u2").reshape(-1, 3)
    assert faces.max() == len(MODELS["right"].v_template) and len(faces) == len(MODELS["right"].faces) + 20
    assert playback({}, []) == ""
