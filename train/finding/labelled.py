"""Pictures with labelled hands, of the sources that the finder learns from: whole photos, crops of photo sets, rendered
scenes, and photos and things that show no hand.

A hand's box is upright, and that of a whole hand, not of its joints alone.
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

TRUSTED_SHARE = 0.15  # of a photo's longer side, its largest hand: from here on the others are found as well
WIDER = 0.12  # a hand's box is the joints', wider on each side by this share of its size: joints end inside the skin
GLOVED = "gloved_hand"  # as the gloves' photos call it
HELD_OUT_EVERY = 5  # of the gloves' photos, those whose number is a multiple of it are for measuring


@dataclass(frozen=True)
class LabelledPicture:
    """A picture on disk and its hands, in its pixels: boxes (N, 4), angle (N,) and right (N,), NaN where nobody knows;
    the boxes (K, 4) of what may be hands; and which hands (N,) are known to wear gloves."""
    path: Path
    boxes: np.ndarray
    angle: np.ndarray
    right: np.ndarray
    doubtful: np.ndarray
    gloved: np.ndarray

    @classmethod
    def of(cls, path: Path, boxes: Sequence, angle: Sequence, right: Sequence, doubtful: Sequence = (),
           gloved: Sequence[bool] | None = None) -> LabelledPicture:
        boxes, doubtful = (np.array(values, float).reshape(-1, 4) for values in (boxes, doubtful))
        gloved = np.zeros(len(boxes), bool) if gloved is None else np.array(gloved, bool)
        return cls(path, boxes, np.array(angle, float), np.array(right, float), doubtful, gloved)

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
    there the search misses too many for the rest of the photo to count as background, unless `train.suspect_hands`
    told what else may be one.

    Of what is doubtful, only that counts as such which lies on a hand: the rest are ears and noses, seen on a sheet.
    """
    pictures = []
    for label in json.loads(labels.read_text()):
        hands = [hand for hand in label["hands"] if not _is_part(hand, label["hands"])]
        sides = [max(hand["box"][2] - hand["box"][0], hand["box"][3] - hand["box"][1]) for hand in hands]
        small = max(sides, default=0) < TRUSTED_SHARE * max(label["size"])
        if held_out(label["file"]) or small and "suspected" not in label:
            continue
        boxes = [hand["box"] for hand in hands]
        pictures.append(LabelledPicture.of(
            folder / label["file"], boxes, [np.nan if hand["angle"] is None else hand["angle"] for hand in hands],
            [hand["side"] == "right" if hand["sure_side"] else np.nan for hand in hands],
            [box for box in label["doubtful"] if any(_covered(box, hand) > 0.1 for hand in boxes)]
            + label.get("suspected", []),
            [hand.get("kind") == GLOVED for hand in hands]))
    return pictures


def read_things(folder: Path) -> list[Path]:
    """Pictures of `train.fetch_things`, transparent around what they show."""
    return sorted(folder.glob("*.png"))


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
