"""How well the mesh's silhouette fits photos: `python -m benchmarks.silhouettes PHOTOS --sets digits barehand`

PHOTOS is a folder of photo sets as training takes it (train/README.md); `digits` shows palms before a white wall,
`barehand`, which training holds out, palms and backs before anything. The photo's silhouette is GrabCut's (Rother et
al., 2004), begun from MediaPipe's points. What lies beyond the wrist counts nowhere, so that nothing is said of where
the mesh ends there.

Printed for each set: intersection over union in the median over all hands; and of those with at least --least of it, as
GrabCut else seldom found the hand, by region of the mesh how far, in mm at the hand's distance, the photo's silhouette
lies outside the mesh's: the median with its sign, and the mean without.
"""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from handpose import HandEstimator, load_photo
from handpose.camera import Camera
from handpose.detection.region import HandBox
from handpose.drawing.rasterizer import rasterize
from handpose.hand import Hand
from handpose.hand_model.model import DISTAL_MANO_JOINTS, HandModel
from handpose.hand_model.skeleton import BONES, PALM_JOINTS
from train.scoring.test_sets import Case, photo_sets

ENLARGED = 2  # pixels of the silhouettes for one of the photo
SURE, LIKELY, POSSIBLE = 0.045, 0.06, 0.42  # of the hand's box: breadth of the skin about the points' bones
ROUNDS = 5  # of GrabCut
EDGE = 1.5  # px, enlarged: vertices no deeper inside the mesh's silhouette are its edge
FARTHEST = 9.0  # mm; what is farther off is another finger's edge


class Fit(NamedTuple):
    """One hand's: `overlap` intersection over union; vertices at the silhouette's edge and how many mm it is off."""
    overlap: float
    vertices: np.ndarray
    off: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, metavar="PHOTOS")
    parser.add_argument("--sets", nargs="+", default=["digits", "barehand"], metavar="SET")
    parser.add_argument("--limit", type=int, default=60, help="open hands of each set (default: %(default)s)")
    parser.add_argument("--least", type=float, default=0.8, help="overlap of hands that count in mm (default: "
                        "%(default)s)")
    parser.add_argument("--hand", type=Path, metavar="NPZ", help="another hand of the same joints, to compare")
    args = parser.parse_args()
    estimator = HandEstimator.load()
    model = HandModel.load(args.hand) if args.hand else estimator.hand_models["right"]
    estimator.hand_models = {"right": model, "left": model.left()}
    regions = regions_of(model)
    for name in args.sets:
        cases = [case for case in photo_sets(args.photos, [name]) if is_open(case.goal_2d)]
        chosen = np.linspace(0, len(cases) - 1, min(args.limit, len(cases))).astype(int)
        fits = [fit_of(estimator, cases[number]) for number in chosen]
        overlap = np.median([fit.overlap for fit in fits])
        fits = [fit for fit in fits if fit.overlap >= args.least]
        vertices, off = (np.concatenate([getattr(fit, key) for fit in fits]) for key in ("vertices", "off"))
        of_regions = {region: off[inside[vertices]] for region, inside in regions.items()}
        print(f"{name}: overlap {overlap:.3f}; mm, {len(fits)} of {len(chosen)} hands: " + ", ".join(
            f"{region} {np.median(here):+.1f} {abs(here).mean():.1f}" for region, here in of_regions.items()
            if len(here)))


def is_open(points: np.ndarray) -> bool:
    """Whether all four fingers are stretched, of points (21, 2)."""
    away = np.linalg.norm(points - points[0], axis=1)
    return all(away[tip] > 1.25 * away[tip - 2] for tip in (8, 12, 16, 20))


def regions_of(model: HandModel) -> dict[str, np.ndarray]:
    """Which vertices (V,) belong to which region, by where they are at rest (metres) and what they follow most."""
    x, _, z = model.v_template.T
    bone, joints = model.weights.argmax(1), model.J_regressor @ model.v_template
    tip = np.zeros(len(x), bool)
    for vertex, joint in zip(model.tip_vertices, DISTAL_MANO_JOINTS, strict=True):
        axis = model.v_template[vertex] - joints[joint]
        tip |= (bone == joint) & ((model.v_template - joints[joint]) @ axis > 0.8 * axis @ axis)
    heel = (bone == 0) & (z < -0.02) & (x < -0.02)
    web = np.isin(bone, (0, 1)) & (z > 0.015) & (x < -0.06) & (x > -0.105)
    thumb = (bone >= 13) & ~tip
    return {"tips": tip, "heel": heel, "web": web, "thumb": thumb, "fingers": (bone > 0) & (bone < 13) & ~tip & ~web}


def fit_of(estimator: HandEstimator, case: Case) -> Fit:
    photo, points = load_photo(case.photo), case.goal_2d
    box = HandBox(*points.min(0).tolist(), *points.max(0).tolist(), case.side)
    result = estimator(photo, boxes=[box])
    size = photo.rgb.shape[1] * ENLARGED, photo.rgb.shape[0] * ENLARGED
    seen = cv2.resize(skin_of(photo.rgb, points).astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
    return compare(result.hands[0], result.camera, seen, ahead_of_wrist(enlarged(points), size[::-1]))


def compare(hand: Hand, camera: Camera, seen: np.ndarray, counts: np.ndarray) -> Fit:
    """A hand and a photo's silhouette (H, W), enlarged, where `counts` (H, W)."""
    pixels = enlarged(camera.project(hand.vertices))
    drawn = rasterize(np.column_stack([pixels, hand.vertices[:, 2]]), hand.faces, *seen.shape[::-1]).face >= 0
    last = np.array(seen.shape)[:, None] - 1
    place = pixels.round().astype(int).T[::-1]
    row, column = place.clip(0, last)
    shown = ((place >= 0) & (place <= last)).all(0)
    edge = np.flatnonzero((depth_inside(drawn)[row, column] <= EDGE) & counts[row, column] & shown)
    off = depth_inside(seen)[row[edge], column[edge]] * 1000 * hand.joints_3d[:, 2].mean() / camera.fx / ENLARGED
    near = abs(off) < FARTHEST
    return Fit((drawn & seen & counts).sum() / ((drawn | seen) & counts).sum(), edge[near], off[near])


def skin_of(rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which pixels (H, W) of an image (H, W, 3) show the hand that the landmark model sees at points (21, 2)."""
    box = np.ptp(points, axis=0).max()
    corners = [tuple(point) for point in points.round().astype(int).tolist()]
    sure = np.zeros(rgb.shape[:2], np.uint8)
    for start, end in BONES:
        cv2.line(sure, corners[start], corners[end], 1, max(2, int(SURE * box)))
    cv2.fillConvexPoly(sure, np.array([corners[joint] for joint in PALM_JOINTS]), 1)
    known = np.full(sure.shape, cv2.GC_BGD, np.uint8)
    known[(grown(sure, POSSIBLE * box) > 0) | ~ahead_of_wrist(points, sure.shape)] = cv2.GC_PR_BGD
    known[grown(sure, LIKELY * box) > 0] = cv2.GC_PR_FGD
    known[sure > 0] = cv2.GC_FGD
    cv2.grabCut(cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab), known, None, np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS,
                cv2.GC_INIT_WITH_MASK)
    _, part = cv2.connectedComponents(np.isin(known, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8))
    return part == np.bincount(part[sure > 0]).argmax()


def grown(area: np.ndarray, breadth: float) -> np.ndarray:
    return cv2.dilate(area, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (int(breadth) | 1,) * 2))


def ahead_of_wrist(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Which pixels of an image of this shape lie on the fingers' side of the wrist, of points (21, 2)."""
    v, u = np.mgrid[:shape[0], :shape[1]]
    return (np.stack([u, v], -1) - points[0]) @ (points[9] - points[0]) > 0


def depth_inside(area: np.ndarray) -> np.ndarray:
    """Pixels (H, W) from an area's edge, positive inside it and negative outside."""
    inside, outside = (cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, 5) for part in (area, ~area))
    return np.where(area, inside - 0.5, 0.5 - outside)


def enlarged(pixels: np.ndarray) -> np.ndarray:
    """Where pixels of the photo lie among those of the silhouettes; centres at integers in both."""
    return (pixels + 0.5) * ENLARGED - 0.5


if __name__ == "__main__":
    main()
