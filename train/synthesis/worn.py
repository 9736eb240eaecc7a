"""What hands wear: gloves thin and thick, rings; what is worn on the arm is `arm`'s."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handpose.hand_model.model import HandModel

from .photo_skin import look_up
from .props import Cloth, Photos
from .shading import Material, Part
from .skin import tileable_noise
from .solids import Ring

LATEX = ([.75, .78, .8], [.1, .3, .62], [.02, .02, .025], [.3, .18, .5], [.75, .72, .6], [.1, .45, .25])
RINGED = (13, 14), (5, 6), (9, 10), (17, 18)  # joints of the phalanges that wear rings, the ring finger's first


@dataclass(frozen=True)
class Glove:
    """`thickness` and the length of its cuff in metres; materials over the hand's chart, and over arm coordinates."""
    thickness: float
    cuff: float
    on_hand: Material
    on_cuff: Cloth


def sample_glove(rng: np.random.Generator, photos: Photos, palm: np.ndarray) -> Glove:
    """Of latex, of wool, or for work with a coated palm; `palm` (S, S) 0..1 is where the chart shows the palm."""
    kind = rng.choice(["latex", "wool", "work"], p=[.45, .25, .3])
    if kind == "latex":
        colour = np.clip(np.array(LATEX[rng.integers(len(LATEX))]) * np.exp(rng.normal(0, .2, 3)), .01, .9)
        wrinkles = 1 + .05 * tileable_noise(rng, 64, 16)[..., None]
        cloth = Cloth(np.float32(colour * wrinkles), np.array([1, 6.0]), rng.uniform(.3, 1.6))
        return Glove(rng.uniform(.0002, .0008), rng.uniform(.02, .09), _over_chart(cloth, 6), cloth)
    cloth = Cloth.sample(rng, photos, (0, .08))
    if kind == "wool":
        stitch = np.sin(np.arange(64) * np.pi / 2)[:, None] * np.sign(np.sin(np.arange(64) * np.pi / 4 + .4))
        knitted = np.clip(cloth.texture * (1 + .16 * stitch[..., None]), .005, .95)
        cloth = Cloth(np.float32(knitted), cloth.scale, cloth.gloss)
        return Glove(rng.uniform(.0015, .003), rng.uniform(.03, .08), _over_chart(cloth, 9), cloth)
    coat = Cloth.sample(rng, photos, (.05, .5))
    coated = _coated(_over_chart(cloth, 7), _over_chart(coat, 3), palm)
    return Glove(rng.uniform(.001, .003), rng.uniform(.02, .1), coated, cloth)


def _over_chart(cloth: Cloth, repeats: float) -> Material:
    """The cloth so many times over the chart's side."""
    return lambda coords: cloth(coords * np.float32(repeats) / np.float32(cloth.scale))


def _coated(cloth: Material, coat: Material, palm: np.ndarray) -> Material:
    def material(coords: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inside = look_up(palm, coords) > .45
        (colour, gloss), (coated, shine) = cloth(coords), coat(coords)
        return np.where(inside[:, None], coated, colour), np.where(inside, shine, gloss)
    return material


def ring_on(rng: np.random.Generator, hand, model: HandModel) -> Part:
    """A ring on a finger of a `PosedHand`."""
    a, b = RINGED[rng.choice(len(RINGED), p=[.5, .2, .2, .1])]
    finger = model.weights[:, {5: 1, 9: 4, 17: 7, 13: 10}[a]] > .5
    along = hand.joints[b] - hand.joints[a]
    length = np.linalg.norm(along)
    axis = along / length
    place = hand.joints[a] + along * rng.uniform(.5, .75)
    offset = hand.vertices[finger] - place
    near = np.abs(offset @ axis) < .005
    offset = offset[near] if near.any() else offset
    offset = offset - (offset @ axis)[:, None] * axis
    middle = .5 * (offset.min(0) + offset.max(0))
    radius = np.linalg.norm(offset - middle, axis=1).mean()
    first = np.cross(axis, [.3, .5, .8])
    first /= np.linalg.norm(first)
    vertices, faces, coords = Ring(radius, rng.uniform(.0008, .002), 20).mesh()
    vertices[:, 2] *= rng.uniform(.8, 2)
    gold = np.array([.75, .55, .25]) if rng.random() < .6 else np.array([.6, .6, .62])
    metal = Cloth(np.full((64, 64, 3), gold, np.float32), np.ones(2), 2.5)
    frame = np.stack([first, np.cross(axis, first), axis], 1)
    return Part(vertices @ frame.T + place + middle, faces, coords, (metal,), np.zeros(len(faces), int))
