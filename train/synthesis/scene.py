"""One training image: a posed hand with its arm, worn and held things, light, background and the camera's faults."""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from handpose.drawing.rasterizer import rasterize
from handpose.drawing.shading import vertex_normals
from handpose.hand_model.model import HandModel
from handpose.hand_model.skeleton import PALM_JOINTS

from .arm import LENGTH, Forearm, border_loop, skin_rings, sleeve, tube_faces
from .props import Cloth, Photos, moved, sample_background, sample_blob, sample_object
from .shading import Light, Part, draw, project, sample_light
from .skin import Palette, SkinMaps, sample_palette, to_linear

NEAREST = .16  # m from the camera to any joint
MOST_OCCLUDED = .6  # of the hand's silhouette, in any image that is kept


@dataclass(frozen=True)
class PosedHand:
    """A right hand in the camera frame, metres."""
    vertices: np.ndarray  # (V, 3)
    joints: np.ndarray  # (21, 3)
    rotation: np.ndarray  # (3, 3) of the wrist

    def moved(self, by: np.ndarray) -> PosedHand:
        return replace(self, vertices=self.vertices + by, joints=self.joints + by)


@dataclass(frozen=True)
class Rendering:
    image: np.ndarray  # (S, S, 3) uint8 RGB
    mask: np.ndarray  # (S, S) uint8: how much of the pixel is the hand, 255 = all
    occluded: float  # share of the hand's silhouette that something hides
    tone: int  # 0 very light .. 5 dark


def place_in_view(rng: np.random.Generator, joints: np.ndarray, size: int) -> tuple[float, np.ndarray]:
    """A camera and a place for a hand: the focal length in pixels and the shift (3,) that brings it into view.

    The joints' box is 42-60 % of the image, off centre by so much that a crop of 1.6 times the box hardly leaves it.
    """
    focal = size / 2 / np.tan(np.radians(np.exp(rng.uniform(np.log(15), np.log(70)))) / 2)
    side = rng.uniform(.42, .60) * size
    play = size / 2 - .8 * side + .02 * size
    target = (size - 1) / 2 + rng.uniform(-play, play, 2)
    middle = joints.mean(0)
    shift = np.array([0, 0, focal * .17 / side]) - middle
    for _ in range(8):
        uv = project(joints + shift, focal, size)[:, :2]
        low, high = uv.min(0), uv.max(0)
        depth = shift[2] + middle[2]
        shift[:2] += (target - (low + high) / 2) / focal * depth
        shift[2] += depth * ((high - low).max() / side - 1)
        nearest = NEAREST - joints[:, 2].min()
        if shift[2] < nearest:  # a longer lens instead of a camera that all but touches the hand
            focal *= (nearest + middle[2]) / (shift[2] + middle[2])
            shift[2] = nearest
    return focal, shift


class Studio:
    """Everything that renderings share: the hand's mesh, its skin maps, the background photos."""

    def __init__(self, model: HandModel, rest_vertices: np.ndarray, rest_joints: np.ndarray, photos: Photos):
        if model.uv is None:
            raise ValueError("Rendering skin needs a hand model with texture coordinates, as the open hand has.")
        self.faces, self.photos = model.faces, photos
        self.loop = border_loop(model.faces)
        self.skin = SkinMaps(rest_vertices, vertex_normals(rest_vertices, model.faces), rest_joints, model.faces,
                             model.uv, model.uv_faces)

    def render(self, rng: np.random.Generator, hand: PosedHand, focal: float, size: int,
               other: PosedHand | None = None) -> Rendering:
        """Renders one hand; `other`, placed already, is a second one that is not labelled."""
        background = sample_background(rng, self.photos, size)
        light = sample_light(rng, to_linear(np.maximum(background, 1) / np.float32(255)))
        palette = sample_palette(rng)
        alone = rasterize(project(hand.vertices, focal, size), self.faces, size, size).depth
        for extras in (1, 0, 0, 0):  # what hides nearly all of the hand is drawn again, with less in the way
            canvas, cover = self._compose(rng, hand, background, light, palette, focal, alone, extras, other)
            occluded = 1 - cover.sum() / max(np.isfinite(alone).sum(), 1)
            if occluded <= MOST_OCCLUDED:
                break
        mask = np.round(cover * 255).astype(np.uint8)
        return Rendering(photograph(rng, canvas), mask, float(np.clip(occluded, 0, 1)), palette.tone)

    def _compose(self, rng: np.random.Generator, hand: PosedHand, background: np.ndarray, light: Light,
                 palette: Palette, focal: float, alone: np.ndarray, extras: bool, other: PosedHand | None
                 ) -> tuple[np.ndarray, np.ndarray]:
        """Display values (S, S, 3) 0..1 and the labelled hand's coverage (S, S), with or without things in the way."""
        size = len(alone)
        parts = self.limb(rng, hand, palette, focal, alone)
        if extras and rng.random() < .28:
            parts.append(self.held(rng, hand))
        if extras and other is not None:
            parts += self.limb(rng, other, palette if rng.random() < .8 else sample_palette(rng), focal, None)
        layer, cover = draw(parts, light, focal, size)
        canvas = background.astype(np.float32) / 255
        if rng.random() < .35:
            canvas = _drop_shadow(rng, canvas, layer[..., 3])
        canvas = canvas * (1 - layer[..., 3:]) + layer[..., :3]
        if extras and rng.random() < .12:
            uv = project(hand.joints, focal, size)[:, :2]
            blob, hides = sample_blob(rng, self.photos, size, uv.mean(0), np.ptp(uv, axis=0).max())
            canvas = canvas * (1 - hides[..., None]) + blob * hides[..., None]
            cover = cover * (1 - hides)
        return canvas, cover

    def limb(self, rng: np.random.Generator, hand: PosedHand, palette: Palette, focal: float,
             alone: np.ndarray | None = None) -> list[Part]:
        """The hand with its forearm, and what the arm wears; `alone` is the hand's own depth image (S, S).

        Without it nothing asks how the arm looks from the camera, and what is drawn at random is the same in any pose.
        """
        for _ in range(8):  # an arm that hides much of the hand, or whose end would show, is bent another way
            forearm = Forearm(hand.vertices[self.loop], hand.rotation[:, [1, 2, 0]],
                              rng.normal(0, [.45, .2]).clip([-1.1, -.45], [1.1, .45]), 1 + rng.uniform(.1, .75, 2))
            rings, distances = skin_rings(forearm)
            if alone is None or not (_hides(rings, alone, focal) or _ends_in_view(rings[-1], focal, len(alone))):
                break
        offset = rng.random(2, np.float32)
        sides = len(self.loop)
        faces = tube_faces(len(rings) + 1, sides)
        numbers = np.concatenate([self.loop, len(hand.vertices) + np.arange(rings.size // 3)])
        turn = np.tile(forearm.angles / (2 * np.pi) % 1, len(rings) + 1)
        coords = np.column_stack([turn, np.repeat(np.r_[0, distances], sides)])[faces]
        coords[..., 0] += coords[..., 0].max(1, keepdims=True) - coords[..., 0] > .5
        materials = (lambda at: self.skin.on_hand(at, palette, offset),
                     lambda at: self.skin.on_arm(at, palette, offset))
        parts = [Part(np.concatenate([hand.vertices, rings.reshape(-1, 3)]),
                      np.concatenate([self.faces, numbers[faces]]),
                      np.concatenate([self.skin.corner_coords, coords]),
                      materials, np.repeat([0, 1], [len(self.faces), len(faces)]))]
        worn = rng.random()
        if worn < .55:
            folds = cv2.resize(rng.normal(0, .25, (12, 5)), (24, 40), interpolation=cv2.INTER_CUBIC)
            parts.append(self._worn(rng, forearm, rng.choice([rng.uniform(.01, .05), rng.uniform(.03, .2)]), 1.0,
                                    rng.uniform(.003, .022), folds, (0, .15)))
        elif worn < .67:  # a watch strap or a bangle
            start = rng.uniform(.012, .05)
            parts.append(self._worn(rng, forearm, start, start + rng.uniform(.004, .03), rng.uniform(.001, .004),
                                    np.zeros((2, 2)), (.1, 2)))
        return parts

    def _worn(self, rng: np.random.Generator, forearm: Forearm, start: float, end: float, thickness: float,
              folds: np.ndarray, gloss: tuple[float, float]) -> Part:
        vertices, faces, coords = sleeve(forearm, start, min(end, LENGTH), thickness, folds)
        return Part(vertices, faces, coords, (Cloth.sample(rng, self.photos, gloss),), np.zeros(len(faces), int))

    def held(self, rng: np.random.Generator, hand: PosedHand) -> Part:
        """Something held between palm and fingers, or between hand and camera."""
        tips, palm = hand.joints[[8, 12, 16, 20]].mean(0), hand.joints[list(PALM_JOINTS)].mean(0)
        if rng.random() < .7:
            palmward = -hand.rotation[:, 1]
            gap = np.clip((tips - palm) @ palmward, .02, .07)
            place = palm + .5 * (hand.joints[9] - palm) + palmward * (.012 + gap / 2)
            girth = max(gap / 2 - .006, .005) * rng.uniform(.7, 1.2)
            tilt = cv2.Rodrigues(rng.normal(0, .35, 3))[0]
            return moved(sample_object(rng, self.photos, girth), tilt @ hand.rotation, place)
        place = hand.joints[rng.integers(21)] * rng.uniform(.6, .95) + rng.normal(0, .02, 3)
        held = sample_object(rng, self.photos, rng.uniform(.006, .025))
        return moved(held, Rotation.random(None, rng).as_matrix(), place)


def _hides(rings: np.ndarray, alone: np.ndarray, focal: float) -> bool:
    """Whether the arm covers more than a sixth of the hand, from the arm's rings and the hand's own depth image."""
    size = alone.shape[0] // 3
    faces = tube_faces(*rings.shape[:2])
    arm = rasterize(project(rings.reshape(-1, 3), focal / 3, size), faces, size, size).depth
    hand = alone[1::3, 1::3][:size, :size]
    return (arm < hand)[np.isfinite(hand)].mean() > 1 / 6 if np.isfinite(hand).any() else False


def _ends_in_view(ring: np.ndarray, focal: float, size: int) -> bool:
    """Whether any of a ring's points (N, 3) falls into the image."""
    uv = project(ring, focal, size)[:, :2]
    return bool(((uv > 0) & (uv < size - 1)).all(1).any())


def _drop_shadow(rng: np.random.Generator, canvas: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """The background darkened beside the hand, as a table or a wall behind it would be."""
    size = len(canvas)
    shift = np.float32([[1, 0, rng.normal(0, .04) * size], [0, 1, rng.uniform(0, .08) * size]])
    shade = cv2.warpAffine(cover, shift, (size, size), borderMode=cv2.BORDER_REPLICATE)
    shade = cv2.GaussianBlur(shade, (0, 0), rng.uniform(.01, .05) * size)
    return canvas * (1 - rng.uniform(.15, .6) * shade[..., None])


def photograph(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """What a camera makes of display values (S, S, 3) 0..1: motion blur, defocus, small lenses, noise; uint8."""
    size = len(canvas)
    if rng.random() < .25:  # moved
        length = int(rng.uniform(2, 9) * size / 192)
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1
        turn = cv2.getRotationMatrix2D(((length - 1) / 2,) * 2, rng.uniform(0, 180), 1)
        kernel = cv2.warpAffine(kernel, turn, (length, length)) + 1e-6
        canvas = cv2.filter2D(canvas, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)
    if rng.random() < .35:  # out of focus, or few pixels
        canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(.4, 1.6) * size / 192)
    canvas = np.clip(canvas, 0, 1) ** np.float32(np.exp(rng.normal(0, .12)))
    noise = rng.standard_normal((size, size, 3), np.float32) * np.float32(rng.choice([.004, .008, .016]))
    if rng.random() < .4:  # noise that a phone has smoothed
        noise = cv2.GaussianBlur(noise, (0, 0), .8) * np.float32(1.8)
    return np.round(np.clip(canvas + noise * (.5 + np.sqrt(canvas)), 0, 1) * 255).astype(np.uint8)
