"""Which regions are hands: drawn hands whose joints are known, and witnesses whose word is set."""
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from drawn_hand import WALL, draw_hand
from scipy.special import logit

from handpose.detection.find_hands import find_hands
from handpose.detection.landmarks import LandmarkModel, Landmarks, region_of
from handpose.detection.region import HandRegion


@pytest.fixture(scope="module")
def model():
    return LandmarkModel.load()


@pytest.fixture(scope="module")
def drawn():
    return draw_hand(length=230)


class Everywhere:
    """A detector that sees hands where there are none, and the same hand twice: another detector is one class."""

    def __init__(self, regions):
        self.regions, self.searches = regions, []

    def __call__(self, rgb, thorough=False, several=False):
        self.searches.append(thorough)
        return self.regions


@dataclass
class Said:
    """A landmark model that sees the same hand in every region, as surely as it is told."""
    hand: Landmarks
    presence: float
    passes: int = 0

    def __call__(self, rgb, region, mirrored=False):
        self.passes += 1
        return replace(self.hand, presence=self.presence, right=1.0)


@dataclass
class Word:
    """A witness that aims at the regions it is told, is so sure of every hand, and remembers what it was asked."""
    sureness: float = 0.0
    aims: list[HandRegion] = field(default_factory=list)
    aimed: list[list[HandRegion]] = field(default_factory=list)
    seen: list[Landmarks] = field(default_factory=list)
    denied: list[list[HandRegion]] = field(default_factory=list)
    asked: int = 0

    def aim(self, rgb, regions):
        self.aimed.append(regions)
        return self.aims

    def alone(self, rgb, regions):
        self.denied.append(regions)
        return self.seen

    def sureness_of(self, rgb, hand):
        self.asked += 1
        return self.sureness


def test_each_hand_once_and_only_hands(model, drawn):
    image, joints = drawn
    right = region_of(joints)
    both = np.hstack([image, image[:, ::-1]])
    left = region_of(joints * [-1, 1] + [799, 0])
    moved = replace(right, center=right.center + 8, side=right.side * 1.1)
    wall = HandRegion(np.array([40., 60.]), 100, 0)
    detector = Everywhere([wall, right, moved, left])
    hands = find_hands(both, detector, model)
    assert len(hands) == 2 and detector.searches == [True]
    assert sorted(hand.points[0, 0] > 400 for hand in hands) == [False, True]


def test_regions_that_show_no_sure_hand_are_aimed_at(model, drawn):
    """And no others, nor weak ones, and one of those that lie together; what is aimed at is found once."""
    image, joints = drawn
    both = np.hstack([image, image[:, ::-1]])
    wall, right = HandRegion(np.array([40., 60.]), 100, 0, .9), region_of(joints, .9)
    left = region_of(joints * [-1, 1] + [799, 0], .9)
    beside, weak = replace(wall, center=wall.center + 20, score=.5), HandRegion(np.array([380., 60.]), 100, 0, .2)
    detector, witness = Everywhere([right, wall, beside, weak]), Word(aims=[left, right])
    assert len(find_hands(both, detector, model)) == 1
    hands = find_hands(both, detector, model, witness=witness)
    assert sorted(hand.points[0, 0] > 400 for hand in hands) == [False, True]
    (asked,), = witness.aimed
    assert asked.score == .9 and np.linalg.norm(asked.center - wall.center) < 20
    find_hands(both, Everywhere([right, left]), model, witness=witness)
    assert len(witness.aimed) == 1  # for all were sure


def test_a_sure_hand_is_not_passed_over_again(drawn):
    """Where a region shows it once more; where one lies beside it, another hand may."""
    hand = Landmarks.of_joints(drawn[1], "right")
    near, far = (replace(hand.region, center=hand.region.center + share * hand.region.side, score=.9)
                 for share in (.1, .3))
    for regions, passes in (([hand.region], 1), ([hand.region, near], 1), ([hand.region, far], 2)):
        model = Said(hand, .99)
        assert len(find_hands(drawn[0], Everywhere(regions), model)) == 1
        assert min(model.passes, 2) == passes


def test_hands_that_touch_are_two(drawn):
    """Though their boxes overlap, if by no more than those of hands do."""
    width = np.ptp(drawn[1][:, 0])
    for apart, number in ((.6, 2), (.3, 1)):
        hands = [Landmarks.of_joints(drawn[1] + [shift, 0], "right") for shift in (0, apart * width)]
        regions = [replace(hand.region, score=.9) for hand in hands]

        def nearest(rgb, region, mirrored=False):
            return min(hands, key=lambda hand: np.linalg.norm(hand.region.center - region.center))  # noqa: B023

        assert len(find_hands(drawn[0], Everywhere(regions), nearest)) == number


def test_the_witness_has_a_say_in_what_detector_and_landmark_model_doubt(drawn):
    hand = Landmarks.of_joints(drawn[1], "right")

    def found(presence, score, witness):
        detector = Everywhere([region_of(drawn[1], score)])
        return len(find_hands(drawn[0], detector, Said(hand, presence), witness=witness))

    for presence, score in ((.9, .38), (.8, .58), (.92, .33), (.58, .8)):
        assert 1.5 < logit(presence) + logit(score) < 1.75 and found(presence, score, None) == 0
        assert found(presence, score, Word(.12)) == 1 and found(presence, score, Word(.08)) == 0
    for presence, score, asked in ((.99, .9, 0), (.2, .9, 0), (.4, .25, 0), (.9, .38, 1)):
        witness = Word()  # is sure of nothing, and takes nothing away
        assert found(presence, score, witness) == (presence == .99) and witness.asked == asked


def test_what_the_landmark_model_denies_detector_and_witness_may_find(model, drawn):
    """A strong region that no hand found so far explains, and no hand twice."""
    image, joints = drawn
    right, wall = region_of(joints, .9), HandRegion(np.array([60., 80.]), 120, 0, .8)
    shift = wall.center - right.center
    glove, again = (Landmarks.of_joints(joints + by, "left", .8) for by in (shift, 4))
    witness = Word(seen=[glove, again])
    hands = find_hands(image, Everywhere([right, wall, replace(wall, score=.6, center=wall.center + [250, 0])]), model,
                       witness=witness)
    assert len(hands) == 2 and hands[1] is glove and not glove.has_depth and hands[0].has_depth
    assert [region.score for region in witness.denied[0]] == [.8]
    find_hands(image, Everywhere([right, replace(wall, score=.6)]), model, witness=witness)
    assert len(witness.denied) == 1  # nothing strong was left


def test_a_photo_is_searched_for_small_hands_unless_it_must_be_quick(model):
    wall = np.broadcast_to(WALL, (300, 300, 3)).astype(np.uint8)
    detector = Everywhere([HandRegion(np.array([150., 150.]), 200, 0)])
    assert find_hands(wall, detector, model) == find_hands(wall, detector, model, thorough=False) == []
    assert detector.searches == [True, False]
