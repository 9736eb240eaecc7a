"""Hands over time: each frame's crop comes from the last hand, so that the detector seldom has to run.

Landmark tracking as in Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking", 2020, with identities: a
hand that was lost is recognised by place, motion and side when it comes back, and no two tracks follow one hand.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

import numpy as np

from .camera import Camera
from .detection.find_hands import SAME_HAND_IOU
from .detection.landmarks import Landmarks, confirmed_landmarks, is_hand, region_of
from .detection.region import HandRegion, box_iou
from .estimator import MIN_SCORE, AlignedHand, HandEstimator
from .hand import Hand, TrackedHand
from .hand_model.model import HandModel
from .prediction import HandPrediction
from .tracking.track import Track, joints_apart, middle, middles_apart, size

MAX_HANDS = 4  # followed at once: the work of a frame has a bound
NEW_HANDS_S = 0.5  # s between detections of new hands while others are followed
LOST_HANDS_S = 0.1  # s between detections while one is missing or unsure
UNSURE_PRESENCE = 0.6  # below it, the detector is asked whether the hand is still where it is thought to be
LEAST_PRESENCE = 0.3  # below it, the hand is lost; finding one takes more, so that hands do not flicker
LEAST_SCORE = 0.15  # likewise
MEMORY_S = 2.0  # s in which a lost hand that comes back is the same one
REACH, REACH_SPEED = 0.75, 2.0  # sizes that a hand which comes back may have moved by, and so many more a second
OTHER_SIDE = 1.0  # sizes that a wrong side counts for
SAME_HAND = 0.2  # sizes; joints that are closer in the mean are the same hand's
SAME_REGION = 0.4  # sizes between the middles of a followed hand and of a region that shows it
LENS_FRAMES = 12  # with hands, over which a lens that nobody tells is guessed; then it is kept
LENS_WITHIN = 90  # frames of a clip's beginning in which these are looked for


class HandTracker:
    """The hands of a stream of frames, each with its identity. One per clip or visitor: it remembers.

        tracker = HandTracker(HandEstimator.load())
        for time_s, rgb in read_clip("clip.mp4"):
            for tracked in tracker(rgb, time_s):
                print(tracked.track, tracked.hand.side)

    `smooth`: hands are smoothed over time (`smoothing.HandSmoother`). `use_landmarks`: the landmark model runs on
    every hand in every frame, once, and its points are given to the network; without, the network runs alone from
    where the last hand was, and its own confidence says whether there still is one. The detector runs when no hand is
    followed, when one was lost or is unsure, and twice a second for new ones. `max_hands` are followed at once.

    `camera` is that of the last frame: the one that was told or, if none was, a guess over the first frames with hands.
    """
    camera: Camera | None

    def __init__(self, estimator: HandEstimator, smooth: bool = True, use_landmarks: bool = True,
                 max_hands: int = MAX_HANDS):
        self.estimator, self.smooth, self.use_landmarks, self.max_hands = estimator, smooth, use_landmarks, max_hands
        self._number = 0
        self.reset()

    @property
    def hand_models(self) -> dict[str, HandModel]:
        """By side, the models of its hands."""
        return self.estimator.hand_models

    def reset(self) -> None:
        """Forgets all hands, as before another clip. Track numbers go on."""
        self._tracks: list[Track] = []
        self._time, self._detected = -np.inf, -np.inf
        self.camera = None
        self._lenses: list[Camera] = []  # guessed, a frame each
        self._shape: tuple[int, ...] | None = None

    def __call__(self, rgb: np.ndarray, time_s: float, camera: Camera | None = None) -> list[TrackedHand]:
        """The hands of one frame (H, W, 3) uint8 RGB, upright, at a time in seconds, oldest track first.

        `camera` defaults to the guess. Where time runs backwards or frames change their size, all starts anew.
        """
        if camera is not None and not camera.is_plain:  # the networks know no others
            plain_rgb, plain = camera.plain(rgb)
            return [replace(tracked, hand=tracked.hand.seen_by(camera))
                    for tracked in self(plain_rgb, time_s, plain)]
        if time_s < self._time or self._shape not in (None, rgb.shape):
            self.reset()
        self._time, self._shape = time_s, rgb.shape
        self._tracks = [track for track in self._tracks if not track.lost or time_s - track.time_s <= MEMORY_S]

        found = self._follow(rgb)
        begun = self._detect(rgb, found) if self._should_detect(found) else set()
        followed = [track for track in self._tracks if track.number in found]
        of_their_sides = [replace(found[track.number], right=float(track.side == "right")) for track in followed]
        predictions = self.estimator.predictor.predict_hands(rgb, of_their_sides, self.use_landmarks)
        self._set_camera(camera or self._guess_lens(rgb, predictions))
        aligned = {track.number: self.estimator.align(self.camera, prediction)
                   for track, prediction in zip(followed, predictions, strict=True)
                   if prediction.score >= (MIN_SCORE if track.number in begun else LEAST_SCORE)}
        self._drop_duplicates(aligned)
        self._tracks = [track for track in self._tracks if track.number in aligned or track.number not in begun]
        hands = []
        for track in self._tracks:
            if track.number in aligned:
                track.move(aligned[track.number].joints_2d, time_s)
                hands.append(TrackedHand(track.number, self._place(track, aligned[track.number])))
            else:
                track.lose()
        return hands

    def guess_camera(self, frames: Iterable[tuple[float, np.ndarray]]) -> Camera:
        """The camera of a clip's (time_s, rgb), guessed over its first frames by a tracker that goes ahead.

        Raises ValueError where there is no frame.
        """
        scout = HandTracker(self.estimator, smooth=False, max_hands=self.max_hands)
        for time_s, rgb in islice(frames, LENS_WITHIN):
            scout(rgb, time_s)
            if len(scout._lenses) == LENS_FRAMES:
                break
        if scout.camera is None:
            raise ValueError("A clip without frames has no camera: check that it can be played.")
        return scout.camera

    def _guess_lens(self, rgb: np.ndarray, hands: list[HandPrediction]) -> Camera:
        """A usual camera, or what the first frames with hands say of the lens: the median of their guesses."""
        usual = Camera.of_photo(rgb.shape[1], rgb.shape[0])
        if any(hand.score >= MIN_SCORE for hand in hands) and len(self._lenses) < LENS_FRAMES:
            self._lenses.append(self.estimator.guess_lens(usual, hands))
        if not self._lenses:
            return usual
        return sorted(self._lenses, key=lambda camera: camera.fx)[len(self._lenses) // 2]

    def _set_camera(self, camera: Camera) -> None:
        if camera != self.camera:  # all distances jump
            for track in self._tracks:
                track.smoother.restart()
        self.camera = camera

    def _follow(self, rgb: np.ndarray) -> dict[int, Landmarks]:
        """Landmarks, by track, of the hands that are still where they should be."""
        found = {}
        for track in self._tracks:
            joints = track.predict(self._time)
            inside = ((middle(joints) >= 0) & (middle(joints) < rgb.shape[1::-1])).all()
            if track.lost or not inside:
                continue
            if self.use_landmarks:
                landmarks = self._landmarks_of(rgb, track)
            elif track.against and self._landmarks_of(rgb, track) is None:  # a doubt about the side is settled soon
                landmarks = None
            else:
                landmarks = Landmarks.of_joints(joints, track.side)
            if landmarks is not None:
                found[track.number] = landmarks
        return found

    def _landmarks_of(self, rgb: np.ndarray, track: Track) -> Landmarks | None:
        """One pass of the landmark model over where a hand should be; None where it sees no hand.

        What it says of the side counts unless another hand is so near that it may be speaking of that one.
        """
        joints = track.predict(self._time)
        landmarks = self.estimator.landmark_model(rgb, region_of(joints))
        if landmarks.presence < LEAST_PRESENCE:
            return None
        alone = all(other is track or other.lost or middles_apart(joints, other.joints) > 1 for other in self._tracks)
        track.update_side(landmarks.right, counts=alone)
        return landmarks

    def _should_detect(self, found: dict[int, Landmarks]) -> bool:
        missing = [track for track in self._tracks if track.number not in found]
        if not found or not all(track.lost for track in missing):  # lost just now
            return True
        unsure = any(landmarks.presence < UNSURE_PRESENCE for landmarks in found.values())
        return self._time - self._detected >= (LOST_HANDS_S if missing or unsure else NEW_HANDS_S)

    def _detect(self, rgb: np.ndarray, found: dict[int, Landmarks]) -> set[int]:
        """Adds to `found` hands that were not followed, or not well; returns the numbers of tracks that this begins."""
        self._detected, begun = self._time, set()
        if not self.use_landmarks:  # now and then, another model should say what the network follows
            for track in self._tracks:
                if track.number in found and self._landmarks_of(rgb, track) is None:
                    del found[track.number]
        for region in self.estimator.detector(rgb):
            track = self._track_in(region, found)
            if track is None and len(found) >= self.max_hands:
                continue
            if track is not None and found[track.number].presence >= UNSURE_PRESENCE:
                continue
            landmarks = confirmed_landmarks(rgb, region, self.estimator.landmark_model)
            if not is_hand(landmarks, region):
                continue
            if track is not None:
                if landmarks.presence < found[track.number].presence:
                    continue
            elif (box_iou(landmarks.box, np.array([hand.box for hand in found.values()]).reshape(-1, 2, 2))
                  >= SAME_HAND_IOU).any():
                continue  # as in a photo
            else:
                track = self._missing_track_of(landmarks, found)
            if track is None:
                self._number += 1
                track = Track(self._number, landmarks.side, landmarks.points[:, :2], self._time)
                self._tracks.append(track)
                begun.add(track.number)
            found[track.number] = landmarks
        return begun

    def _track_in(self, region: HandRegion, found: dict[int, Landmarks]) -> Track | None:
        """The followed track whose hand is in a region."""
        for track in self._tracks:
            if track.number in found:
                joints = found[track.number].points[:, :2]
                if np.linalg.norm(middle(joints) - region.center) < SAME_REGION * size(joints):
                    return track
        return None

    def _missing_track_of(self, landmarks: Landmarks, found: dict[int, Landmarks]) -> Track | None:
        """The missing track that a hand which came back belongs to."""
        joints = landmarks.points[:, :2]

        def excess(track: Track) -> float:  # sizes by which it is farther away than it can have moved
            away = np.linalg.norm(middle(joints) - middle(track.predict(self._time))) / size(track.joints)
            away += OTHER_SIDE * (landmarks.side != track.side)
            return away - REACH - REACH_SPEED * (self._time - track.time_s)

        missing = [track for track in self._tracks if track.number not in found]
        return min((track for track in missing if excess(track) < 0), key=excess, default=None)

    def _drop_duplicates(self, aligned: dict[int, AlignedHand]) -> None:
        """Where two tracks follow one hand, that one stays which expected it there and holds its side."""
        tracks = [track for track in self._tracks if track.number in aligned]
        if len(tracks) < 2:
            return

        def surprise(track: Track) -> float:
            joints = aligned[track.number].joints_2d
            return joints_apart(joints, track.predict(self._time)) + OTHER_SIDE * track.other_side

        for track in sorted(tracks, key=surprise, reverse=True):
            others = (aligned[other.number].joints_2d for other in tracks
                      if other is not track and other.number in aligned)
            if any(joints_apart(aligned[track.number].joints_2d, joints) < SAME_HAND for joints in others):
                del aligned[track.number]

    def _place(self, track: Track, aligned: AlignedHand) -> Hand:
        if not self.smooth:
            return self.estimator.place_hand(self.camera, aligned)
        smoother = track.smoother
        pose, betas = smoother.smooth_pose(aligned.pose, aligned.betas, aligned.score, self._time)
        return self.estimator.place_hand(
            self.camera, replace(aligned, pose=pose, betas=betas),
            lambda joints, transl: smoother.smooth_translation(joints, transl, self._time))
