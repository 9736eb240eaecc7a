"""The network that ships on real photos (tests/photos): which hands are found, their sides, how near their joints are.

Bounds are about 1.4 times what was measured when they were written: a network that gets no landmarks exceeds them, but
half a pixel or a crop a quarter larger does not (see test_round_trip).
"""
import json
from pathlib import Path

import numpy as np
import pytest

from handpose import HandBox, load_photo

PHOTOS = Path(__file__).parent / "photos"
LABELS = json.loads((PHOTOS / "labels.json").read_text())
# Mean distance of the labelled joints over the larger side of their box, for each labelled hand; None where a hand is
# not found: it may be one day.
FOUND = {"open_light": [0.026], "open_dark": [0.018], "pointing_aside": [0.022], "pointing_up": [0.030],
         "fist": [0.067], "two_fists": [0.036, 0.089], "blue_glove": [None], "glove_holding": [None], "grey": [0.020],
         "off_centre": [0.027], "small": [0.019], "two_crossed": [0.054, None]}
# The same where the box of the labelled joints is told. For fists and the hidden hand, of which wrist and a few
# fingertips are labelled, that box is not the hand's, and what is seen in it is of no use (0.17 to 0.58).
TOLD = {"open_light": 0.026, "open_dark": 0.017, "pointing_aside": 0.024, "pointing_up": 0.024, "blue_glove": 0.08,
        "grey": 0.025, "off_centre": 0.027, "small": 0.021, "two_crossed": 0.053}


def photo_of(name: str):
    return load_photo(PHOTOS / f"{name}.jpg")


def labelled(name: str, number: int = 0) -> tuple[str, list[int], np.ndarray]:
    """Side, the joints that are labelled, and where they are (N, 2), of a hand in a photo."""
    hand = LABELS[f"{name}.jpg"][number]
    joints = {int(joint): pixel for joint, pixel in hand["joints"].items() if pixel is not None}
    return hand["side"], list(joints), np.array([*joints.values()], float)


def error(hand, name: str, number: int = 0) -> float:
    _, joints, pixels = labelled(name, number)
    return np.linalg.norm(hand.joints_2d[joints] - pixels, axis=1).mean() / np.ptp(pixels, axis=0).max()


def test_all_photos_have_bounds_and_labels():
    assert {f"{name}.jpg" for name in FOUND} == {path.name for path in PHOTOS.glob("*.jpg")} == set(LABELS)
    for name, bounds in FOUND.items():
        assert len(bounds) == len(LABELS[f"{name}.jpg"])
        height, width = photo_of(name).rgb.shape[:2]
        for number in range(len(bounds)):
            pixels = labelled(name, number)[2]
            assert (pixels >= 0).all() and (pixels < [width, height]).all()


@pytest.mark.parametrize("name", FOUND)
def test_the_hands_of_a_photo(estimator, name):
    result = estimator(photo_of(name))
    left_over = list(result.hands)
    for number, bound in enumerate(FOUND[name]):
        hand = min(left_over, key=lambda one: error(one, name, number), default=None)  # noqa: B023
        if bound is None:
            if hand is not None and error(hand, name, number) < 0.15:
                left_over.remove(hand)
            continue
        assert hand is not None and hand.side == labelled(name, number)[0]
        assert error(hand, name, number) < bound
        assert hand.score > 0.9 and 0.2 < hand.distance < 1.5
        left_over.remove(hand)
    assert not left_over  # nothing else is taken for a hand


@pytest.mark.parametrize("name", FOUND)
def test_hands_whose_boxes_are_told(estimator, name):
    """Each is reported, with the side that was told, in the order of the boxes; those that are seen well, well."""
    boxes = []
    for number in reversed(range(len(FOUND[name]))):
        side, _, pixels = labelled(name, number)
        boxes.append(HandBox(*pixels.min(0), *pixels.max(0), side))
    hands = estimator(photo_of(name), boxes=boxes).hands[::-1]
    assert [hand.side for hand in hands] == [hand["side"] for hand in LABELS[f"{name}.jpg"]]
    for hand, box in zip(hands, reversed(boxes), strict=True):
        middle = hand.joints_2d.mean(0) - [(box.u0 + box.u1) / 2, (box.v0 + box.v1) / 2]
        assert np.abs(middle).max() < max(box.u1 - box.u0, box.v1 - box.v0)  # about where it was said to be
    if name in TOLD:
        assert error(hands[0], name) < TOLD[name]


@pytest.mark.parametrize("name", ["open_light", "pointing_up"])
def test_a_box_without_a_side_leaves_it_to_the_network_and_another_side_is_kept(estimator, name):
    side, _, pixels = labelled(name)
    other = {"left": "right", "right": "left"}[side]
    box = [*pixels.min(0), *pixels.max(0)]
    plain, kept = estimator(photo_of(name), boxes=[box, HandBox(*box, other)]).hands
    assert (plain.side, kept.side) == (side, other)
    assert error(plain, name) < TOLD[name] and plain.score > kept.score


def test_the_landmark_model_counts_pixels_from_their_edge(estimator):
    """Shown a hand and its mirror image, it says the same; it would differ by a whole pixel of its input if the code
    that reads its answers took them for counted from the first pixel's centre."""
    apart = []
    for name in FOUND:
        rgb = photo_of(name).rgb
        for hand in estimator.find(rgb):
            crop = hand.region.crop(224)
            seen, mirrored = (crop.to_crop(estimator.landmark_model(rgb, hand.region, mirror).points[:, :2])
                              for mirror in (False, True))
            apart.append((seen - mirrored)[:, 0].mean())
    assert len(apart) >= 9 and abs(np.mean(apart)) < 0.6
