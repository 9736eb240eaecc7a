"""Recall's counting against cases whose answer is plain."""
import numpy as np
import pytest

from handpose.detection.hand_detector import HAND_SCALE
from handpose.detection.region import HandRegion
from handpose.image import Photo
from train.evaluate_detector import found_alone
from train.scoring.found import Found, iou, same_hand


def hand(u, v, size=100, **more):
    return {"box": [u, v, u + size, v + size], "tags": [], "hard": False, "ignore": False} | more


def test_iou_equals_counted_pixels():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:60, :60]
    for _ in range(20):
        boxes = [np.sort(rng.integers(0, 61, (2, 2)), axis=0).reshape(-1) for _ in range(2)]
        first, second = ((columns >= u0) & (columns < u1) & (rows >= v0) & (rows < v1) for u0, v0, u1, v1 in boxes)
        union = (first | second).sum()
        assert iou(*boxes) == pytest.approx((first & second).sum() / union if union else 0)


def test_what_lies_on_hands_is_found_once():
    found = Found()
    hits, false = found.add([hand(0, 0), hand(300, 0, tags=["glove"], hard=True)],
                            [[5, 5, 105, 105], [-5, 0, 95, 100], [305, 0, 400, 90], [600, 600, 700, 700]])
    assert hits == [True, True] and false == [False, False, False, True]
    assert (found.doubles, found.false, found.recall(), found.recall("glove")) == (1, 1, 1.0, 1.0)
    assert found.total == {"all": 2, "easy": 1, "hard": 1, "glove": 1}


def test_a_hand_of_two_boxes_takes_the_better_and_leaves_the_other_to_its_neighbour():
    found = Found()
    hits, _ = found.add([hand(0, 0), hand(60, 0)], [[55, 0, 155, 100], [25, 0, 125, 100]])
    assert hits == [True, True] and found.doubles == found.false == 0


def test_ignored_hands_count_neither_way():
    found = Found()
    found.add([hand(0, 0, ignore=True)], [[0, 0, 100, 100]])
    assert not found.total and found.false == found.doubles == 0 and np.isnan(found.recall())


def test_a_box_of_joints_is_the_hand_of_a_wider_one_but_not_of_one_beside_it():
    whole = [0, 0, 100, 100]
    assert same_hand(whole, [30, 30, 75, 75])
    assert not same_hand(whole, [60, 60, 100, 100])  # its middle is inside, but not the other way round
    assert not same_hand(whole, [40, 40, 60, 60])  # a fingertip


def test_what_a_detector_finds_by_itself_is_counted_at_so_many_false_regions():
    """One hand scores above all false regions, one among them, one is never shown; what is to be ignored is neither."""
    hands = [hand(100 * number, 0, 40) for number in range(3)] + [hand(300, 0, 40, ignore=True)]

    def region(u, score):
        return HandRegion(np.array([u + 20.0, 20.0]), 40 * HAND_SCALE, 0.0, score)

    false = [region(500 + 100 * number, 0.8 - 0.01 * number) for number in range(30)]  # the sixth scores .75
    regions = [region(0, 0.9), region(100, 0.72), region(101, 0.3), region(300, 0.95), *false]
    photo = Photo(np.zeros((60, 60, 3), np.uint8))
    in_colour, in_grey = found_alone(lambda rgb, thorough: regions, iter([(photo, hands)]))
    assert in_colour == in_grey == [1, 2, 2, 2]  # 5, 20, 80 and 320 false regions
