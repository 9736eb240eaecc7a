"""Tracking in a world where it is known what every model would see, and on a short filmed clip."""
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from drawn_hand import JOINTS
from scipy.spatial.transform import Rotation

from handpose.camera import Camera
from handpose.clips.track_clip import track_clip
from handpose.detection.landmarks import Landmarks
from handpose.detection.region import HandRegion
from handpose.estimator import AlignedHand
from handpose.hand_model.skeleton import PALM_JOINTS
from handpose.lens import guess_lens
from handpose.tracker import LENS_FRAMES, LENS_WITHIN, MEMORY_S, NEW_HANDS_S, HandTracker
from train.make_clip import clip_camera, film
from train.scoring.metrics import error_2d
from train.synthesis.motions import stage

FPS, LENGTH = 30, 100.0
FRAME = np.zeros((240, 320, 3), np.uint8)


@dataclass
class StubHand:
    """A hand as it truly is: its side, its middle in pixels, and whether anything else hides it."""
    side: str
    u: float
    v: float = 130.0
    hidden: bool = False
    presence: float = 0.95
    looks_right: float | None = None  # what the landmark model says of the side, if it is wrong
    metres_a_pixel: float = 1.0  # as the network sees the hand; this one is far away

    @property
    def joints(self) -> np.ndarray:
        joints = JOINTS * LENGTH * ([1, 1] if self.side == "right" else [-1, 1])
        return joints - (joints.min(0) + joints.max(0)) / 2 + [self.u, self.v]


@dataclass
class World:
    """In the place of the estimator and its models. They see the nearest hand that is not hidden, if it is near."""
    hands: list[StubHand] = field(default_factory=list)
    searches: int = 0
    hand_models: dict = field(default_factory=dict)
    aims: list[np.ndarray] = field(default_factory=list)  # where the landmark model was asked to look

    def nearest(self, place: np.ndarray, reach: float) -> StubHand | None:
        def away(hand):
            return np.hypot(hand.u - place[0], hand.v - place[1])

        seen = [hand for hand in self.hands if not hand.hidden and away(hand) < reach]
        return min(seen, key=away, default=None)

    def detector(self, rgb, thorough=False, several=False):
        self.searches += 1
        return [HandRegion(np.array([hand.u, hand.v]), 2 * LENGTH, 0.0, 0.9) for hand in self.hands if not hand.hidden]

    def landmark_model(self, rgb, region, mirrored=False):
        self.aims.append(region.center)
        hand = self.nearest(region.center, 0.7 * LENGTH)
        if hand is None:
            return Landmarks(np.tile(region.center, (21, 1)) @ np.eye(2, 3), np.zeros((21, 3)), 0.01, 0.5)
        right = float(hand.side == "right") if hand.looks_right is None else hand.looks_right
        return Landmarks(hand.joints @ np.eye(2, 3), np.zeros((21, 3)), hand.presence, right)

    @property
    def predictor(self):
        return self

    def predict_hands(self, rgb, found, use_landmarks=True):
        return [self.aligned(landmarks) for landmarks in found]

    def guess_lens(self, usual, hands):
        seen = [self.nearest(hand.joints_2d.mean(0), LENGTH) for hand in hands]
        return guess_lens(usual, [hand.metres_a_pixel for hand in seen if hand])

    def align(self, camera, hand):
        return hand

    def aligned(self, landmarks):
        points = landmarks.points[:, :2]
        hand = self.nearest((points.min(0) + points.max(0)) / 2, 0.7 * LENGTH)
        side, score = "right" if landmarks.right >= 0.5 else "left", 0.9 if hand else 0.02
        return AlignedHand(side, score, hand.joints if hand else points, np.ones(21, np.float32),
                        Rotation.identity(16), np.zeros(10))

    def place_hand(self, camera, aligned, smooth=None):
        if smooth is not None:
            assert np.allclose(smooth(np.zeros((21, 3)), np.array([0, 0, 0.5])), [0, 0, 0.5])
        return SimpleNamespace(side=aligned.side, joints_2d=aligned.joints_2d)


@pytest.fixture(params=[True, False], ids=["landmarks", "network"])
def both(request):
    """A world with one right hand, and a tracker in it, with and without the landmark model."""
    world = World([StubHand("right", 160)])
    return world, HandTracker(world, use_landmarks=request.param)


def told(tracker, frame: int):
    """Track -> (side, u of the middle) of a frame."""
    hands = tracker(FRAME, frame / FPS)
    return {one.track: (one.hand.side, round((one.hand.joints_2d[:, 0].min() + one.hand.joints_2d[:, 0].max()) / 2))
            for one in hands}


def test_a_hand_that_stays_is_one_track_and_seldom_searched_for(both):
    world, tracker = both
    for frame in range(90):
        assert told(tracker, frame) == {1: ("right", 160)}
    assert 3 / NEW_HANDS_S - 1 <= world.searches <= 3 / NEW_HANDS_S + 1


def test_the_crop_follows_the_motion():
    world = World([StubHand("right", 60)])
    tracker = HandTracker(world)
    apart = []
    for frame in range(20):
        world.hands[0].u += 8
        world.aims.clear()
        tracker(FRAME, frame / FPS)
        apart.append(world.aims[0][0] - world.hands[0].u)
    still = World([StubHand("right", 160)])
    tracker = HandTracker(still)
    for frame in range(20):
        still.aims.clear()
        tracker(FRAME, frame / FPS)
    assert abs(apart[-1] - (still.aims[0][0] - 160)) < 0.5  # no farther off than when the hand stands still


def test_a_second_hand_is_found_before_long(both):
    world, tracker = both
    assert list(told(tracker, 0)) == [1]
    world.hands.append(StubHand("left", 40))
    found = [frame for frame in range(1, 40) if 2 in told(tracker, frame)]
    assert found[0] <= NEW_HANDS_S * FPS + 1 and len(found) == 40 - found[0]
    assert told(tracker, 40) == {1: ("right", 160), 2: ("left", 40)}


def test_a_hand_that_leaves_is_lost_and_searched_for(both):
    world, tracker = both
    told(tracker, 0)
    world.hands.clear()
    assert told(tracker, 1) == {}
    before = world.searches
    assert all(told(tracker, frame) == {} for frame in range(2, 12))
    assert world.searches == before + 10


@pytest.mark.parametrize("gap, again", [(0.3, 1), (MEMORY_S - 0.2, 1), (MEMORY_S + 0.2, 2)])
def test_a_hand_that_comes_back_soon_is_the_same(both, gap, again):
    world, tracker = both
    for frame in range(3):
        told(tracker, frame)
    world.hands[0].hidden = True
    for frame in range(3, round(gap * FPS) + 3):
        assert told(tracker, frame) == {}
    world.hands[0].hidden = False
    assert told(tracker, round(gap * FPS) + 3) == {again: ("right", 160)}


def test_another_hand_far_off_is_another_one(both):
    world, tracker = both
    told(tracker, 0)
    world.hands = [StubHand("left", 290)]
    told(tracker, 1)  # the network alone knows only now
    assert told(tracker, 2) == {2: ("left", 290)}


def test_a_hand_out_of_the_picture_is_not_followed_there(both):
    world, tracker = both
    for frame in range(30):
        world.hands[0].u += 9
        inside = world.hands[0].u < 320
        world.hands[0].hidden = not inside
        hands = told(tracker, frame)
        assert (hands != {}) == inside


def test_low_presence_asks_the_detector():
    world = World([StubHand("right", 160)])
    tracker = HandTracker(world)
    for frame in range(4):
        told(tracker, frame)
    before = world.searches
    world.hands[0].presence = 0.45
    assert told(tracker, 4) == {1: ("right", 160)}
    assert world.searches == before + 1
    world.hands[0].presence = 0.1
    assert told(tracker, 5) == {}


def test_a_side_flips_only_when_frames_agree_for_a_while():
    world = World([StubHand("right", 160)])
    tracker = HandTracker(world)
    told(tracker, 0)
    for frame in range(1, 41):  # never five wrong looks in a row
        world.hands[0].looks_right = 0.0 if frame % 5 else 1.0
        assert told(tracker, frame)[1][0] == "right"
    for frame in range(41, 60):  # doubtful ones do not count
        world.hands[0].looks_right = 0.4
        assert told(tracker, frame)[1][0] == "right"
    world.hands[0].looks_right = 0.05
    sides = [told(tracker, frame)[1][0] for frame in range(60, 70)]
    assert sides == ["right"] * 4 + ["left"] * 6


def test_the_network_alone_learns_of_a_wrong_side():
    world = World([StubHand("left", 160, looks_right=0.9)])
    tracker = HandTracker(world, use_landmarks=False)
    assert told(tracker, 0) == {1: ("right", 160)}
    world.hands[0].looks_right = None
    sides = [told(tracker, frame)[1][0] for frame in range(1, 31)]
    assert sides[0] == "right" and sides[-1] == "left" and sides == sorted(sides, reverse=True)
    assert world.searches <= 3


def test_hands_that_cross_keep_their_identities(both):
    """The hand behind is hidden while they are over each other; the models see the front one in its place."""
    world, tracker = both
    world.hands = [StubHand("right", 60), StubHand("left", 260)]
    told(tracker, 0)
    for frame in range(1, 150):
        right, left = world.hands
        right.u, left.u = (160 - 100 * np.cos(2 * np.pi * frame / 90) * sign for sign in (1, -1))
        left.hidden = abs(right.u - left.u) < 0.6 * LENGTH
        hands = told(tracker, frame)
        assert len(set(hands.values())) == len(hands)
        assert hands.get(1) == ("right", round(right.u))
        if frame > 2 and not left.hidden and abs(right.u - left.u) > 1.2 * LENGTH:
            assert hands == {1: ("right", round(right.u)), 2: ("left", round(left.u))}


def test_two_tracks_never_follow_one_hand(both):
    world, tracker = both
    world.hands = [StubHand("right", 120), StubHand("right", 220)]
    assert set(told(tracker, 0)) == {1, 2}
    for frame in range(1, 20):  # the second hand drifts off unseen, and its crop finds the first
        world.hands[1].u = max(220 - 8 * frame, 150)
        world.hands[1].hidden = frame > 7
        hands = told(tracker, frame)
        assert len({hand[1] for hand in hands.values()}) == len(hands)
    assert hands == {1: ("right", 120)}


def test_no_more_hands_than_wanted():
    world = World([StubHand("right", u) for u in (40, 130, 220, 300)])
    tracker = HandTracker(world, max_hands=2)
    assert all(len(told(tracker, frame)) == 2 for frame in range(40))


def test_another_clip_starts_anew(both):
    world, tracker = both
    assert list(told(tracker, 30)) == [1]
    assert list(told(tracker, 0)) == [2]  # time ran back
    assert [one.track for one in tracker(np.zeros((320, 240, 3), np.uint8), 0.1)] == [3]  # the phone was turned
    tracker.reset()
    assert [one.track for one in tracker(FRAME, 0.2)] == [4]


def test_nothing_is_found_in_an_empty_world():
    tracker = HandTracker(World())
    assert all(told(tracker, frame) == {} for frame in range(5))


# ---- the lens, where nobody tells it

USUAL = Camera.of_photo(320, 240)


def metres_a_pixel(distance: float) -> float:
    """Of a hand so many metres before the usual camera."""
    return distance / USUAL.fx


def test_a_lens_is_guessed_over_the_first_frames_and_kept():
    world = World([StubHand("right", 160)])
    tracker = HandTracker(world)
    tracker(FRAME, 0.0)
    assert tracker.camera == USUAL  # a hand so far away says nothing
    narrow = USUAL.narrowed(np.sqrt(0.5 / 0.2))
    world.hands[0].metres_a_pixel = metres_a_pixel(0.2)
    for frame in range(1, 1 + LENS_FRAMES):
        tracker(FRAME, frame / FPS)
    assert tracker.camera.fx == pytest.approx(narrow.fx) and tracker.camera.source == "default"
    kept = tracker.camera
    world.hands[0].metres_a_pixel = metres_a_pixel(0.4)
    for frame in range(1 + LENS_FRAMES, 60):
        tracker(FRAME, frame / FPS)
        assert tracker.camera == kept
    tracker.reset()  # another clip, another lens
    tracker(FRAME, 0.0)
    assert tracker.camera.fx == pytest.approx(USUAL.narrowed(np.sqrt(0.5 / 0.4)).fx)


def test_a_few_odd_frames_do_not_decide_about_the_lens():
    world = World([StubHand("right", 160)])
    tracker = HandTracker(world)
    for frame in range(LENS_FRAMES):
        world.hands[0].metres_a_pixel = metres_a_pixel(0.01 if frame % 3 == 1 else 0.3)
        tracker(FRAME, frame / FPS)
    assert tracker.camera.fx == pytest.approx(USUAL.narrowed(np.sqrt(0.5 / 0.3)).fx)


def test_guessing_a_clip_s_lens_looks_at_its_beginning_and_leaves_the_tracker_as_it_was():
    world = World([StubHand("right", 160, metres_a_pixel=metres_a_pixel(0.2))])
    tracker, taken = HandTracker(world), []

    def frames(count):
        for frame in range(count):
            taken.append(frame)
            world.hands[0].hidden = frame < 5
            yield frame / FPS, FRAME

    guess = tracker.guess_camera(frames(500))
    assert guess.fx == pytest.approx(USUAL.narrowed(np.sqrt(0.5 / 0.2)).fx)
    assert len(taken) == 5 + LENS_FRAMES and tracker.camera is None
    assert list(told(tracker, 0)) == [1]  # the first hand is still to come
    taken.clear()
    world.hands.clear()
    world.hands.append(StubHand("right", 160, presence=0.0))
    assert tracker.guess_camera(frames(500)) == USUAL and len(taken) == LENS_WITHIN
    with pytest.raises(ValueError, match="without frames"):
        tracker.guess_camera(iter([]))


@pytest.mark.parametrize("camera", [None, Camera.of_photo(320, 240, focal_px=700)])
def test_a_clip_has_one_camera_in_all_its_frames_and_in_its_arrays(camera, monkeypatch):
    world = World([StubHand("right", 160)])
    tracker, cameras = HandTracker(world), []

    class Clip:
        width, height, frames, camera = 320, 240, 40, None  # of which the file tells nothing

        def __iter__(self):
            for frame in range(self.frames):
                world.hands[0].metres_a_pixel = metres_a_pixel(0.2 + 0.01 * frame)  # goes away
                yield frame / FPS, FRAME

    # Where hands are not placed, there is nothing to collect but cameras.
    monkeypatch.setattr("handpose.clips.arrays.ClipArrays.add", lambda self, time_s, tracked: None)
    monkeypatch.setattr(world, "align", lambda camera, hand: (cameras.append(camera), hand)[1], raising=False)
    shown = []
    arrays = track_clip(Clip(), tracker, camera, show=lambda time_s, rgb, camera, hands: shown.append(camera))
    expected = camera or USUAL.narrowed(np.sqrt(0.5 / 0.25))  # the median of the first twelve
    values = arrays.arrays()
    assert values["intrinsics"][0, 0] == pytest.approx(expected.fx, rel=1e-6)
    assert str(values["camera_source"]) == expected.source
    assert len(shown) == 40 and set(shown) == {arrays.camera} == set(cameras[-40:])


# ---- with the real models

CAMERA = clip_camera(320, 240)


@pytest.fixture(scope="module")
def filmed():
    """A right hand that waves for half a second: truth and pictures."""
    times = np.arange(12) / 24
    truth = stage("wave", 1, times, CAMERA)
    return times, truth, list(film(truth, CAMERA, 320, 240))


@pytest.mark.parametrize("use_landmarks", [True, False])
def test_a_filmed_hand_is_followed(filmed, estimator, use_landmarks):
    tracker = HandTracker(estimator, use_landmarks=use_landmarks)
    steps = []
    for time_s, truth, rgb in zip(*filmed, strict=True):
        (one,), hand = tracker(rgb, time_s, CAMERA), truth[0].hand
        assert one.track == 1 and one.hand.side == "right"
        assert error_2d(one.hand.joints_2d, hand.joints_2d) < 0.12
        assert np.allclose(CAMERA.project(one.hand.joints_3d), one.hand.joints_2d)
        steps.append(one.hand)
    assert np.ptp([hand.joints_3d[list(PALM_JOINTS)].mean(0) for hand in steps], axis=0).max() > 0.02  # it moves


def test_smoothing_changes_little_but_the_shape_settles(filmed, estimator):
    times, _, pictures = filmed
    raw, smooth = HandTracker(estimator, smooth=False), HandTracker(estimator)
    changes = []
    for time_s, rgb in zip(times, pictures, strict=True):
        (plain,), (steady,) = raw(rgb, time_s, CAMERA), smooth(rgb, time_s, CAMERA)
        assert error_2d(steady.hand.joints_2d, plain.hand.joints_2d) < 0.06
        changes.append((plain.hand.betas, steady.hand.betas))
    plain, steady = (np.abs(np.diff(betas, axis=0)).mean(1) for betas in zip(*changes, strict=True))
    assert steady[-4:].mean() < 0.4 * plain[-4:].mean()


def test_an_empty_picture_has_no_hands(estimator):
    tracker = HandTracker(estimator)
    assert tracker(FRAME, 0.0) == [] and tracker(FRAME, 0.1) == []
