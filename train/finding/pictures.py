"""Pictures for the finder to learn from: whole photos, cut-out hands on other photos, rendered scenes.

A hand's region here is its upright box: its middle, and the longer of its sides.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from .labelled import LabelledPicture
from .targets import PictureHands

SOURCES = {"photos": 0.45, "collages": 0.25, "scenes": 0.22, "backgrounds": 0.08}  # shares of the pictures
HAND_SIDES = 16.0, 215.0  # px of the picture, of the hand that decides how large the photo is shown
ZOOM = 0.55, 4.0  # times the whole photo in the picture, at least and at most
TURN_STD = 8.0  # degrees
FILLED = 0.6  # how often another photo, not black, is around a picture that does not fill its frame
MOST_PASTED = 4
PASTED = {"cut_outs": 0.5, "cut_from_photos": 0.2, "gloves": 0.3}  # where hands that are pasted come from
AROUND = 1.15, 1.7  # times the hand's box, of what is cut out of a photo
WITH_THINGS, MOST_THINGS, THING_SIDES = 0.4, 4, (20.0, 200.0)  # how often things are pasted, how many, px of them
OTHER_GLOVES = 0.5  # how often gloves have another colour than in their photo
QUARTERS = (0.7, 0.12, 0.06, 0.12)  # how often by so many quarters of a turn


@dataclass(frozen=True)
class PictureMaker:
    """Makes the training picture of a number: the same one each time."""
    photos: list[LabelledPicture]
    cut_outs: list[LabelledPicture]
    scenes: list[LabelledPicture]
    backgrounds: list[LabelledPicture]
    things: Sequence[Path] = ()
    size: int = 256

    def __call__(self, seed: int, index: int) -> tuple[np.ndarray, PictureHands]:
        """A picture (size, size, 3) uint8 RGB and its hands."""
        rng = np.random.default_rng([seed, index])
        source = rng.choice(list(SOURCES), p=list(SOURCES.values()))
        of = source if source != "collages" else "backgrounds" if rng.random() < 0.6 else "photos"
        rgb, hands = self._shown(rng, _pick(rng, getattr(self, of)))
        if self.things and rng.random() < WITH_THINGS:
            rgb, hands = self._paste_things(rng, rgb, hands)
        if source == "collages":
            rgb, hands = self._paste(rng, rgb, hands)
        return recoloured(rng, rgb), hands

    def _shown(self, rng: np.random.Generator, picture: LabelledPicture) -> tuple[np.ndarray, PictureHands]:
        rgb = picture.read()
        if picture.gloved.any() and picture.gloved.all() and rng.random() < OTHER_GLOVES:
            rgb = other_hues(rng, rgb)
        view = random_view(rng, rgb, picture, self.size)
        shown, hands = warped(rgb, picture, view, self.size)
        if rng.random() < FILLED:
            outside = cv2.warpAffine(np.ones(rgb.shape[:2], np.uint8), view, (self.size, self.size)) == 0
            shown[outside] = self._background(rng)[outside]
        return shown, hands

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        """A square of a photo without hands."""
        rgb = _pick(rng, self.backgrounds).read()
        side = int(min(rgb.shape[:2]) * rng.uniform(0.3, 1))
        row, column = (rng.integers(length - side + 1) for length in rgb.shape[:2])
        return cv2.resize(rgb[row:row + side, column:column + side], (self.size, self.size),
                          interpolation=cv2.INTER_AREA)

    @cached_property
    def hands(self) -> dict[str, list[tuple[LabelledPicture, int]]]:
        """Which hands of which picture may be pasted, from where."""
        of_photos = [(photo, row) for photo in self.photos for row in range(len(photo.boxes))]
        gloves = [(photo, row) for photo, row in of_photos if photo.gloved[row]]
        every = {"cut_outs": [(cut_out, 0) for cut_out in self.cut_outs], "cut_from_photos": of_photos,
                 "gloves": gloves}
        return {name: hands for name, hands in every.items() if hands}

    def _cut_out(self, rng: np.random.Generator) -> tuple[LabelledPicture, np.ndarray]:
        """A hand with a little around it, the picture's first, and the picture's pixels."""
        shares = np.array([PASTED[name] for name in self.hands])
        of = list(self.hands)[rng.choice(len(shares), p=shares / shares.sum())]
        picture, row = self.hands[of][rng.integers(len(self.hands[of]))]
        rgb = picture.read()
        if of != "cut_outs":
            picture, rgb = cut_out_of(picture, rgb, row, rng.uniform(*AROUND))
        if of == "gloves" and rng.random() < OTHER_GLOVES:
            rgb = other_hues(rng, rgb)
        return picture, rgb

    def _paste(self, rng: np.random.Generator, rgb: np.ndarray, hands: PictureHands
               ) -> tuple[np.ndarray, PictureHands]:
        """Puts some cut-out hands, at any size, over a picture."""
        for _ in range(rng.integers(1, MOST_PASTED + 1)):
            cut_out, pixels = self._cut_out(rng)
            side = np.exp(rng.uniform(*np.log((18, 150))))
            center = rng.uniform(0, self.size, 2)
            view = _view(pixels, cut_out.boxes[0], side, center, rng)
            over, mine = warped(pixels, cut_out, view, self.size)
            cover = _soft_cover(pixels.shape, view, self.size)
            rgb, hands = (rgb * (1 - cover) + over * cover).astype(np.uint8), uncovered(hands, cover)
            hands = PictureHands(*(np.concatenate([getattr(hands, name), getattr(mine, name)])
                                   for name in ("center", "side", "angle", "right")), hands.doubtful)
        return rgb, hands

    def _paste_things(self, rng: np.random.Generator, rgb: np.ndarray, hands: PictureHands
                      ) -> tuple[np.ndarray, PictureHands]:
        """Puts some things that are no hands, at any size and turn, over a picture."""
        for _ in range(rng.integers(1, MOST_THINGS + 1)):
            path = self.things[rng.integers(len(self.things))]
            bgra = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if bgra is None or bgra.ndim != 3 or bgra.shape[2] != 4:
                raise ValueError(f"{path} is no picture with transparency; remove it.")
            height, width = bgra.shape[:2]
            scale, turn = np.exp(rng.uniform(*np.log(THING_SIDES))) / max(height, width), rng.uniform(0, 2 * np.pi)
            view = _similarity(np.array([width - 1, height - 1]) / 2, scale, turn, rng.uniform(0, self.size, 2), rng)
            if scale < 0.5:  # bilinear sampling alone would alias
                bgra = cv2.blur(bgra, (max(1, round(0.7 / scale)),) * 2)
            over = cv2.warpAffine(bgra, view, (self.size, self.size), flags=cv2.INTER_LINEAR)
            cover = over[..., 3:] / np.float32(255)
            rgb = (rgb * (1 - cover) + over[..., 2::-1] * cover).astype(np.uint8)
            hands = uncovered(hands, cover)
        return rgb, hands


def _pick(rng: np.random.Generator, pictures: list[LabelledPicture]) -> LabelledPicture:
    return pictures[rng.integers(len(pictures))]


def uncovered(hands: PictureHands, cover: np.ndarray) -> PictureHands:
    """The hands but for those whose middle is under what covers a picture, (S, S, 1) 0..1."""
    rows, columns = np.round(hands.center).astype(int).clip(0, len(cover) - 1).T[::-1].reshape(2, -1)
    seen = cover[rows, columns, 0] <= 0.5
    return PictureHands(hands.center[seen], hands.side[seen], hands.angle[seen], hands.right[seen], hands.doubtful)


def cut_out_of(picture: LabelledPicture, rgb: np.ndarray, row: int, around: float
               ) -> tuple[LabelledPicture, np.ndarray]:
    """What is within a square `around` times as large as a hand's box, as a picture of its own whose first hand it is.
    """
    box = picture.boxes[row]
    middle, reach = (box[:2] + box[2:]) / 2, around * (box[2:] - box[:2]).max() / 2
    low = np.floor(middle - reach).astype(int).clip(0)
    high = np.minimum(np.ceil(middle + reach).astype(int) + 1, rgb.shape[1::-1])
    centers = (picture.boxes[:, :2] + picture.boxes[:, 2:]) / 2
    inside = [other for other in range(len(picture.boxes))
              if other != row and ((centers[other] > low) & (centers[other] < high)).all()]
    rows = [row, *inside]
    shift = np.tile(low, 2)
    part = LabelledPicture(picture.path, picture.boxes[rows] - shift, picture.angle[rows], picture.right[rows],
                           picture.doubtful - shift, picture.gloved[rows])
    return part, np.ascontiguousarray(rgb[low[1]:high[1], low[0]:high[0]])


def random_view(rng: np.random.Generator, rgb: np.ndarray, picture: LabelledPicture, size: int) -> np.ndarray:
    """How a picture is shown in `size` px a side, (2, 3) from its pixels: turned, mirrored, and so large that one of
    its hands has any size that is to be found."""
    height, width = rgb.shape[:2]
    whole = size / max(height, width)
    middle = np.array([width - 1, height - 1]) / 2
    if len(picture.boxes) and rng.random() < 0.75:
        box = picture.boxes[rng.integers(len(picture.boxes))]
        side = np.exp(rng.uniform(*np.log(HAND_SIDES)))
        scale = np.clip(side / max(box[2] - box[0], box[3] - box[1], 1), ZOOM[0] * whole, ZOOM[1] * whole)
        if scale > whole:  # then not all of the picture is shown, but this hand is
            middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
            return _around(middle, scale, rng.uniform(0.1, 0.9, 2) * size, rng)
    else:
        scale = whole * np.exp(rng.uniform(np.log(0.7), np.log(2.0)))
        if scale > whole:
            middle = rng.uniform(0, 1, 2) * [width - 1, height - 1]
    return _around(middle, scale, np.full(2, (size - 1) / 2), rng)


def _view(rgb: np.ndarray, box: np.ndarray, side: float, center: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    scale = side / max(box[2] - box[0], box[3] - box[1], 1)
    return _around(np.array([box[0] + box[2], box[1] + box[3]]) / 2, scale, center, rng)


def _around(middle: np.ndarray, scale: float, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A similarity (2, 3) that brings `middle` to `target`, turned at random: little, or about quarters of a turn."""
    turn = rng.choice(4, p=QUARTERS) * np.pi / 2 + np.radians(rng.normal(0, TURN_STD))
    return _similarity(middle, scale, turn, target, rng)


def _similarity(middle: np.ndarray, scale: float, turn: float, target: np.ndarray, rng: np.random.Generator
                ) -> np.ndarray:
    """A similarity (2, 3) that brings `middle` to `target`, turned by radians, mirrored as often as not."""
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if rng.random() < 0.5:
        linear = linear @ np.diag([-1.0, 1.0])
    return np.column_stack([linear, target - linear @ middle])


def warped(rgb: np.ndarray, picture: LabelledPicture, view: np.ndarray, size: int) -> tuple[np.ndarray, PictureHands]:
    """A picture and its hands under a view (2, 3); black where the picture ends."""
    linear, shift = view[:, :2], view[:, 2]
    scale, mirrored = float(np.sqrt(abs(np.linalg.det(linear)))), np.linalg.det(linear) < 0
    if scale < 0.5:  # bilinear sampling alone would alias
        rgb = cv2.blur(rgb, (max(1, round(0.7 / scale)),) * 2)
    out = cv2.warpAffine(rgb, view, (size, size), flags=cv2.INTER_LINEAR)
    center = (picture.boxes[:, :2] + picture.boxes[:, 2:]) / 2 @ linear.T + shift
    up = np.stack([np.sin(picture.angle), -np.cos(picture.angle)], -1) @ linear.T
    corners = picture.doubtful[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2) @ linear.T + shift
    sides = (picture.boxes[:, 2:] - picture.boxes[:, :2]).max(1, initial=0) * scale
    inside = ((center > -0.1 * sides[:, None]) & (center < size + 0.1 * sides[:, None])).all(1)
    return out, PictureHands(center[inside], sides[inside], np.arctan2(up[:, 0], -up[:, 1])[inside],
                             (1 - picture.right if mirrored else picture.right)[inside],
                             np.concatenate([corners.min(1), corners.max(1)], 1))


def _soft_cover(shape: tuple, view: np.ndarray, size: int) -> np.ndarray:
    """How far a pasted picture covers each pixel, (size, size, 1) 0..1: all of its middle, nothing at its edge."""
    height, width = shape[:2]
    u, v = np.linspace(-1, 1, width)[None], np.linspace(-1, 1, height)[:, None]
    cover = np.clip((1 - np.maximum(abs(u), abs(v))) / 0.12, 0, 1).astype(np.float32)
    return cv2.warpAffine(cover, view, (size, size), flags=cv2.INTER_LINEAR)[..., None]


def recoloured(rng: np.random.Generator, rgb: np.ndarray) -> np.ndarray:
    """The picture as another camera in other light might have it: tint, contrast, grey, blur, noise, compression."""
    out = rgb.astype(np.float32) / 255
    out = np.clip(out * rng.uniform(0.6, 1.4) * np.exp(rng.normal(0, 0.08, 3)), 0, 1) ** np.exp(rng.normal(0, 0.2))
    if rng.random() < 0.25:
        grey = out @ np.float32([0.299, 0.587, 0.114])
        out = np.repeat(grey[..., None], 3, 2) * (np.float32([1, 0.9, 0.75]) if rng.random() < 0.2 else 1)
    if rng.random() < 0.25:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.3:
        out = out + rng.normal(0, rng.uniform(0.005, 0.04), out.shape)
    out = np.round(np.clip(out, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.3:
        done = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))])[1]
        out = cv2.imdecode(done, cv2.IMREAD_COLOR)
    return out


def other_hues(rng: np.random.Generator, rgb: np.ndarray) -> np.ndarray:
    """The picture with every hue turned by one angle, paler or stronger: gloves are of any colour."""
    hue, saturation, value = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV))
    hue = ((hue.astype(int) + rng.integers(180)) % 180).astype(np.uint8)  # OpenCV counts hues by two degrees
    saturation = (saturation * rng.uniform(0.2, 1.6)).clip(0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.merge([hue, saturation, value]), cv2.COLOR_HSV2RGB)
