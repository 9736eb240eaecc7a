"""Rendered scenes: hands of any size, place and side in one picture, gloved, holding things, touching, cut off."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import roma
import torch

from handpose.drawing.rasterizer import rasterize
from handpose.hand_model.layer import HandLayer
from handpose.hand_model.skeleton import MIRROR

from ..synthesis.poses import PoseBank
from ..synthesis.props import Cloth, Photos, sample_background
from ..synthesis.scene import NEAREST, PosedHand, Studio, photograph
from ..synthesis.shading import Part, draw, project, sample_light
from ..synthesis.skin import sample_palette, to_linear

MOST_HANDS = 3
SHARES = 0.1, 0.75  # of the picture's side that a hand's joints span
GLOVED, HELD, TOUCHING = 0.3, 0.35, 0.4  # how often a hand is gloved, holds something, and a second one is in contact
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

    def __init__(self, model: HandLayer, backgrounds: Sequence[str], bank: PoseBank | None = None):
        rest = model(*(torch.zeros(1, n) for n in (3, 45, 10, 3)))
        self.model, self.bank = model, bank or PoseBank.invented()
        self.photos = Photos(backgrounds)
        self.studio = Studio(model, rest.vertices[0].numpy(), rest.joints[0].numpy(), self.photos)

    @torch.inference_mode()
    def __call__(self, rng: np.random.Generator, size: int) -> Scene:
        """A scene of `size` pixels a side with 1 to MOST_HANDS hands."""
        focal = size / 2 / np.tan(np.radians(rng.uniform(20, 75)) / 2)
        count = int(rng.choice(np.arange(1, MOST_HANDS + 1), p=(0.5, 0.35, 0.15)))
        hands, right = [], []
        for pose in zip(*self.bank.draw(rng, count), strict=True):
            hand, is_right = self._hand(rng, pose)
            near = hands[-1].joints if hands and rng.random() < TOUCHING else None
            hands.append(_placed(rng, hand, focal, size, near))
            right.append(is_right)
        background = sample_background(rng, self.photos, size)
        light = sample_light(rng, to_linear(np.maximum(background, 1) / np.float32(255)))
        palette, parts = sample_palette(rng), []
        for hand, is_right in zip(hands, right, strict=True):
            mine = self.studio.limb(rng, hand, palette, focal)
            if rng.random() < GLOVED:
                mine[0] = self._gloved(rng, mine[0])
            if not is_right:
                mine = [_inside_out(part) for part in mine]
            if rng.random() < HELD:
                mine.append(self.studio.held(rng, hand))
            parts += mine
        layer, _ = draw(parts, light, focal, size)
        canvas = background.astype(np.float32) / 255 * (1 - layer[..., 3:]) + layer[..., :3]
        joints = np.stack([project(hand.joints, focal, size)[:, :2] for hand in hands])
        shown = np.array([_seen(parts, hand.joints, focal, size) >= LEAST_SEEN for hand in hands])
        return Scene(photograph(rng, canvas), joints[shown], np.array(right)[shown])

    def _hand(self, rng: np.random.Generator, pose: tuple) -> tuple[PosedHand, bool]:
        orient, hand_pose, betas = (torch.from_numpy(part)[None] for part in pose)
        posed = self.model(orient, hand_pose, betas, torch.zeros(1, 3))
        rotation = roma.rotvec_to_rotmat(orient)[0].numpy()
        hand = PosedHand(posed.vertices[0].numpy(), posed.joints[0].numpy(), rotation)
        if rng.random() < 0.5:
            return hand, True
        return PosedHand(hand.vertices * MIRROR, hand.joints * MIRROR, rotation * np.outer(MIRROR, MIRROR)), False

    def _gloved(self, rng: np.random.Generator, limb: Part) -> Part:
        glove = Cloth.sample(rng, self.photos, (0, 0.8))
        return replace(limb, materials=(glove, *limb.materials[1:]))


def _seen(parts: list[Part], joints: np.ndarray, focal: float, size: int) -> float:
    """The share of joints (21, 3) that lie in the picture with nothing before them but their own skin."""
    first = np.cumsum([0] + [len(part.vertices) for part in parts])
    faces = np.concatenate([part.faces + offset for part, offset in zip(parts, first, strict=False)])
    depth = rasterize(project(np.concatenate([part.vertices for part in parts]), focal, size), faces, size, size).depth
    u, v, z = project(joints, focal, size).T
    inside = (u > -0.5) & (v > -0.5) & (u < size - 0.5) & (v < size - 0.5)  # false for NaN
    before = depth[np.round(v[inside]).astype(int), np.round(u[inside]).astype(int)]
    return float((z[inside] < before + INSIDE).sum() / len(joints))


def _inside_out(part: Part) -> Part:
    """A mirrored part's triangles wound outwards again."""
    return replace(part, faces=part.faces[:, ::-1], coords=part.coords[:, ::-1])


def _placed(rng: np.random.Generator, hand: PosedHand, focal: float, size: int, near: np.ndarray | None) -> PosedHand:
    """The hand somewhere in view, or beside the joints (21, 3) of another one."""
    middle = hand.joints.mean(0)
    if near is not None:
        away = rng.normal(size=3) * [1, 1, 0.5]
        place = near.mean(0) + away * rng.uniform(0.05, 0.12) / np.linalg.norm(away)
    else:
        share = np.exp(rng.uniform(*np.log(SHARES)))
        depth = max(focal * HAND_SPAN / (share * size), NEAREST)
        uv = rng.uniform(0, 1, 2) * size - size / 2
        place = np.array([*(uv / focal * depth), depth])
    place[2] = max(place[2], NEAREST + middle[2] - hand.joints[:, 2].min())
    return hand.moved(place - middle)
