"""Where the hands are: MediaPipe's palm detector, and the oriented square around each hand that it finds.

The network and its post-processing are those of Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking",
2020; the model file and its licence are in assets/mediapipe.
"""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..crop import Crop, halved
from .region import HandRegion, box_iou, distinct
from .tflite import MEDIAPIPE, TfliteModel

INPUT_SIZE = 192  # px, side of the palm detector's input
STRIDES = (8, 16, 16, 16)  # px of the input between anchors, for each of the four output layers
ANCHORS_PER_CELL = 2  # and layer: each layer has a box for its own scale and one between two scales
WRIST, MIDDLE_MCP = 0, 2  # among the detector's seven keypoints
MIN_SCORE = 0.5  # below it a box takes no part at all; MediaPipe's own default
MAX_IOU = 0.3  # boxes that overlap more are the same palm; MediaPipe's own default
# The thorough search, chosen by measurement: the two frames recover half of the hands that a first pass misses in tight
# crops (turned views recover none besides), the two sizes of tiles 70-100 % of hands of 4-20 % of the photo's side.
PADDINGS = (1.5, 3.0)  # frames around the photo; hands that fill it are found when they are shown smaller
TILE_SHARES = (0.4, 0.25)  # tiles' sides over the photo's longer side, for hands that are small in it
MIN_TILE = 192  # px; a smaller tile would be blown up and show nothing new
LARGEST_SEARCHED = 4096  # px, longer side; of larger photos each look would shrink as many pixels again
MAX_REGIONS = 32  # of the search, lest a picture full of palm-like things takes minutes
# From palm box to hand: times its size, moved by this share of its height towards up. Chosen on training photos so that
# the region is in the median the one that the hand's landmarks then give; MediaPipe's own, 2.6 and 0.5, is a fifteenth
# of its side smaller and as much too high.
HAND_SCALE, HAND_SHIFT = 2.8, 0.33


class PalmDetector:
    """Palms found by MediaPipe's single-shot detector, widened to whole hands."""

    def __init__(self, model: TfliteModel, min_score: float = MIN_SCORE):
        self._model, self._min_score = model, min_score
        self._anchors = anchor_centers()

    @classmethod
    def load(cls, path: str | Path = MEDIAPIPE / "hand_detector.tflite", threads: int = 2,
             min_score: float = MIN_SCORE) -> PalmDetector:
        return cls(TfliteModel(path, threads), min_score)

    def __call__(self, rgb: np.ndarray, thorough: bool = False, several: bool = False) -> list[HandRegion]:
        """See `region.Detector`; it knows one region a hand."""
        small, divisor = halved(rgb, LARGEST_SEARCHED)
        return [replace(region, center=(region.center + 0.5) * divisor - 0.5, side=region.side * divisor)
                for region in self._search(small, thorough)]

    def _search(self, rgb: np.ndarray, thorough: bool) -> list[HandRegion]:
        if not thorough:
            return self.detect(rgb)
        regions = [region for padding in (1.0, *PADDINGS) for region in self.detect(rgb, padding)]
        height, width = rgb.shape[:2]
        for share in TILE_SHARES:
            tile = round(share * max(width, height))
            for top in tile_starts(height, tile):
                for left in tile_starts(width, tile):
                    for region in self.detect(rgb[top:top + tile, left:left + tile]):
                        regions.append(replace(region, center=region.center + [left, top]))
        return distinct(regions)[:MAX_REGIONS]

    def detect(self, rgb: np.ndarray, padding: float = 1.0) -> list[HandRegion]:
        """Hands in one pass over the whole image, in a black frame `padding` times its longer side."""
        height, width = rgb.shape[:2]
        view = Crop.around(((width - 1) / 2, (height - 1) / 2), padding * max(width, height), 0.0, INPUT_SIZE)
        output = self._model(view.warp(rgb))
        points, scores = decode(output["Identity"], output["Identity_1"][:, 0], self._anchors, self._min_score)
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


def decode(boxes: np.ndarray, logits: np.ndarray, anchors: np.ndarray,
           min_score: float = MIN_SCORE) -> tuple[np.ndarray, np.ndarray]:
    """Palms that score at least `min_score`.

    `boxes` (N, 18): box centre, box size and seven keypoints, offsets in input pixels from `anchors` (N, 2).
    Returns points (K, 9, 2), the box's two corners and the keypoints in input pixels, and scores (K,).
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(float), -100, 100)))
    kept = scores >= min_score
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


def hand_region(palm: np.ndarray, score: float, view: Crop) -> HandRegion:
    """The square around a whole hand, in image pixels, from its palm (9, 2) in pixels of a view of the image."""
    size = (palm[1] - palm[0]) / view.scale
    # The network counts from the edge of the first pixel, a crop from its centre.
    center, wrist, middle = view.to_image(np.stack([palm[:2].mean(0), palm[2 + WRIST], palm[2 + MIDDLE_MCP]]) - 0.5)
    up = middle - wrist
    angle = float(np.arctan2(up[0], -up[1]))
    shift = HAND_SHIFT * size[1] * np.array([np.sin(angle), -np.cos(angle)])
    return HandRegion(center + shift, float(HAND_SCALE * size.max()), angle, score)


def tile_starts(length: int, tile: int) -> list[int]:
    """Where tiles begin that cover `length` pixels and overlap by a third or more."""
    if tile < MIN_TILE:
        return []
    count = 1 + max(0, int(np.ceil((length - tile) / (tile * 2 / 3))))
    return [round(start) for start in np.linspace(0, max(0, length - tile), count)]
