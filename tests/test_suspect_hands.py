"""What may be a hand beside those that are labelled: in a photo of the tests, whose hand nobody labelled at first."""
import json
from pathlib import Path

import numpy as np

from handpose.detection.hand_detector import HAND_SCALE
from handpose.detection.region import HandRegion
from handpose.estimator import HandEstimator
from handpose.image import load_photo
from train.suspect_hands import is_labelled, suspected

PHOTOS = Path(__file__).parent / "photos"


def test_regions_of_labelled_hands():
    boxes = np.array([[[100, 100], [200, 180]]], float)
    for center, side, labelled in (((150, 140), 20, True), ((205, 140), 100, True), ((260, 140), 100, False),
                                   ((150, 300), 60, False)):
        region = HandRegion(np.array(center, float), side * HAND_SCALE, 0.0)
        assert is_labelled(region, boxes) == labelled
    assert not is_labelled(region, np.zeros((0, 2, 2)))


def test_a_hand_is_suspected_until_it_is_labelled():
    estimator = HandEstimator.load()
    rgb = load_photo(PHOTOS / "open_light.jpg").rgb
    (hand,) = json.loads((PHOTOS / "labels.json").read_text())["open_light.jpg"]
    joints = np.array(list(hand["joints"].values()))
    box = np.stack([joints.min(0), joints.max(0)])
    found = suspected(rgb, np.zeros((0, 2, 2)), estimator)
    centers = [(np.array(one[:2]) + one[2:]) / 2 for one in found]
    assert any(((center > box[0]) & (center < box[1])).all() for center in centers)
    assert suspected(rgb, box[None], estimator) == [one for one, center in zip(found, centers, strict=True)
                                                    if not ((center > box[0]) & (center < box[1])).all()]
    assert suspected(np.full_like(rgb, 128), np.zeros((0, 2, 2)), estimator) == []
