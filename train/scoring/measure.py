"""Lets the estimator answer test cases, by several methods at once, and scores each answer (CONVENTIONS' errors).

Every hand goes the estimator's own way. Of what a method says of a photo, the hand that is nearest to the goal counts
if it is nearer than one box; without such a one, the case's hand is not found and has no errors.
"""
from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from handpose.detection.landmarks import Landmarks
from handpose.estimator import MIN_SCORE, HandEstimator
from handpose.hand import Hand
from handpose.image import Photo, load_photo

from .metrics import error_2d, f_score, pa_mpjpe, palm_rotation, procrustes, root_relative
from .test_sets import Case

ALIGNED, UNALIGNED, IMAGE, IMAGE_UNALIGNED = METHODS = (
    "with landmarks", "not aligned", "image alone", "image alone, not aligned")
TEACHER, CONSTANT = "landmark model", "constant hand"
FOUND, WRONG_SIDE, PA, PA_VERTICES, ROOT_RELATIVE, ROTATION, CAMERA_SPACE = (
    "found %", "wrong side %", "PA-MPJPE", "PA-MPVPE", "root-rel.", "rotation", "camera")
AUC, F_5, F_15, ERROR_2D, PCK, SEEN = SHARES = "AUC", "F@5", "F@15", "2D", "PCK@.05", "2.5D"
METRICS = (FOUND, WRONG_SIDE, PA, PA_VERTICES, ROOT_RELATIVE, ROTATION, CAMERA_SPACE, *SHARES)

Scores = dict[str, np.ndarray]  # by metric, (N,) of N cases, NaN where there is none


@dataclass(frozen=True)
class Answer:
    """What a method says of one hand; points as in `handpose.hand.Hand`."""
    side: str | None
    joints_2d: np.ndarray
    joints_3d: np.ndarray
    network_joints: np.ndarray | None = None  # (21, 2) px, where the network itself sees them
    vertices: np.ndarray | None = None


def measure(estimator: HandEstimator, cases: list[Case]) -> dict[str, Scores]:
    """The scores by each of METHODS, by the landmark model, and by a hand that is always the same."""
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in (*METHODS, TEACHER, CONSTANT)}
    known = [case.goal_3d - case.goal_3d[0] for case in cases if case.goal_3d is not None]
    constant = Answer(None, np.full((21, 2), np.nan), np.median(known, axis=0)) if known else None
    for case in tqdm(cases, unit="photo"):
        for name, answers in answers_of(estimator, case).items():
            rows[name].append(score(nearest(answers, case), case))
        rows[CONSTANT].append(score(constant, case) | {FOUND: np.nan})
    return {name: {metric: np.array([hand.get(metric, np.nan) for hand in hands], float) for metric in METRICS}
            for name, hands in rows.items()}


def answers_of(estimator: HandEstimator, case: Case) -> dict[str, list[Answer]]:
    """By method: all hands that the method reports in the case's photo."""
    photo = load_photo(case.photo)
    found = found_in(case, photo, estimator)
    answers: dict[str, list[Answer]] = {TEACHER: [Answer(landmarks.side, landmarks.points[:, :2], landmarks.world)
                                                  for landmarks in found]}
    variant = copy.copy(estimator)
    for use_landmarks, methods in ((True, (ALIGNED, UNALIGNED)), (False, (IMAGE, IMAGE_UNALIGNED))):
        prediction = estimator.predict(photo, found=found, use_landmarks=use_landmarks)
        network_joints = [hand.joints_2d for hand in sorted(prediction.hands, key=lambda hand: -hand.score)]
        for name, variant.alignment in zip(methods, (True, False), strict=True):
            hands = variant.place(prediction, case.camera, MIN_SCORE).hands
            answers[name] = [Answer(hand.side, hand.joints_2d, hand.joints_3d, joints, hand.vertices)
                             for hand, joints in zip(hands, network_joints, strict=False)]
    return answers


def found_in(case: Case, photo: Photo, estimator: HandEstimator) -> Sequence[Landmarks]:
    """The hands that the landmark model found, or finds."""
    return estimator.find(photo.rgb) if case.found is None else case.found


def nearest(answers: Sequence[Answer | Hand], case: Case) -> Answer | Hand | None:
    """That whose joints' middle is nearest to the goal's, if it is nearer than the larger side of the goal's box."""
    def apart(hand: Answer | Hand) -> float:
        return float(np.linalg.norm((hand.joints_2d - case.goal_2d).mean(0)))

    best = min(answers, key=apart, default=None)
    return best if best is not None and apart(best) < np.ptp(case.goal_2d, axis=0).max() else None


def score(found: Answer | None, case: Case) -> dict[str, float]:
    """The metrics of one hand, as far as the case tells enough."""
    if found is None:
        return {FOUND: 0.0}
    values = {FOUND: 100.0, ERROR_2D: error_2d(found.joints_2d, case.goal_2d)}
    if np.isfinite(values[ERROR_2D]):
        box = np.ptp(case.goal_2d, axis=0).max()
        values[PCK] = (np.linalg.norm(found.joints_2d - case.goal_2d, axis=1) < 0.05 * box).mean()
    if found.network_joints is not None:
        values[SEEN] = error_2d(found.network_joints, case.goal_2d)
    if case.side and found.side:
        values[WRONG_SIDE] = 100.0 * (found.side != case.side)
    if case.goal_3d is not None:
        joints, goal = np.asarray(found.joints_3d, float), case.goal_3d
        apart = 1000 * np.linalg.norm(procrustes(joints, goal) - goal, axis=1)
        values |= {PA: pa_mpjpe(joints, goal), ROOT_RELATIVE: root_relative(joints, goal),
                   ROTATION: palm_rotation(joints, goal), AUC: np.clip(1 - apart / 50, 0, 1).mean()}  # closed form
        if case.camera and found.network_joints is not None:  # placed by a camera, and by the true one
            values[CAMERA_SPACE] = 1000 * np.linalg.norm(joints - goal, axis=1).mean()
    if case.vertices is not None and found.vertices is not None and case.vertices.shape == found.vertices.shape:
        vertices = np.asarray(found.vertices, float)
        values[PA_VERTICES] = pa_mpjpe(vertices, case.vertices)
        values[F_5], values[F_15] = f_score(procrustes(vertices, case.vertices), case.vertices, (0.005, 0.015))
    return values
