"""One training image: a posed hand with its arm, worn and held things, light, background and the camera's faults."""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from handpose.drawing.rasterizer import rasterize
from handpose.drawing.shading import vertex_normals
from handpose.hand_model.model import HandModel

from .arm import LENGTH, Forearm, border_loop, skin_rings, sleeve, tube_faces
from .people import sample_person
from .props import Cloth, Photos, sample_background, sample_blob
from .shading import Light, Part, draw, front_faces, project, sample_light
from .skin import Palette, SkinMaps, sample_palette, to_linear
from .subjects import GLOVE, PosedHand, Subject
from .worn import Glove, ring_on, sample_glove

NEAREST = .12  # m from the camera to any joint
FIELDS_OF_VIEW = 12.0, 95.0  # degrees
CUT_OFF = .1, .45  # of the hand's box that lies beyond the image's border
RINGED, WATCHED = .12, .12  # how often a bare hand wears a ring, and somebody is behind it
FILMS, FILM_SHARES = ("colour", "grey", "infrared", "night"), (.8, .08, .05, .07)
MOST_OCCLUDED = .6  # of the hand's silhouette, in any image that is kept


@dataclass(frozen=True)
class Rendering:
    image: np.ndarray  # (S, S, 3) uint8 RGB
    mask: np.ndarray  # (S, S) uint8: how much of the pixel is the hand, 255 = all
    occluded: float  # share of the hand's silhouette that something hides
    tone: int  # 0 very light .. 5 dark


def place_in_view(rng: np.random.Generator, joints: np.ndarray, size: int, cut_off: bool = False
                  ) -> tuple[float, np.ndarray]:
    """A camera and a place for a hand: the focal length in pixels and the shift (3,) that brings it into view.

    The joints' box is 42-60 % of the image, off centre by so much that a crop of 1.6 times the box hardly leaves it.
    If the hand is to be `cut_off`, up to 45 % of the box lie beyond a border, and the hand may be larger.
    """
    focal = size / 2 / np.tan(np.radians(np.exp(rng.uniform(*np.log(FIELDS_OF_VIEW)))) / 2)
    side = rng.uniform(.42, .8 if cut_off else .60) * size
    play = max(size / 2 - .8 * side + .02 * size, .05 * size)
    target = (size - 1) / 2 + rng.uniform(-play, play, 2)
    edge, beyond = int(rng.integers(4)), rng.uniform(*CUT_OFF)
    middle = joints.mean(0)
    shift = np.array([0, 0, focal * .17 / side]) - middle
    shift[2] = max(shift[2], NEAREST - joints[:, 2].min())  # so that all of the hand is seen from the first step on
    for _ in range(12):
        uv = project(joints + shift, focal, size)[:, :2]
        low, high = uv.min(0), uv.max(0)
        if cut_off:
            axis, inside = edge % 2, (.5 - beyond) * (high - low)[edge % 2]
            target[axis] = inside if edge < 2 else size - 1 - inside
        depth = shift[2] + middle[2]
        shift[:2] += (target - (low + high) / 2) / focal * depth
        # Half of the way at a time: a box of a hand that points at the lens grows faster than the camera comes nearer.
        shift[2] += depth * (np.sqrt((high - low).max() / side) - 1)
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
        self.model, self.faces, self.photos = model, model.faces, photos
        self.loop = border_loop(model.faces)
        self.skin = SkinMaps(rest_vertices, vertex_normals(rest_vertices, model.faces), rest_joints, model.faces,
                             model.uv, model.uv_faces)

    def render(self, rng: np.random.Generator, subject: Subject, focal: float, size: int) -> Rendering:
        """Renders a subject that is placed already; its other hand, if any, is not labelled."""
        background = sample_background(rng, self.photos, size)
        light = sample_light(rng, to_linear(np.maximum(background, 1) / np.float32(255)))
        palette, glove, hand = sample_palette(rng), None, subject.hand
        if subject.kind == GLOVE:
            glove = sample_glove(rng, self.photos, self.skin.palm)
            hand = self.gloved(hand, glove)
        alone = rasterize(project(hand.vertices, focal, size), self.faces, size, size).depth
        for extras in (1, 0, 0, 0):  # what hides nearly all of the hand is drawn again, with less in the way
            canvas, cover = self._compose(rng, subject, hand, glove, background, light, palette, focal, alone, extras)
            occluded = 1 - cover.sum() / max(np.isfinite(alone).sum(), 1)
            if occluded <= MOST_OCCLUDED:
                break
        mask = np.round(cover * 255).astype(np.uint8)
        return Rendering(photograph(rng, canvas), mask, float(np.clip(occluded, 0, 1)), palette.tone)

    def _compose(self, rng: np.random.Generator, subject: Subject, hand: PosedHand, glove: Glove | None,
                 background: np.ndarray, light: Light, palette: Palette, focal: float, alone: np.ndarray, extras: bool
                 ) -> tuple[np.ndarray, np.ndarray]:
        """Display values (S, S, 3) 0..1 and the labelled hand's coverage (S, S), with or without things in the way."""
        size = len(alone)
        parts = self.limb(rng, hand, palette, focal, alone, glove)
        if glove is None and rng.random() < RINGED:
            parts.append(ring_on(rng, hand, self.model))
        if extras and subject.thing:
            parts += subject.thing.parts(rng, self.photos)
        if extras and subject.other:
            theirs = self.gloved(subject.other, glove) if glove else subject.other
            parts += self.limb(rng, theirs, palette if rng.random() < .9 else sample_palette(rng), focal, None, glove)
        if rng.random() < WATCHED:
            away = hand.joints[:, 2].max() + rng.uniform(.2, .7)
            behind = hand.joints[:, :2].mean(0) / hand.joints[:, 2].mean() * away
            place = np.append(behind + rng.normal(0, .12, 2), away)
            parts += sample_person(rng, self.photos, palette if rng.random() < .8 else sample_palette(rng), place)
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

    def gloved(self, hand: PosedHand, glove: Glove) -> PosedHand:
        """As thick as the glove makes it."""
        return replace(hand, vertices=hand.vertices + glove.thickness * vertex_normals(hand.vertices, self.faces))

    def limb(self, rng: np.random.Generator, hand: PosedHand, palette: Palette, focal: float,
             alone: np.ndarray | None = None, glove: Glove | None = None) -> list[Part]:
        """The hand with its forearm, and what the arm wears; `alone` is the hand's own depth image (S, S).

        Without it nothing asks how the arm looks from the camera, and what is drawn at random is the same in any pose.
        A hand that is gloved is as thick as that already.
        """
        parts = self._limb(rng, hand, palette, focal, alone, glove)
        return [part.mirrored() for part in parts] if hand.mirrored else parts

    def _limb(self, rng: np.random.Generator, hand: PosedHand, palette: Palette, focal: float,
              alone: np.ndarray | None, glove: Glove | None) -> list[Part]:
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
        materials = (glove.on_hand if glove else lambda at: self.skin.on_hand(at, palette, offset),
                     lambda at: self.skin.on_arm(at, palette, offset))
        parts = [Part(np.concatenate([hand.vertices, rings.reshape(-1, 3)]),
                      np.concatenate([self.faces, numbers[faces]]),
                      np.concatenate([self.skin.corner_coords, coords]),
                      materials, np.repeat([0, 1], [len(self.faces), len(faces)]))]
        folds = cv2.resize(rng.normal(0, .25, (12, 5)), (24, 40), interpolation=cv2.INTER_CUBIC)
        if glove:
            parts.append(_around(forearm, -.004, glove.cuff, glove.thickness + .001, .3 * folds, glove.on_cuff))
        worn = rng.random()
        if worn < .55:
            start = rng.choice([rng.uniform(-.05, -.01), rng.uniform(.01, .05), rng.uniform(.03, .2)], p=[.2, .4, .4])
            parts.append(_around(forearm, start, LENGTH, rng.uniform(.003, .022), folds,
                                 Cloth.sample(rng, self.photos, (0, .15))))
        elif worn < .67 and not glove:  # a watch strap or a bangle
            start = rng.uniform(.012, .05)
            parts.append(_around(forearm, start, start + rng.uniform(.004, .03), rng.uniform(.001, .004),
                                 np.zeros((2, 2)), Cloth.sample(rng, self.photos, (.1, 2))))
        return parts


def _around(forearm: Forearm, start: float, end: float, thickness: float, folds: np.ndarray, cloth: Cloth) -> Part:
    vertices, faces, coords = sleeve(forearm, start, end, thickness, folds)
    return Part(vertices, faces, coords, (cloth,), np.zeros(len(faces), int))


def _hides(rings: np.ndarray, alone: np.ndarray, focal: float) -> bool:
    """Whether the arm covers more than a sixth of the hand, from the arm's rings and the hand's own depth image."""
    size = alone.shape[0] // 3
    faces = tube_faces(*rings.shape[:2])
    arm = front_faces(project(rings.reshape(-1, 3), focal / 3, size), faces, size).depth
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
    """What a camera makes of display values (S, S, 3) 0..1: motion blur, defocus, small lenses, noise; uint8.

    Most are in colour, some in black and white, as by a camera for infrared light, or at night.
    """
    size = len(canvas)
    if rng.random() < .25:  # moved
        length = int(rng.uniform(2, rng.choice([9, 16], p=[.8, .2])) * size / 192)
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1
        turn = cv2.getRotationMatrix2D(((length - 1) / 2,) * 2, rng.uniform(0, 180), 1)
        kernel = cv2.warpAffine(kernel, turn, (length, length)) + 1e-6
        canvas = cv2.filter2D(canvas, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)
    if rng.random() < .35:  # out of focus, or few pixels
        canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(.4, 1.6) * size / 192)
    canvas = cv2.pow(np.clip(canvas, 0, 1), np.exp(rng.normal(0, .12)))
    film, grain = rng.choice(FILMS, p=FILM_SHARES), rng.choice([.004, .008, .016])
    if film == "grey":
        canvas = _grey(canvas, rng.dirichlet([3, 5, 2]))
    elif film == "infrared":  # skin is light in any tone, and the lamp beside the lens lights what is near
        canvas = _grey(canvas, [1.1, .1, -.2]) ** np.float32(rng.uniform(.4, .9))
        far = np.linspace(-1, 1, size, dtype=np.float32) ** 2
        canvas = canvas * (1 - np.float32(rng.uniform(.1, .5)) * (far[:, None] + far)[..., None] / 2)
        grain = rng.uniform(.01, .03)
    elif film == "night":
        cast = np.float32(np.exp(rng.normal(0, .15, 3) + np.array([.12, 0, -.15]) * rng.normal()))
        canvas = np.clip(canvas * cast * np.float32(rng.uniform(.15, .5)), 0, 1)
        grain = rng.uniform(.015, .05)
    noise = rng.standard_normal((size, size, 3), np.float32) * np.float32(grain)
    if film in ("grey", "infrared"):
        noise = noise[..., :1]
    if rng.random() < .4:  # noise that a phone has smoothed
        noise = cv2.GaussianBlur(noise, (0, 0), .8).reshape(noise.shape) * np.float32(1.8)
    return np.round(np.clip(canvas + noise * (.5 + np.sqrt(canvas)), 0, 1) * 255).astype(np.uint8)


def _grey(canvas: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(S, S, 3) of equal channels."""
    return np.repeat(np.clip(canvas @ np.float32(weights), 0, 1)[..., None], 3, 2)
