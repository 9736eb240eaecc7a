"""Which of a detector's regions are hands: detector and landmark model say, and a third witness where they doubt or
the landmark model denies."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

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
SHOWN_PLACE = 0.2  # of the side, to a region around a sure hand: what is nearer shows it once more
AIMED_SCORE = 0.25  # of a region, below which the witness's aim is not worth its time
# Less evidence of detector and landmark model than `MIN_EVIDENCE`, but so much, will do where the witness is so sure of
# the hand. Chosen with an eye on the 43 photos of the recall set, on tests/photos and on photos without hands.
WITNESSED_EVIDENCE, WITNESS_SURENESS = 1.5, 0.1
# Of a region, from which on the witness is asked for the hand that the landmark model does not see there: gloves are
# seldom hands to it. Chosen with an eye on the held-out photos of gloves and on photos without hands.
ALONE_SCORE = 0.7


class Witness(Protocol):
    """A network that judges hands by an image (H, W, 3) uint8 alone."""

    def aim(self, rgb: np.ndarray, regions: Sequence[HandRegion]) -> list[HandRegion]:
        """Where and how a hand lies in regions that a detector found, of those that seem to hold one."""

    def alone(self, rgb: np.ndarray, regions: Sequence[HandRegion]) -> list[Landmarks]:
        """The hands in regions of which it is sure by itself, each once, without depth."""

    def sureness_of(self, rgb: np.ndarray, hand: Landmarks) -> float:
        """How sure it is, 0..1, that a hand is where the landmark model sees it."""


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
    """The hands in an RGB image (H, W, 3) uint8, each once: those that the landmark model sees, most certain first,
    then those that it denies.

    `thorough=False` leaves out what the detector only finds where it is asked for small and hard hands. `witness` gives
    the landmark model another look at regions in which it is not sure of a hand, has a say in what both doubt, and
    tells the hands that only the detector and it are sure of: these have no depth.
    """
    regions = detector(rgb, thorough, several=thorough)
    candidates, sure = _candidates(rgb, regions, model)
    if witness is not None:
        doubtful = [region for region in merged(regions)
                    if region.score >= AIMED_SCORE and not any(is_near(region, shown) for shown in sure)]
        candidates += [Candidate(confirmed_landmarks(rgb, region, model), region)
                       for region in (witness.aim(rgb, doubtful) if doubtful else ())]
    seen = [candidate for candidate in candidates if candidate.hand.presence >= LEAST_PRESENCE]
    hands = [one.hand for one in _each_hand_once(seen) if _is_hand(rgb, one, witness)]
    if witness is not None:
        denied = [region for region in merged(regions)
                  if region.score >= ALONE_SCORE and not any(is_near(region, hand.region) for hand in hands)]
        hands += [hand for hand in (witness.alone(rgb, denied) if denied else ())
                  if not any(_shows_the_same(hand.box, other.box) for other in hands)]
    return hands


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


def _each_hand_once(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Of candidates whose hands lie in one place that with the strongest evidence; strongest first."""
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda candidate: -candidate.evidence):
        if not any(_shows_the_same(candidate.hand.box, other.hand.box) for other in kept):
            kept.append(candidate)
    return kept


def _shows_the_same(box: np.ndarray, other: np.ndarray) -> bool:
    """Whether two joints' boxes (2, 2) frame one hand, or one of them a part of it."""
    covered = max(box_covered(box, other[None])[0], box_covered(other, box[None])[0])
    return bool(box_iou(box, other[None])[0] >= SAME_HAND_IOU or covered >= PART_COVERED)


def _is_hand(rgb: np.ndarray, candidate: Candidate, witness: Witness | None) -> bool:
    """Whether detector and landmark model, or with them the witness, are sure enough of a hand."""
    if candidate.evidence >= MIN_EVIDENCE or witness is None or candidate.evidence < WITNESSED_EVIDENCE:
        return candidate.evidence >= MIN_EVIDENCE
    return witness.sureness_of(rgb, candidate.hand) >= WITNESS_SURENESS
