"""Where the hands are: MediaPipe's palm detector, and the oriented square around each hand that it finds.

The network and its post-processing are those of Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking",
2020; the model file and its licence are in assets/mediapipe. Only the interpreter is used, not the mediapipe package.
"""
from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from ..camera import Crop
from ..shipped import shipped

ASSETS = shipped("assets") / "mediapipe"

INPUT_SIZE = 192  # px, side of the palm detector's input
STRIDES = (8, 16, 16, 16)  # px of the input between anchors, for each of the four output layers
ANCHORS_PER_CELL = 2  # and layer: each layer has a box for its own scale and one between two scales
WRIST, MIDDLE_MCP = 0, 2  # among the detector's seven keypoints
MIN_SCORE = 0.5  # below it a box takes no part at all; MediaPipe's own default
MAX_IOU = 0.3  # boxes that overlap more are the same palm; MediaPipe's own default
# The thorough search, chosen by measurement: the two frames recover half of the hands that a first look misses in tight
# crops (turned views recover none besides), the two sizes of tiles 70-100 % of hands of 4-20 % of the photo's side.
PADDINGS = (1.5, 3.0)  # frames around the photo; hands that fill it are found when they are shown smaller
TILE_SHARES = (0.4, 0.25)  # tiles' sides over the photo's longer side, for hands that are small in it
MIN_TILE = 192  # px; a smaller tile would be blown up and show nothing new
SAME_HAND = 0.2  # regions whose centres are closer than this share of their side show the same hand
MAX_REGIONS = 32  # of the search, lest a picture full of palm-like things takes minutes
# From palm box to hand: times its size, moved by this share of its height towards up. Chosen on training photos so that
# the region is in the median the one that the hand's landmarks then give; MediaPipe's own, 2.6 and 0.5, is a fifteenth
# of its side smaller and as much too high.
HAND_SCALE, HAND_SHIFT = 2.8, 0.33


class TfliteModel:
    """A TensorFlow Lite network with one image in. Its interpreter serves one thread at a time, hence the lock."""

    def __init__(self, path: str | Path, threads: int = 2):
        from ai_edge_litert.interpreter import Interpreter
        if not Path(path).is_file():
            raise FileNotFoundError(f"There is no model file {path}: restore it with git or pass another path.")
        self._interpreter = Interpreter(str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = {output["name"]: output["index"] for output in self._interpreter.get_output_details()}
        self._lock = threading.Lock()

    def __call__(self, rgb: np.ndarray) -> dict[str, np.ndarray]:
        """All outputs by name, each without its batch axis, for an image (S, S, 3) uint8."""
        with self._lock:
            self._interpreter.set_tensor(self._input, rgb[None].astype(np.float32) / 255)
            self._interpreter.invoke()
            return {name: self._interpreter.get_tensor(index)[0] for name, index in self._outputs.items()}


@dataclass(frozen=True)
class HandRegion:
    """A square that holds one hand: `center` (2,) and `side` in image pixels.

    `angle` (radians): direction of the hand's up (wrist to middle knuckle) turned clockwise from the image's up.
    `score`: 0..1, how sure the detector is.
    """
    center: np.ndarray
    side: float
    angle: float
    score: float = 1.0

    def crop(self, size: int, mirrored: bool = False) -> Crop:
        """The region as a crop of `size` pixels, the hand upright in it."""
        return Crop.around(self.center, self.side, self.angle, size, mirrored)


class Detector(Protocol):
    """Anything that says where the hands in an image are."""

    def __call__(self, rgb: np.ndarray, thorough: bool = False) -> list[HandRegion]:
        """Regions of the hands in an RGB image (H, W, 3) uint8, most certain first.

        `thorough` asks for a harder search, at the price of time and of regions without a hand, after a first call
        has shown no hand.
        """


class PalmDetector:
    """Palms found by MediaPipe's single-shot detector, widened to whole hands."""

    def __init__(self, model: TfliteModel):
        self._model = model
        self._anchors = anchor_centers()

    @classmethod
    def load(cls, path: str | Path = ASSETS / "hand_detector.tflite", threads: int = 2) -> PalmDetector:
        return cls(TfliteModel(path, threads))

    def __call__(self, rgb: np.ndarray, thorough: bool = False) -> list[HandRegion]:
        if not thorough:
            return self.look(rgb)
        regions = [region for padding in PADDINGS for region in self.look(rgb, padding)]
        height, width = rgb.shape[:2]
        for share in TILE_SHARES:
            tile = round(share * max(width, height))
            for top in tile_starts(height, tile):
                for left in tile_starts(width, tile):
                    for region in self.look(rgb[top:top + tile, left:left + tile]):
                        regions.append(replace(region, center=region.center + [left, top]))
        return distinct(regions)[:MAX_REGIONS]

    def look(self, rgb: np.ndarray, padding: float = 1.0) -> list[HandRegion]:
        """Hands seen in one glance at the whole image, in a black frame `padding` times its longer side."""
        height, width = rgb.shape[:2]
        view = Crop.around(((width - 1) / 2, (height - 1) / 2), padding * max(width, height), 0.0, INPUT_SIZE)
        output = self._model(view.warp(rgb))
        points, scores = decode(output["Identity"], output["Identity_1"][:, 0], self._anchors)
        points, scores = weighted_nms(points, scores)
        return [hand_region(palm, float(score), view) for palm, score in zip(points, scores, strict=True)]


def anchor_centers() -> np.ndarray:
    """Centres (2016, 2) of the anchor boxes in input pixels, in the order of the network's outputs."""
    layers = []
    for stride in dict.fromkeys(STRIDES):  # equal strides share a grid, their boxes lie side by side
        cells = np.arange(INPUT_SIZE // stride) * stride + stride / 2
        grid = np.stack(np.meshgrid(cells, cells), -1).reshape(-1, 2)
        layers.append(np.repeat(grid, ANCHORS_PER_CELL * STRIDES.count(stride), axis=0))
    return np.concatenate(layers)


def decode(boxes: np.ndarray, logits: np.ndarray, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Palms that score at least MIN_SCORE.

    `boxes` (N, 18): box centre, box size and seven keypoints, offsets in input pixels from `anchors` (N, 2).
    Returns points (K, 9, 2), the box's two corners and the keypoints in input pixels, and scores (K,).
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(float), -100, 100)))
    kept = scores >= MIN_SCORE
    values = boxes[kept].astype(float).reshape(-1, 9, 2)
    center, half, keypoints = values[:, :1], values[:, 1:2] / 2, values[:, 2:]
    points = np.concatenate([center - half, center + half, keypoints], axis=1) + anchors[kept][:, None]
    return points, scores[kept]


def weighted_nms(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One palm for each group of overlapping ones: their mean weighted by score, with the best one's score.

    `points` (K, 9, 2), the first two being the box's corners; `scores` (K,). Best first.
    """
    order = np.argsort(-scores, kind="stable")
    points, scores = points[order], scores[order]
    merged, best = [], []
    while len(points):
        same = box_iou(points[0, :2], points[:, :2]) > MAX_IOU
        same[0] = True  # a box without area overlaps nothing, not even itself
        merged.append(np.average(points[same], axis=0, weights=scores[same]))
        best.append(scores[0])
        points, scores = points[~same], scores[~same]
    return np.array(merged).reshape(-1, *points.shape[1:]), np.array(best)


def box_iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union (K,) of a box (2, 2), its two corners, with boxes (K, 2, 2)."""
    overlap = np.minimum(box[1], boxes[:, 1]) - np.maximum(box[0], boxes[:, 0])
    intersection = np.clip(overlap, 0, None).prod(-1)
    union = np.prod(box[1] - box[0]) + np.prod(boxes[:, 1] - boxes[:, 0], axis=-1) - intersection
    return intersection / np.maximum(union, 1e-9)


def hand_region(palm: np.ndarray, score: float, view: Crop) -> HandRegion:
    """The square around a whole hand, in image pixels, from its palm (9, 2) in pixels of a view of the image."""
    size = (palm[1] - palm[0]) / view.scale
    # The network counts from the edge of the first pixel, a crop from its centre.
    center, wrist, middle = view.to_image(np.stack([palm[:2].mean(0), palm[2 + WRIST], palm[2 + MIDDLE_MCP]]) - 0.5)
    up = middle - wrist
    angle = float(np.arctan2(up[0], -up[1]))
    shift = HAND_SHIFT * size[1] * np.array([np.sin(angle), -np.cos(angle)])
    return HandRegion(center + shift, float(HAND_SCALE * size.max()), angle, score)


def distinct(regions: list[HandRegion]) -> list[HandRegion]:
    """The regions, best first, each hand once."""
    kept: list[HandRegion] = []
    for region in sorted(regions, key=lambda region: -region.score):
        if all(np.linalg.norm(region.center - other.center) > SAME_HAND * max(region.side, other.side)
               for other in kept):
            kept.append(region)
    return kept


def tile_starts(length: int, tile: int) -> list[int]:
    """Where tiles begin that cover `length` pixels and overlap by a third or more."""
    if tile < MIN_TILE:
        return []
    count = 1 + max(0, int(np.ceil((length - tile) / (tile * 2 / 3))))
    return [round(start) for start in np.linspace(0, max(0, length - tile), count)]
