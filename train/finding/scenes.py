"""Rendered scenes: hands of any size, place and side in one picture, gloved, holding things, touching, cut off."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handpose.drawing.rasterizer import rasterize
from handpose.hand_model.model import HandModel
from handpose.hand_model.skeleton import MIRROR

from ..synthesis.poses import PoseBank
from ..synthesis.props import Photos, sample_background
from ..synthesis.scene import NEAREST, Studio, photograph
from ..synthesis.shading import Part, draw, project, sample_light
from ..synthesis.skin import sample_palette, to_linear
from ..synthesis.subjects import BARE, GLOVE, OBJECT, TWO_HANDS, Subject, Subjects, draw_kind
from ..synthesis.worn import sample_glove

MOST_SUBJECTS = 3
SHARES = 0.1, 0.75  # of the picture's side that a hand's joints span
KINDS = {BARE: 0.3, OBJECT: 0.25, TWO_HANDS: 0.25, GLOVE: 0.2}  # how often a subject is of each
NEAR = 0.3  # how often a subject is beside the one before
LEAST_SEEN = 0.4  # of a hand's joints, else it does not count as shown
INSIDE = 0.03  # m that a joint lies beneath the skin at most; what is farther behind a surface is hidden
HAND_SPAN = 0.17  # m, about what the joints of a hand span


@dataclass(frozen=True)
class Scene:
    """A picture (S, S, 3) uint8 RGB and its hands: joints (N, 21, 2) in pixels, and which are right ones (N,)."""
    rgb: np.ndarray
    joints_2d: np.ndarray
    right: np.ndarray


class SceneMaker:
    """Makes scenes before backgrounds that show no hand; the same generator makes the same scene."""

    def __init__(self, model: HandModel, backgrounds: Sequence[str], bank: PoseBank | None = None):
        rest = model(*(np.zeros((1, n), np.float32) for n in (3, 45, 10, 3)))
        self.subjects = Subjects(model, bank or PoseBank.invented())
        self.photos = Photos(backgrounds)
        self.studio = Studio(model, rest.vertices[0], rest.joints[0], self.photos)

    def __call__(self, rng: np.random.Generator, size: int) -> Scene:
        """A scene of `size` pixels a side with 1 to MOST_SUBJECTS hands or pairs of hands."""
        focal = size / 2 / np.tan(np.radians(rng.uniform(20, 75)) / 2)
        background = sample_background(rng, self.photos, size)
        light = sample_light(rng, to_linear(np.maximum(background, 1) / np.float32(255)))
        parts, hands, right = [], [], []
        for _ in range(rng.choice(np.arange(1, MOST_SUBJECTS + 1), p=(0.5, 0.35, 0.15))):
            subject = self.subjects.draw(rng, draw_kind(rng, KINDS))
            near = hands[-1] if hands and rng.random() < NEAR else None
            place = _place(rng, subject.hand.joints, focal, size, near)
            flip = MIRROR if rng.random() < 0.5 else np.ones(3)  # a left hand and what it meets are seen in a mirror
            subject = subject.moved(flip * place - subject.hand.joints.mean(0))
            mine = self._parts(rng, subject, focal)
            parts += mine if flip[0] > 0 else [part.mirrored() for part in mine]
            hands.append(subject.hand.joints * flip)
            right.append(flip[0] > 0)
            if subject.other:
                hands.append(subject.other.joints * MIRROR * flip)
                right.append(flip[0] < 0)
        layer, _ = draw(parts, light, focal, size)
        canvas = background.astype(np.float32) / 255 * (1 - layer[..., 3:]) + layer[..., :3]
        joints = np.stack([project(hand, focal, size)[:, :2] for hand in hands])
        shown = np.array([_seen(parts, hand, focal, size) >= LEAST_SEEN for hand in hands])
        return Scene(photograph(rng, canvas), joints[shown], np.array(right)[shown])

    def _parts(self, rng: np.random.Generator, subject: Subject, focal: float) -> list[Part]:
        palette, glove = sample_palette(rng), None
        if subject.kind == GLOVE:
            glove = sample_glove(rng, self.photos, self.studio.skin.palm)
        parts = []
        for hand in (subject.hand, subject.other):
            if hand:
                parts += self.studio.limb(rng, self.studio.gloved(hand, glove) if glove else hand, palette, focal,
                                          glove=glove)
        return parts + (subject.thing.parts(rng, self.photos) if subject.thing else [])


def _seen(parts: list[Part], joints: np.ndarray, focal: float, size: int) -> float:
    """The share of joints (21, 3) that lie in the picture with nothing before them but their own skin."""
    first = np.cumsum([0] + [len(part.vertices) for part in parts])
    faces = np.concatenate([part.faces + offset for part, offset in zip(parts, first, strict=False)])
    depth = rasterize(project(np.concatenate([part.vertices for part in parts]), focal, size), faces, size, size).depth
    u, v, z = project(joints, focal, size).T
    inside = (u > -0.5) & (v > -0.5) & (u < size - 0.5) & (v < size - 0.5)  # false for NaN
    before = depth[np.round(v[inside]).astype(int), np.round(u[inside]).astype(int)]
    return float((z[inside] < before + INSIDE).sum() / len(joints))


def _place(rng: np.random.Generator, joints: np.ndarray, focal: float, size: int, near: np.ndarray | None
           ) -> np.ndarray:
    """Where the middle (3,) of a hand's joints (21, 3) goes: somewhere in view, or beside the joints of another one."""
    if near is not None:
        away = rng.normal(size=3) * [1, 1, 0.5]
        place = near.mean(0) + away * rng.uniform(0.05, 0.12) / np.linalg.norm(away)
    else:
        share = np.exp(rng.uniform(*np.log(SHARES)))
        depth = max(focal * HAND_SPAN / (share * size), NEAREST)
        uv = rng.uniform(0, 1, 2) * size - size / 2
        place = np.array([*(uv / focal * depth), depth])
    place[2] = max(place[2], NEAREST + joints[:, 2].mean() - joints[:, 2].min())
    return place
