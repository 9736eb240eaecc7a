"""Pictures for the finder to learn from: whole photos, cut-out hands on other photos, rendered scenes.

A hand's region here is its upright box: its middle, and the longer of its sides.
"""
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from handpose.crop import upright_box
from handpose.detection.region import box_covered

from .targets import PictureHands

SOURCES = {"photos": 0.45, "collages": 0.25, "scenes": 0.22, "backgrounds": 0.08}  # shares of the pictures
HAND_SIDES = 16.0, 215.0  # px of the picture, of the hand that decides how large the photo is shown
ZOOM = 0.55, 4.0  # times the whole photo in the picture, at least and at most
TURN_STD = 8.0  # degrees
MOST_PASTED = 4
QUARTERS = (0.7, 0.12, 0.06, 0.12)  # how often by so many quarters of a turn
TRUSTED_SHARE = 0.15  # of a photo's longer side, its largest hand: from here on the others are found as well
WIDER = 0.12  # a hand's box is the joints', wider on each side by this share of its size: joints end inside the skin
HELD_OUT_EVERY = 5  # of the gloves' photos, those whose number is a multiple of it are for measuring


@dataclass(frozen=True)
class LabelledPicture:
    """A picture on disk and its hands, in its pixels: boxes (N, 4), angle (N,) and right (N,), NaN where nobody knows;
    and the boxes (K, 4) of what may be hands."""
    path: Path
    boxes: np.ndarray
    angle: np.ndarray
    right: np.ndarray
    doubtful: np.ndarray

    @classmethod
    def of(cls, path: Path, boxes: Sequence, angle: Sequence, right: Sequence, doubtful: Sequence = ()
           ) -> LabelledPicture:
        boxes, doubtful = (np.array(values, float).reshape(-1, 4) for values in (boxes, doubtful))
        return cls(path, boxes, np.array(angle, float), np.array(right, float), doubtful)

    def read(self) -> np.ndarray:
        """RGB uint8 (H, W, 3). Raises ValueError for what is no picture."""
        bgr = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise ValueError(f"The picture {self.path} cannot be read; remove it.")
        return np.ascontiguousarray(bgr[..., ::-1])


def box_of(joints: np.ndarray) -> np.ndarray:
    """The box (4,) of a whole hand from its joints (21, 2)."""
    low, high = joints.min(0), joints.max(0)
    margin = WIDER * (high - low).max()
    return np.concatenate([low - margin, high + margin])


def read_photos(folder: Path, labels: Path) -> list[LabelledPicture]:
    """The photos of `train.label_hands`, without those that are held out and those whose hands are small or not found:
    there the search misses too many for the rest of the photo to count as background.

    Of what is doubtful, only that counts as such which lies on a hand: the rest are ears and noses, seen on a sheet.
    """
    pictures = []
    for label in json.loads(labels.read_text()):
        hands = [hand for hand in label["hands"] if not _is_part(hand, label["hands"])]
        sides = [max(hand["box"][2] - hand["box"][0], hand["box"][3] - hand["box"][1]) for hand in hands]
        if held_out(label["file"]) or max(sides, default=0) < TRUSTED_SHARE * max(label["size"]):
            continue
        boxes = [hand["box"] for hand in hands]
        pictures.append(LabelledPicture.of(
            folder / label["file"], boxes, [np.nan if hand["angle"] is None else hand["angle"] for hand in hands],
            [hand["side"] == "right" if hand["sure_side"] else np.nan for hand in hands],
            [box for box in label["doubtful"] if any(_covered(box, hand) > 0.1 for hand in boxes)]))
    return pictures


def read_backgrounds(folder: Path) -> list[LabelledPicture]:
    """Photos without hands."""
    return [LabelledPicture.of(path, [], [], []) for path in sorted(folder.glob("*.jpg"))]


def _covered(box: Sequence[float], by: Sequence[float]) -> float:
    """The share of a box that another one covers."""
    return float(box_covered(np.reshape(box, (2, 2)), np.reshape(by, (1, 2, 2)))[0])


def _is_part(hand: dict, hands: list[dict]) -> bool:
    """Whether a labelled hand is a finger of another one: it lies within a much larger one."""
    return any(_covered(hand["box"], other["box"]) > 0.7 and _covered(other["box"], hand["box"]) < 0.4
               for other in hands if other is not hand)


def held_out(file: str) -> bool:
    """Whether a photo, by its name "source/0000.jpg", is kept for measuring."""
    source, name = file.split("/")
    return source == "gloves" and int(Path(name).stem) % HELD_OUT_EVERY == 0


def read_scenes(folder: Path) -> list[LabelledPicture]:
    """The pictures of `train.make_scenes`."""
    pictures = []
    for label in json.loads((folder / "labels.json").read_text()):
        joints = [np.array(hand["joints"]) for hand in label["hands"]]
        right = [hand["side"] == "right" for hand in label["hands"]]
        pictures.append(LabelledPicture.of(folder / label["file"], list(map(box_of, joints)),
                                           [upright_box(one)[2] for one in joints], right))
    return pictures


def read_cut_outs(folder: Path, without: Sequence[str] = ()) -> list[LabelledPicture]:
    """One hand each: the crops of sets with a `labels.npz` (`fname`, `landmarks_px`, `handedness`, `flip_err`)."""
    pictures = []
    for file in sorted(folder.glob("*/labels.npz")):
        if file.parent.name in without:
            continue
        with np.load(file) as labels:
            for name, points, side, wrong in zip(labels["fname"], labels["landmarks_px"], labels["handedness"],
                                                 labels["flip_err"], strict=True):
                if wrong < 0.1:  # false for NaN, too
                    joints = points[:, :2].astype(float)
                    pictures.append(LabelledPicture.of(file.parent / str(name), [box_of(joints)],
                                                       [upright_box(joints)[2]], [str(side) == "Right"]))
    return pictures


@dataclass(frozen=True)
class PictureMaker:
    """Makes the training picture of a number: the same one each time."""
    photos: list[LabelledPicture]
    cut_outs: list[LabelledPicture]
    scenes: list[LabelledPicture]
    backgrounds: list[LabelledPicture]
    size: int = 256

    def __call__(self, seed: int, index: int) -> tuple[np.ndarray, PictureHands]:
        """A picture (size, size, 3) uint8 RGB and its hands."""
        rng = np.random.default_rng([seed, index])
        source = rng.choice(list(SOURCES), p=list(SOURCES.values()))
        if source == "collages":
            base = _pick(rng, self.backgrounds if rng.random() < 0.6 else self.photos)
            rgb, hands = self._paste(rng, *self._shown(rng, base))
        else:
            rgb, hands = self._shown(rng, _pick(rng, getattr(self, source)))
        return recoloured(rng, rgb), hands

    def _shown(self, rng: np.random.Generator, picture: LabelledPicture) -> tuple[np.ndarray, PictureHands]:
        rgb = picture.read()
        return warped(rgb, picture, random_view(rng, rgb, picture, self.size), self.size)

    def _paste(self, rng: np.random.Generator, rgb: np.ndarray, hands: PictureHands
               ) -> tuple[np.ndarray, PictureHands]:
        """Puts some cut-out hands, at any size, over a picture; what they cover is no hand any more."""
        for _ in range(rng.integers(1, MOST_PASTED + 1)):
            cut_out = _pick(rng, self.cut_outs)
            pixels = cut_out.read()
            side = np.exp(rng.uniform(*np.log((18, 150))))
            center = rng.uniform(0, self.size, 2)
            view = _view(pixels, cut_out.boxes[0], side, center, rng)
            over, mine = warped(pixels, cut_out, view, self.size)
            cover = _soft_cover(pixels.shape, view, self.size)
            rgb = (rgb * (1 - cover) + over * cover).astype(np.uint8)
            hidden = np.array([cover[tuple(at)] > 0.5 for at in np.round(hands.center[:, ::-1]).astype(int)
                               .clip(0, self.size - 1)], bool).reshape(-1)
            hands = PictureHands(*(np.concatenate([getattr(hands, name)[~hidden], getattr(mine, name)])
                                   for name in ("center", "side", "angle", "right")), hands.doubtful)
        return rgb, hands


def _pick(rng: np.random.Generator, pictures: list[LabelledPicture]) -> LabelledPicture:
    return pictures[rng.integers(len(pictures))]


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
    """A similarity (2, 3) that brings `middle` to `target`, turned at random and perhaps mirrored."""
    turn = rng.choice(4, p=QUARTERS) * np.pi / 2 + np.radians(rng.normal(0, TURN_STD))
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
