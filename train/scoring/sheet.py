"""A picture of hits and misses: the best, the median and the worst hands of a test set, and some that were not found.

Each hand is shown in its photo, with the mesh over it, and from its left, where the true joints, if they are known,
are drawn as a skeleton of the same size, wrist on wrist.
"""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from handpose.camera import Camera
from handpose.crop import Crop
from handpose.drawing.overlay import draw_overlay
from handpose.estimator import HandEstimator
from handpose.hand import Hand
from handpose.hand_model.skeleton import BONES
from handpose.image import load_photo
from handpose.whole_file import whole_file

from .measure import ERROR_2D, FOUND, PA, ROOT_RELATIVE, Scores, nearest
from .test_sets import Case

PANEL = 200  # px, side of one picture
GAP, BORDER, LABEL, HEADING = 3, 14, 30, 44  # px
ACROSS, DOWN = 2, 2  # hands in a section
MARGIN = 1.8  # a photo's side over that of the hand's box
PAPER, INK, FAINT, BACKDROP = (255, 255, 255), (32, 33, 44), (110, 114, 126), (236, 238, 243)  # RGB


def draw_sheet(estimator: HandEstimator, cases: list[Case], scores: Scores, path: Path) -> None:
    """Writes the sheet, JPEG or PNG by the path's suffix; `scores` are those of the estimator as it is."""
    errors = scores[PA] if np.isfinite(scores[PA]).any() else scores[ERROR_2D]
    width = ACROSS * (3 * PANEL + 2 * GAP + BORDER) + BORDER
    sections = [_section(heading, [_hand_tile(estimator, cases[k], _label(scores, k)) for k in chosen], width)
                for heading, chosen in pick(errors, ACROSS * DOWN).items()]
    missed = np.flatnonzero(scores[FOUND] == 0)
    if len(missed):
        side = (width - BORDER) // (3 * ACROSS) - BORDER
        sections.append(_section(f"Not found ({len(missed)} of {len(cases)})",
                                 [_photo(cases[k], side)[0] for k in _spread(missed, 3 * ACROSS)], width))
    sheet = Image.new("RGB", (width, sum(section.height for section in sections) + BORDER), PAPER)
    top = 0
    for section in sections:
        sheet.paste(section, (0, top))
        top += section.height
    with whole_file(path) as temporary:
        sheet.save(temporary, Image.registered_extensions()[path.suffix.lower()], quality=88)


def pick(errors: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Indices of `count` of errors (N,) from each of the best, the middle and the worst tenth, from small to large.

    Neighbours among test images are often alike: so they are spread over the tenth, its ends included, which are the
    best and the worst hand of all. NaNs are passed over.
    """
    order = np.argsort(errors)[:np.isfinite(errors).sum()]
    tenth = max(len(order) // 10, min(count, len(order)))
    rest = len(order) - tenth
    return {"The best tenth": _spread(order[:tenth], count),
            "Around the median": _spread(order[rest // 2:rest // 2 + tenth], count),
            "The worst tenth": _spread(order[rest:], count)}


def _spread(indices: np.ndarray, count: int) -> np.ndarray:
    """`count` of them at most, evenly, the first and the last included."""
    return indices[np.linspace(0, len(indices) - 1, min(len(indices), count)).round().astype(int)]


def _label(scores: Scores, row: int) -> str:
    errors = [f"{PA} {scores[PA][row]:.1f} mm", f"{ROOT_RELATIVE} {scores[ROOT_RELATIVE][row]:.1f} mm"]
    return "   ".join([*(errors if np.isfinite(scores[PA][row]) else ()), f"2D {scores[ERROR_2D][row]:.3f} of the box"])


def _section(heading: str, tiles: list[Image.Image], width: int) -> Image.Image:
    """The tiles in rows, under a heading."""
    across = (width - BORDER) // (tiles[0].width + BORDER) if tiles else 1
    rows = -(-len(tiles) // across)
    image = Image.new("RGB", (width, HEADING + rows * (tiles[0].height + GAP) if tiles else HEADING), PAPER)
    ImageDraw.Draw(image).text((BORDER, HEADING - 10), heading, INK, ImageFont.load_default(22), anchor="ls")
    for n, tile in enumerate(tiles):
        image.paste(tile, (BORDER + n % across * (tile.width + BORDER), HEADING + n // across * (tile.height + GAP)))
    return image


def _hand_tile(estimator: HandEstimator, case: Case, label: str) -> Image.Image:
    """Photo, overlay and side view, with a line of text below."""
    photo = load_photo(case.photo)
    prediction = estimator.predict(photo, found=case.found)
    result = estimator.place(prediction, case.camera if case.told else None, min_score=0.0)
    hand, camera = nearest(result.hands, case), result.camera
    picture, crop = _photo(case, PANEL)
    scale, (left, top) = crop.scale, crop.matrix[:, 2]
    view = Camera(camera.fx * scale, camera.fy * scale, camera.cx * scale + left, camera.cy * scale + top)
    overlay = Image.fromarray(draw_overlay(np.asarray(picture), view, [hand]))
    tile = Image.new("RGB", (3 * PANEL + 2 * GAP, PANEL + LABEL), PAPER)
    for n, panel in enumerate((picture, overlay, _from_the_left(hand, case.goal_3d))):
        tile.paste(panel, (n * (PANEL + GAP), 0))
    ImageDraw.Draw(tile).text((0, PANEL + 4), label, FAINT, ImageFont.load_default(14))
    return tile


def _photo(case: Case, size: int) -> tuple[Image.Image, Crop]:
    """The photo around the hand, (size, size), as little as possible of it beyond the photo's border."""
    rgb = load_photo(case.photo).rgb
    low, high = case.goal_2d.min(0), case.goal_2d.max(0)
    extent, box = np.array(rgb.shape[1::-1]), (high - low).max()
    side = min(MARGIN * box, max(extent.min(), box))
    half = np.minimum(side, extent) / 2
    center = np.clip((low + high) / 2, half - 0.5, extent - half - 0.5)
    crop = Crop.around(center, side, 0.0, size)
    return Image.fromarray(crop.warp(rgb)), crop


def _from_the_left(hand: Hand, goal: np.ndarray | None) -> Image.Image:
    """The hand as seen by somebody who stands on the photographer's left, far away; the camera is on the right."""
    points = hand.vertices
    if goal is not None:
        goal = (goal - goal[0]) * (_size(hand.joints_3d) / _size(goal)) + hand.joints_3d[0]
        points = np.concatenate([points, goal])
    middle = (points.min(0) + points.max(0)) / 2
    radius = float(np.linalg.norm(points - middle, axis=1).max())
    distance = 10 * radius
    view = Camera.from_focal(0.46 * PANEL * distance / radius, PANEL, PANEL)

    def turned(points: np.ndarray) -> np.ndarray:
        return (points - middle)[:, [2, 1, 0]] * [-1, 1, 1] + [0, 0, distance]

    seen = replace(hand, vertices=turned(hand.vertices))
    image = draw_overlay(np.full((PANEL, PANEL, 3), BACKDROP, np.uint8), view, [seen], opacity=1.0)
    if goal is not None:
        true = replace(hand, joints_3d=turned(goal), joints_2d=view.project(turned(goal)))
        image = draw_overlay(image, view, [true], mesh=False, skeleton=True)
    return Image.fromarray(image)


def _size(joints: np.ndarray) -> float:
    """Summed length of the bones, metres."""
    start, end = np.array(BONES).T
    return float(np.linalg.norm(joints[end] - joints[start], axis=1).sum())
