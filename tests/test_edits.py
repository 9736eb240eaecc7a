"""Corrections of a photo's hands, against what the estimator says of the whole photo and of told boxes."""
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handpose import HandBox, load_photo
from page import edits
from page.analysis import MOST_HANDS, Options, analyse, result_of
from page.asked import Asked

TWO = Path(__file__).parent / "photos" / "two_fists.jpg"


@pytest.fixture(scope="module")
def analysis(estimator):
    return analyse(estimator, str(TWO))


@pytest.fixture(scope="module")
def hands(estimator, analysis):
    found = result_of(estimator, analysis, Options()).hands
    assert sorted(hand.side for hand in found) == ["left", "right"]
    return found


def shares(analysis, box) -> tuple:
    return tuple((np.array(box) / np.tile([analysis.width, analysis.height], 2)).tolist())


def test_a_hand_that_was_taken_away_and_pointed_at_again_is_the_same(estimator, analysis, hands):
    first, other = hands
    without = edits.without(analysis, analysis.hands(Options())[0])
    assert [hand.side for hand in result_of(estimator, without, Options()).hands] == [other.side]
    margin = 0.1 * np.ptp(first.box.reshape(2, 2), axis=0).max()
    box = np.array([*(first.box[:2] - margin), *(first.box[2:] + margin)]).clip(0)
    size = np.ptp(first.joints_2d, axis=0).max()
    middle = shares(analysis, [*box.reshape(2, 2).mean(0)] * 2)[:2]
    for corrected in (edits.with_hand_in(estimator, without, shares(analysis, box)),
                      edits.with_hand_at(estimator, without, middle)):
        added = result_of(estimator, corrected, Options()).hands[-1]
        assert added.side == first.side
        assert np.linalg.norm(added.joints_2d - first.joints_2d, axis=1).mean() < 0.08 * size
        assert corrected.key.split(".")[0] == analysis.key and corrected.key != without.key
    assert len(analysis.hands(Options())) == 2  # what was before stays


def test_pixels_are_those_of_the_whole_photo_where_a_smaller_one_is_shown(estimator, analysis, hands, monkeypatch):
    monkeypatch.setattr("page.analysis.LARGEST_SHOWN", 300)
    small = analyse(estimator, str(TWO))
    assert max(small.shown.shape) == 300 < small.width
    box = hands[0].box.clip(0)
    empty = replace(small, prediction=replace(small.prediction, hands=()))
    added, = result_of(estimator, edits.with_hand_in(estimator, empty, shares(small, box)), Options()).hands
    truth, = estimator(load_photo(TWO), boxes=[HandBox(*box)]).hands
    size = np.ptp(truth.joints_2d, axis=0).max()
    assert np.linalg.norm(added.joints_2d - truth.joints_2d, axis=1).mean() < 0.08 * size


def test_a_side_is_swapped_and_swapped_back(estimator, analysis, hands):
    swapped = edits.with_other_side(estimator, analysis, analysis.hands(Options())[0])
    sides = [hand.side for hand in result_of(estimator, swapped, Options(min_score=1.0)).hands]
    assert sides == [edits.OTHER[hands[0].side]]  # told, and so shown however unsure
    back = edits.with_other_side(estimator, swapped, swapped.hands(Options())[-1])
    assert sorted(hand.side for hand in result_of(estimator, back, Options()).hands) == ["left", "right"]
    assert len(back.told) == 1


def test_too_small_a_box_and_too_many_hands_get_a_sentence(estimator, analysis):
    with pytest.raises(ValueError, match="too small for a hand"):
        edits.with_hand_in(estimator, analysis, (.5, .5, .505, .505))
    many = replace(analysis, prediction=replace(analysis.prediction, hands=analysis.prediction.hands[:1] * MOST_HANDS))
    with pytest.raises(ValueError, match="may have 10 hands"):
        edits.with_hand_at(estimator, many, (.5, .5))


@pytest.mark.parametrize("told, words", [
    ({"box": [0, 0, 2, 1]}, "between 0 and 1"), ({"box": [.5, .5, .2, .8]}, "upper left"),
    ({"box": [float("nan")] * 4}, "between"), ({"box": "everywhere"}, "a box or a point"),
    ({"box": [0, 1, .5]}, "a box or a point"), ({"swap": 0}, "number of a hand"),
    ({"remove": True}, "number of a hand"), ({"opacity": 2}, "opacity"), ({"photos": ["x"] * 13}, "12 photos")])
def test_what_browsers_do_not_ask_for_is_refused(told, words):
    with pytest.raises(ValueError, match=words):
        Asked.of(told)


@pytest.mark.parametrize("told", [None, 5, [], {}, {"photo": 5, "photos": "x", "kind": {}, "show": []},
                                  {"photo": "x" * 100}])
def test_what_is_not_told_is_as_usual(told):
    assert Asked.of(told) == Asked()
