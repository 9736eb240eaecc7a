"""Which of a detector's regions are hands: detector, landmark model and, where both doubt, a third witness say."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import logit

from .landmarks import (
    LEAST_PRESENCE,
    MIN_EVIDENCE,
    SURE_PRESENCE,
    LandmarkModel,
    Landmarks,
    confirmed_landmarks,
    evidence,
)
from .region import Detector, HandRegion, box_covered, box_iou, is_near, merged

SAME_HAND_IOU = 0.4  # of the joints' boxes
PART_COVERED = 0.8  # of a joints' box by another's, from which on both show one hand
SHOWN_PLACE = 0.25  # of the side, to a region around a sure hand: what is nearer shows it once more
# What detector and landmark model do not agree upon is a hand where the witness's word, of so much weight, makes up for
# it. Chosen with an eye on the 43 photos of the recall set and on photos without hands.
WITNESS_WEIGHT, MIN_WITNESSED = 0.3, 0.9
ASKED_PRESENCE = 0.3  # of the landmark model, below which the witness is not asked
LEAST_WORD, MOST_WORD = 0.003, 0.99


class Witness(Protocol):
    """A network that judges hands by an image (H, W, 3) uint8 alone."""

    def aim(self, rgb: np.ndarray, regions: Sequence[HandRegion]) -> list[HandRegion]:
        """Where and how a hand lies in regions that a detector found, of those that seem to hold one."""

    def sureness_of(self, rgb: np.ndarray, hands: Sequence[Landmarks]) -> list[float]:
        """How sure it is, 0..1, that each hand is where the landmark model sees it."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A region that may show a hand, and what the landmark model sees there."""
    hand: Landmarks
    region: HandRegion

    @property
    def evidence(self) -> float:
        return evidence(self.hand, self.region)


def find_hands(rgb: np.ndarray, detector: Detector, model: LandmarkModel, thorough: bool = True,
               witness: Witness | None = None) -> list[Landmarks]:
    """The hands in an RGB image (H, W, 3) uint8, each once, most certain first.

    `thorough=False` leaves out what the detector only finds where it is asked for small and hard hands. `witness` gives
    the landmark model another look at regions in which it is not sure of a hand, and has a say in what both doubt.
    """
    regions = detector(rgb, thorough)
    candidates, sure = _candidates(rgb, regions, model)
    if witness is not None:
        doubtful = [region for region in merged(regions) if not any(is_near(region, shown) for shown in sure)]
        candidates += [Candidate(confirmed_landmarks(rgb, region, model), region)
                       for region in (witness.aim(rgb, doubtful) if doubtful else ())]
    seen = [candidate for candidate in candidates if candidate.hand.presence >= LEAST_PRESENCE]
    return [group[0].hand for group in _by_hand(seen) if _is_hand(rgb, group, witness)]


def _candidates(rgb: np.ndarray, regions: Sequence[HandRegion], model: LandmarkModel
                ) -> tuple[list[Candidate], list[HandRegion]]:
    """What the landmark model sees in regions, but for those that show a sure hand once more; and those hands'."""
    candidates: list[Candidate] = []
    sure: list[HandRegion] = []
    for region in regions:
        if not any(is_near(region, shown, SHOWN_PLACE) for shown in sure):
            candidates.append(Candidate(confirmed_landmarks(rgb, region, model), region))
            if candidates[-1].hand.presence >= SURE_PRESENCE and candidates[-1].evidence >= MIN_EVIDENCE:
                sure.append(candidates[-1].hand.region)
    return candidates, sure


def _by_hand(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """The candidates in groups that show one hand each, the strongest evidence first."""
    left, groups = sorted(candidates, key=lambda candidate: -candidate.evidence), []
    while left:
        best = left[0].hand.box
        boxes = np.array([candidate.hand.box for candidate in left])
        covering = np.array([box_covered(box, best[None])[0] for box in boxes])
        same = (box_iou(best, boxes) >= SAME_HAND_IOU) | (covering >= PART_COVERED) | (
            box_covered(best, boxes) >= PART_COVERED)
        same[0] = True
        groups.append([candidate for candidate, one in zip(left, same, strict=True) if one])
        left = [candidate for candidate, one in zip(left, same, strict=True) if not one]
    return groups


def _is_hand(rgb: np.ndarray, group: Sequence[Candidate], witness: Witness | None) -> bool:
    """Whether a group shows a hand: by its strongest evidence, or with the witness's best word on any of it."""
    most = group[0].evidence
    if most >= MIN_EVIDENCE or witness is None:
        return most >= MIN_EVIDENCE
    asked = [candidate.hand for candidate in group if candidate.hand.presence >= ASKED_PRESENCE]
    if not asked or most + WITNESS_WEIGHT * logit(MOST_WORD) < MIN_WITNESSED:
        return False
    word = np.clip(max(witness.sureness_of(rgb, asked)), LEAST_WORD, MOST_WORD)
    return bool(most + WITNESS_WEIGHT * logit(word) >= MIN_WITNESSED)
