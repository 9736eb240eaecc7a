"""Hands that move, as numbers for the browser, where page/browser/moving.js makes lit surfaces of them.

Arrays travel as base64 of little-endian numbers. Surfaces are closed at the wrist, not subdivided: a visitor's machine
makes them anew many times a second.
"""
from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import numpy as np

from handpose import Camera, Hand
from handpose.drawing.figure import BRIGHTEST, tones
from handpose.drawing.shading import AMBIENT, LIGHTS, SOFTNESS, WRAP
from handpose.drawing.smooth import closed_surface
from handpose.hand_model.model import HandModel
from handpose.rig.motion import HandMotion

PLAYBACK_FPS = 15  # of a clip's 3D playback at most
BONES = 4  # that move a vertex at most
STEP = 1e-5  # metres, of vertices from the wrist in 16 bits: up to 32 cm
MARGIN = 0.1  # metres around a clip's joints, so that the skin fits in
# The buttons that choose from where hands are seen (page/browser/moving.js).
VIEWS = """<button type="button" data-turn="camera" title="From where the camera is">Camera</button>
<button type="button" data-turn="side">Side</button>
<button type="button" data-turn="top">Top</button>"""


def surface(model: HandModel) -> dict[str, Any]:
    """What all hands of a model, a right one, have in common: triangles, light, colours."""
    lights = [[*direction, strength] for direction, strength in LIGHTS]
    return {"faces": packed(closed_surface(model.faces, len(model.v_template)).faces, np.uint16), "lights": lights,
            "ambient": AMBIENT, "wrap": WRAP, "softness": SOFTNESS, "brightest": BRIGHTEST,
            "tones": {side: tones(side, "sure") for side in ("right", "left")}}


def posed_hand(hand: Hand) -> dict[str, Any]:
    """A hand of this moment: its surface's vertices from its wrist, both in the camera's frame."""
    lids = closed_surface(hand.faces, len(hand.vertices)).weights
    vertices = (lids @ hand.vertices - hand.joints_3d[0]) / STEP
    return {"side": hand.side, "wrist": hand.joints_3d[0].round(5).tolist(),
            "vertices": packed(vertices.round().clip(-32768, 32767), np.int16)}


def picture_of(camera: Camera, width: int, height: int) -> dict[str, float]:
    """The picture that hands were seen in: its size and its camera's intrinsics, pixels."""
    return {"width": width, "height": height, "fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy}


def playback(arrays: dict[str, np.ndarray], motions: list[HandMotion]) -> str:
    """A clip's hands for page/browser/playback.js, as JSON: the skin of each at rest, what its bones do over time, and
    how sure its frames are. Empty without any hand."""
    if not motions:
        return ""
    times = arrays["times_s"]
    step = max(1, round(len(times) / max(times[-1] - times[0], 1e-3) / PLAYBACK_FPS)) if len(times) > 1 else 1
    joints = arrays["joints_3d"].reshape(-1, 3)
    low, high = np.nanmin(joints, 0) - MARGIN, np.nanmax(joints, 0) + MARGIN
    (fx, _, cx), (_, fy, cy), _ = arrays["intrinsics"].tolist()
    width, height = arrays["size"].tolist()
    right = next((motion.model for motion in motions if motion.side == "right"), None) or motions[0].model.left()
    return json.dumps({
        "surface": surface(right) | skin(right), "times": np.round(times[::step], 3).tolist(),
        "picture": {"width": width, "height": height, "fx": fx, "fy": fy, "cx": cx, "cy": cy},
        "middle": ((low + high) / 2).tolist(), "reach": float(np.linalg.norm(high - low) / 2),
        "hands": [_moving(motion, arrays, step) for motion in motions]})


def skin(model: HandModel) -> dict[str, str]:
    """The BONES that move each vertex of the closed surface most, and how much, in 255ths."""
    weights = closed_surface(model.faces, len(model.v_template)).weights @ model.weights
    bones = np.argsort(-weights, axis=1)[:, :BONES]
    share = np.take_along_axis(weights, bones, 1)
    share = (255 * share / share.sum(1, keepdims=True)).round()
    return {"bones": packed(bones, np.uint8), "weights": packed(share, np.uint8)}


def bone_moves(motion: HandMotion) -> np.ndarray:
    """(S, 16, 3, 4) what takes a vertex at rest, (x, y, z, 1), to where each of MANO's joints carries it, metres."""
    joints = motion.model.rest(motion.betas[None])[1]
    rest = np.repeat(joints, len(motion.wrist), 0)
    turns, places = motion.model.chain(motion.matrices(), rest)
    shift = places - np.einsum("sjik,sjk->sji", turns, rest) + (motion.wrist - joints[:, 0])[:, None]
    return np.concatenate([turns, shift[..., None]], -1)


def packed(array: np.ndarray, kind: type) -> str:
    """The array's numbers, as base64."""
    return b64encode(np.ascontiguousarray(array, np.dtype(kind).newbyteorder("<")).tobytes()).decode()


def _moving(motion: HandMotion, arrays: dict[str, np.ndarray], step: int) -> dict[str, Any]:
    """One hand of `playback`: `frames` are the numbers of those of its times in which it is seen."""
    frames = np.flatnonzero(motion.seen)
    kept = frames % step == 0
    vertices = motion.model.rest(motion.betas[None])[0][0]
    rest = closed_surface(motion.model.faces, len(vertices)).weights @ vertices
    names = np.char.add("track", np.char.add(arrays["track"].astype(str), np.char.add("_", arrays["side"])))
    mine = names == motion.name
    score = np.where(mine, arrays["score"], 0).max(1)[frames[kept]]
    return {"side": motion.side, "rest": packed(rest, np.float32), "frames": (frames[kept] // step).tolist(),
            "moves": packed(bone_moves(motion)[kept], np.float32), "scores": score.round(2).tolist()}
