"""A person behind the hand, made up: a skin-coloured head with a face, hair, a neck and shoulders. No photo of anyone.
"""
from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from .objects import ball, turned
from .props import Cloth, Photos
from .shading import Part
from .skin import Palette

HEAD = .076, .098, .118  # m: half of its width, depth and height
FACE = 96  # px of the painted face, a turn of the head wide


def sample_person(rng: np.random.Generator, photos: Photos, palette: Palette, place: np.ndarray) -> list[Part]:
    """Head, neck and shoulders of somebody of this skin, the head about `place` (3,), looking about at the camera."""
    turn = Rotation.from_euler("zyx", [rng.normal(0, .15), rng.normal(0, .4), rng.normal(0, .2)]).as_matrix()
    upright = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # bodies stand along z, which is up: -y for the camera
    head = Cloth(_paint(rng, palette), np.array([1.0, 1 / (2 * HEAD[2])]), .25)
    skin = Cloth(np.broadcast_to(palette.back.astype(np.float32), (64, 64, 3)), np.ones(2), .2)
    shirt, parts = Cloth.sample(rng, photos), []
    nose = ball(1.0)
    for solid, size, at, cloth in (
            (ball(1.0), HEAD, [0, 0, 0], head), (nose, (.013, .02, .022), [0, -HEAD[1] * .98, -.012], skin),
            (turned((.055, -.2), (.05, -.06)), (1, 1, 1), [0, .01, -.02], skin),
            (ball(1.0), (.23, .12, .2), [0, .03, -.33], shirt)):
        vertices, faces, coords = solid.mesh()
        coords = coords.copy()
        coords[..., 1] = (coords[..., 1] + 1) * HEAD[2]  # metres from the chin up, as the painted face has them
        vertices = (vertices * size + at) @ upright.T @ turn.T + place
        parts.append(Part(vertices, faces, coords, (cloth,), np.zeros(len(faces), int)))
    return parts


def _paint(rng: np.random.Generator, palette: Palette) -> np.ndarray:
    """(FACE, FACE, 3) reflectance: columns go around the head, from its side over the back; rows from the chin up."""
    skin, hair = palette.back * rng.uniform(.85, 1.1), rng.uniform(.005, .35) * np.array([1, .75, .5])
    picture = np.broadcast_to(skin, (FACE, FACE, 3)).astype(np.float32).copy()
    u, v = np.meshgrid(np.arange(FACE) / FACE, np.arange(FACE) / FACE)
    front = np.abs(u - .75)  # the face looks along -y, three quarters of the way around
    line = rng.uniform(.72, .86)
    picture[(v > line) | ((front > rng.uniform(.14, .2)) & (v > rng.uniform(.1, .55)))] = hair

    def dot(x: float, y: float, width: float, height: float, colour: np.ndarray) -> None:
        centre, axes = (round(FACE * x), round(FACE * y)), (max(round(FACE * width), 1), max(round(FACE * height), 1))
        cv2.ellipse(picture, centre, axes, 0, 0, 360, np.float32(colour).tolist(), -1, cv2.LINE_AA)

    for side in (-1, 1):
        dot(.75 + .055 * side, .56, .024, .014, skin * .55)
        dot(.75 + .055 * side, .56, .02, .009, np.full(3, .75))
        dot(.75 + .055 * side, .56, .008, .01, rng.uniform(.01, .1, 3))
        dot(.75 + .055 * side, .61, .03, .007, hair)
    dot(.75, .3, .035, rng.uniform(.008, .02), palette.red * [1, .75, .75])
    if rng.random() < .2:
        picture[(front < .13) & (v < .36) & (v > .05) & ~((front < .035) & (v > .28))] *= rng.uniform(.3, .8)  # a beard
    return np.clip(cv2.GaussianBlur(picture, (0, 0), .7), .003, .95)
