"""Hands over time: each frame's crop comes from the last hand, so that the detector seldom has to look.

Landmark tracking as in Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking", 2020, with identities: a
hand that was lost is recognised by place, motion and side when it comes back, and no two tracks follow one hand.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .camera import Camera
from .detection.landmarks import SAME_HAND_IOU, Landmarks, is_hand, look_again, region_of
from .detection.palm_detector import HandRegion, box_iou
from .estimator import MIN_SCORE, HandEstimator, Sighting
from .hand import Hand
from .tracking.track import Track, joints_apart, middle, middles_apart, size

MAX_HANDS = 4  # followed at once: the work of a frame has a bound
NEW_HANDS_S = 0.5  # s between looks for new hands while others are followed
LOST_HANDS_S = 0.1  # s between looks while one is missing or unsure
UNSURE_PRESENCE = 0.6  # below it, the detector is asked whether the hand is still where it is thought to be
LEAST_PRESENCE = 0.3  # below it, the hand is lost; finding one takes more, so that hands do not flicker
LEAST_SCORE = 0.15  # likewise
MEMORY_S = 2.0  # s in which a lost hand that comes back is the same one
REACH, REACH_SPEED = 0.75, 2.0  # sizes that a hand which comes back may have moved by, and so many more a second
OTHER_SIDE = 1.0  # sizes that a wrong side counts for
SAME_HAND = 0.2  # sizes; joints that are closer in the mean are the same hand's
SHOWS = 0.4  # sizes between the middles of a followed hand and of a region that shows it


@dataclass(frozen=True)
class TrackedHand:
    """A hand of one frame and the number of its track, which counts from 1 and is never used again."""
    track: int
    hand: Hand


class HandTracker:
    """The hands of a stream of frames, each with its identity. One per clip or visitor: it remembers.

        tracker = HandTracker(HandEstimator.load())
        for time_s, rgb in read_clip("clip.mp4"):
            for tracked in tracker(rgb, time_s):
                print(tracked.track, tracked.hand.side)

    `smooth`: hands are smoothed over time (`smoothing.HandSmoother`). `use_landmarks`: the landmark model looks at
    every hand in every frame, once, and its points are given to the network; without, the network looks alone from
    where the last hand was, and its own confidence says whether there still is one. The detector runs when no hand is
    followed, when one was lost or is unsure, and twice a second for new ones. `max_hands` are followed at once.
    """

    def __init__(self, estimator: HandEstimator, smooth: bool = True, use_landmarks: bool = True,
                 max_hands: int = MAX_HANDS):
        self.estimator, self.smooth, self.use_landmarks, self.max_hands = estimator, smooth, use_landmarks, max_hands
        self._number = 0
        self.reset()

    def reset(self) -> None:
        """Forgets all hands, as before another clip. Track numbers go on."""
        self._tracks: list[Track] = []
        self._time, self._detected = -np.inf, -np.inf
        self._camera: Camera | None = None
        self._shape: tuple[int, ...] | None = None

    def __call__(self, rgb: np.ndarray, time_s: float, camera: Camera | None = None) -> list[TrackedHand]:
        """The hands of one frame (H, W, 3) uint8 RGB, upright, at a time in seconds, oldest track first.

        `camera` defaults to a usual one. Where time runs backwards or frames change their size, all starts anew.
        """
        camera = camera or Camera.of_photo(rgb.shape[1], rgb.shape[0])
        if time_s < self._time or self._shape not in (None, rgb.shape):
            self.reset()
        if camera != self._camera:  # all distances jump
            for track in self._tracks:
                track.smoother.restart()
        self._time, self._camera, self._shape = time_s, camera, rgb.shape
        self._tracks = [track for track in self._tracks if not track.lost or time_s - track.time_s <= MEMORY_S]

        found = self._follow(rgb)
        begun = self._detect(rgb, found) if self._should_detect(found) else set()
        followed = [track for track in self._tracks if track.number in found]
        of_their_sides = [replace(found[track.number], right=float(track.side == "right")) for track in followed]
        sightings = self.estimator.sightings(rgb, camera, of_their_sides, self.use_landmarks)
        seen = {track.number: sighting for track, sighting in zip(followed, sightings, strict=True)
                if sighting.score >= (MIN_SCORE if track.number in begun else LEAST_SCORE)}
        self._drop_duplicates(seen)
        self._tracks = [track for track in self._tracks if track.number in seen or track.number not in begun]
        hands = []
        for track in self._tracks:
            if track.number in seen:
                track.move(seen[track.number].seen, time_s)
                hands.append(TrackedHand(track.number, self._stand(track, seen[track.number])))
            else:
                track.lose()
        return hands

    def _follow(self, rgb: np.ndarray) -> dict[int, Landmarks]:
        """Landmarks, by track, of the hands that are still where they should be."""
        found = {}
        for track in self._tracks:
            joints = track.predict(self._time)
            inside = ((middle(joints) >= 0) & (middle(joints) < rgb.shape[1::-1])).all()
            if track.lost or not inside:
                continue
            if self.use_landmarks:
                landmarks = self._look(rgb, track)
            else:  # a doubt about the side is settled soon
                landmarks = track.as_landmarks(joints) if not track.against or self._look(rgb, track) else None
            if landmarks is not None:
                found[track.number] = landmarks
        return found

    def _look(self, rgb: np.ndarray, track: Track) -> Landmarks | None:
        """One pass of the landmark model over where a hand should be; None where it sees no hand.

        What it says of the side counts unless another hand is so near that it may be speaking of that one.
        """
        joints = track.predict(self._time)
        look = self.estimator.landmark_model(rgb, region_of(joints))
        if look.presence < LEAST_PRESENCE:
            return None
        alone = all(other is track or other.lost or middles_apart(joints, other.joints) > 1 for other in self._tracks)
        track.hear(look.right, counts=alone)
        return look

    def _should_detect(self, found: dict[int, Landmarks]) -> bool:
        missing = [track for track in self._tracks if track.number not in found]
        if not found or not all(track.lost for track in missing):  # lost just now
            return True
        unsure = any(landmarks.presence < UNSURE_PRESENCE for landmarks in found.values())
        return self._time - self._detected >= (LOST_HANDS_S if missing or unsure else NEW_HANDS_S)

    def _detect(self, rgb: np.ndarray, found: dict[int, Landmarks]) -> set[int]:
        """Adds to `found` hands that were not followed, or not well; returns the numbers of tracks that this begins."""
        self._detected, begun = self._time, set()
        if not self.use_landmarks:  # now and then, somebody else should say what the network follows
            for track in self._tracks:
                if track.number in found and self._look(rgb, track) is None:
                    del found[track.number]
        for region in self.estimator.detector(rgb):
            track = self._shown(region, found)
            if track is None and len(found) >= self.max_hands:
                continue
            if track is not None and found[track.number].presence >= UNSURE_PRESENCE:
                continue
            look = look_again(rgb, region, self.estimator.landmark_model)
            if not is_hand(look, rgb):
                continue
            if track is not None:
                if look.presence < found[track.number].presence:
                    continue
            elif (box_iou(look.box, np.array([hand.box for hand in found.values()]).reshape(-1, 2, 2))
                  >= SAME_HAND_IOU).any():
                continue  # as in a photo
            else:
                track = self._remembered(look, found)
            if track is None:
                self._number += 1
                track = Track(self._number, _side(look), look.points[:, :2], self._time)
                self._tracks.append(track)
                begun.add(track.number)
            found[track.number] = look
        return begun

    def _shown(self, region: HandRegion, found: dict[int, Landmarks]) -> Track | None:
        """The followed track whose hand a region shows."""
        for track in self._tracks:
            if track.number in found:
                joints = found[track.number].points[:, :2]
                if np.linalg.norm(middle(joints) - region.center) < SHOWS * size(joints):
                    return track
        return None

    def _remembered(self, look: Landmarks, found: dict[int, Landmarks]) -> Track | None:
        """The missing track that a hand which is seen again belongs to."""
        def excess(track: Track) -> float:  # sizes by which it is farther away than it can have moved
            away = np.linalg.norm(middle(look.points[:, :2]) - middle(track.predict(self._time))) / size(track.joints)
            return away + OTHER_SIDE * (_side(look) != track.side) - REACH - REACH_SPEED * (self._time - track.time_s)

        missing = [track for track in self._tracks if track.number not in found]
        return min((track for track in missing if excess(track) < 0), key=excess, default=None)

    def _drop_duplicates(self, seen: dict[int, Sighting]) -> None:
        """Where two tracks follow one hand, that one stays which expected it there and holds its side."""
        tracks = [track for track in self._tracks if track.number in seen]
        if len(tracks) < 2:
            return

        def surprise(track: Track) -> float:
            return joints_apart(seen[track.number].seen, track.predict(self._time)) + OTHER_SIDE * track.other_side

        for track in sorted(tracks, key=surprise, reverse=True):
            others = (seen[other.number].seen for other in tracks if other is not track and other.number in seen)
            if any(joints_apart(seen[track.number].seen, joints) < SAME_HAND for joints in others):
                del seen[track.number]

    def _stand(self, track: Track, sighting: Sighting) -> Hand:
        if not self.smooth:
            return self.estimator.stand(self._camera, sighting)
        return self.estimator.stand(self._camera, track.smoother(sighting, self._time),
                                    lambda joints, transl: track.smoother.settle(joints, transl, self._time))


def _side(look: Landmarks) -> str:
    return "right" if look.right >= 0.5 else "left"
