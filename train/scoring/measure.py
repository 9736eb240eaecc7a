"""Lets the estimator and other systems answer test cases, and scores each answer (CONVENTIONS' errors).

Of what a method says of a photo, the hand that is nearest to the goal counts if it is nearer than one box; without such
a one, the case's hand is not found and has no errors. The estimator's hands go its own way, by several methods.
"""
from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from handpose.detection.landmarks import Landmarks
from handpose.estimator import MIN_SCORE, HandEstimator
from handpose.hand import Hand
from handpose.image import Photo, load_photo
from handpose.prediction import PhotoPrediction

from .angle_errors import ABDUCTION, ANGLES, FLEXION, angle_errors
from .metrics import F_THRESHOLDS, error_2d, f_score, pa_mpjpe, palm_rotation, procrustes, root_relative, similarity
from .test_sets import Case

ALIGNED, UNALIGNED, IMAGE, IMAGE_UNALIGNED = METHODS = (
    "with landmarks", "not aligned", "image alone", "image alone, not aligned")
DETECTED = "image alone, detected"  # in crops that the detector places; the landmark model has no part in it
TEACHER, CONSTANT = "landmark model", "constant hand"
FOUND, WRONG_SIDE, PA, PA_VERTICES, ROOT_RELATIVE, ROTATION = (
    "found %", "wrong side %", "PA-MPJPE", "PA-MPVPE", "root-rel.", "rotation")
CS_TRUE, CS_GUESSED = "CS-MPJPE, true lens", "CS-MPJPE, guessed lens"
AUC, F_5, F_15, ERROR_2D, PCK, SEEN = SHARES = "AUC", "F@5", "F@15", "2D", "PCK@.05", "2.5D"
METRICS = (FOUND, WRONG_SIDE, PA, PA_VERTICES, ROOT_RELATIVE, ROTATION, CS_TRUE, CS_GUESSED, FLEXION, ABDUCTION,
           *SHARES)

Scores = dict[str, np.ndarray]  # by metric, (N,) of N cases, NaN where there is none


@dataclass(frozen=True)
class Answer:
    """What a method says of one hand; points as in `handpose.hand.Hand`."""
    side: str | None
    joints_2d: np.ndarray
    joints_3d: np.ndarray
    network_joints: np.ndarray | None = None  # (21, 2) px, where the network itself sees them
    vertices: np.ndarray | None = None
    placed: dict[str, np.ndarray] = field(default_factory=dict)  # CS_TRUE, CS_GUESSED: joints (21, 3) by that lens


System = Callable[[Case], Sequence[Answer]]  # all hands that a system reports in a case's photo


def measure(estimator: HandEstimator, cases: list[Case], others: Mapping[str, System] | None = None
            ) -> dict[str, Scores]:
    """The scores by each of METHODS, by DETECTED, by `others`, by the landmark model, and by a hand that is always the
    same."""
    others = others or {}
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in (*METHODS, DETECTED, *others, TEACHER, CONSTANT)}
    known = [case.goal_3d - case.goal_3d[0] for case in cases if case.goal_3d is not None]
    constant = Answer(None, np.full((21, 2), np.nan), np.median(known, axis=0)) if known else None
    for case in tqdm(cases, unit="photo"):
        answers_by = answers_of(estimator, case) | {name: system(case) for name, system in others.items()}
        for name, answers in answers_by.items():
            rows[name].append(score(nearest(answers, case), case))
        rows[CONSTANT].append(score(constant, case) | {FOUND: np.nan})
    return {name: {metric: np.array([hand.get(metric, np.nan) for hand in hands], float)
                   for metric in (*METRICS, *ANGLES)} for name, hands in rows.items()}


def answers_of(estimator: HandEstimator, case: Case) -> dict[str, list[Answer]]:
    """By method: all hands that the method reports in the case's photo."""
    photo = load_photo(case.photo)
    found = found_in(case, photo, estimator)
    answers: dict[str, list[Answer]] = {TEACHER: [Answer(landmarks.side, landmarks.points[:, :2], landmarks.world)
                                                  for landmarks in found if landmarks.has_depth]}
    variant = copy.copy(estimator)
    for use_landmarks, methods in ((True, (ALIGNED, UNALIGNED)), (False, (IMAGE, IMAGE_UNALIGNED))):
        prediction = estimator.predict(photo, found=found, use_landmarks=use_landmarks)
        for name, variant.alignment in zip(methods, (True, False), strict=True):
            answers[name] = placed_answers(variant, prediction, case)
    answers[DETECTED] = placed_answers(estimator, estimator.predict(photo, use_landmarks=False), case)
    return answers


def placed_answers(estimator: HandEstimator, prediction: PhotoPrediction, case: Case) -> list[Answer]:
    """The hands of a prediction before the case's camera, if the estimator may be told it, else before its guess."""
    placed = {CS_GUESSED: estimator.place(prediction, None, MIN_SCORE).hands}
    if case.camera and case.camera.is_plain:  # the networks know no others
        placed[CS_TRUE] = estimator.place(prediction, case.camera, MIN_SCORE).hands
    network_joints = [hand.joints_2d for hand in sorted(prediction.hands, key=lambda hand: -hand.score)]
    return [Answer(hand.side, hand.joints_2d, hand.joints_3d, network_joints[number], hand.vertices,
                   {name: hands[number].joints_3d for name, hands in placed.items()})
            for number, hand in enumerate(placed[CS_TRUE if case.told else CS_GUESSED])]


def found_in(case: Case, photo: Photo, estimator: HandEstimator) -> Sequence[Landmarks]:
    """The hands that were found, or are."""
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
                   ROTATION: palm_rotation(joints, goal), AUC: np.clip(1 - apart / 50, 0, 1).mean(),  # closed form
                   **angle_errors(joints, goal)}
        values |= {lens: 1000 * np.linalg.norm(placed - goal, axis=1).mean() for lens, placed in found.placed.items()}
        if case.vertices is not None and found.vertices is not None:
            values |= mesh_errors(np.asarray(found.vertices, float), case.vertices, joints, goal)
    return values


def mesh_errors(vertices: np.ndarray, goal: np.ndarray, joints: np.ndarray, goal_joints: np.ndarray
                ) -> dict[str, float]:
    """PA-MPVPE and F-scores of a mesh (V, 3); of one of another kind, aligned as its joints are, F-scores alone."""
    if vertices.shape == goal.shape:
        moved = procrustes(vertices, goal)
        values = {PA_VERTICES: 1000 * np.linalg.norm(moved - goal, axis=1).mean()}
    else:
        linear, shift = similarity(joints, goal_joints)
        moved, values = vertices @ linear + shift, {}
    return values | dict(zip((F_5, F_15), f_score(moved, goal, tuple(F_THRESHOLDS.values())), strict=True))
