"""Which of the hands in labelled photos are found: boxes are paired one to one, the rest is missed or false."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from handpose.detection.region import box_iou

LEAST_IOU = 0.3  # of boxes that show one hand
# Labels frame the whole hand, results may frame its joints: less will do where each box holds the other's middle.
LEAST_IOU_INSIDE, AREA_RATIO = 0.1, 5.0
Box = Sequence[float]  # u0, v0, u1, v1


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    return float(box_iou(np.reshape(a, (2, 2)), np.reshape(b, (1, 2, 2)))[0])


def same_hand(a: Box, b: Box) -> bool:
    """Whether two boxes show the same hand."""
    overlap = iou(a, b)
    alike = 1 / AREA_RATIO < _area(a) / max(_area(b), 1) < AREA_RATIO
    return overlap > LEAST_IOU or overlap > LEAST_IOU_INSIDE and _holds(a, b) and _holds(b, a) and alike


@dataclass
class Found:
    """Counts over photos: of hands by tag, `found` and in all; of boxes that are false, and of doubles, which are
    second boxes on one hand."""
    total: Counter = field(default_factory=Counter)
    found: Counter = field(default_factory=Counter)
    false: int = 0
    doubles: int = 0

    def add(self, hands: list[dict], boxes: list[Box]) -> tuple[list[bool], list[bool]]:
        """Counts a photo; `hands` have a `box`, `tags`, `hard` and `ignore`. Which hands were found, and which boxes
        are false."""
        pairs = sorted(((iou(hand["box"], box), row, column) for row, hand in enumerate(hands)
                        for column, box in enumerate(boxes) if same_hand(hand["box"], box)), reverse=True)
        of_hand: dict[int, int] = {}
        for _, row, column in pairs:
            if row not in of_hand and column not in of_hand.values():
                of_hand[row] = column
        for row, hand in enumerate(hands):
            if not hand.get("ignore"):
                tags = ["all", "hard" if hand.get("hard") else "easy", *hand.get("tags", ())]
                self.total.update(tags)
                self.found.update(tags if row in of_hand else ())
        false = []
        for column, box in enumerate(boxes):
            left = column not in of_hand.values()
            double = left and any(iou(hand["box"], box) > LEAST_IOU_INSIDE and _holds(hand["box"], box)
                                  for hand in hands)
            self.doubles += double
            self.false += left and not double
            false.append(left and not double)
        return [row in of_hand for row in range(len(hands))], false

    def recall(self, tag: str = "all") -> float:
        """The share of hands with a tag that were found; NaN where there are none."""
        return self.found[tag] / self.total[tag] if self.total[tag] else np.nan


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _holds(box: Box, other: Box) -> bool:
    u, v = (other[0] + other[2]) / 2, (other[1] + other[3]) / 2
    return box[0] <= u <= box[2] and box[1] <= v <= box[3]
