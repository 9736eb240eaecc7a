"""From a photo to its hands: detect -> crop -> predict -> align -> place.

`predict` is what the networks say, whatever the camera; `place` brings it before a camera. A tracker shares the second
half: `align`, then `place_hand`.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.special import expit, logit

from .align import align
from .camera import Camera, told_camera
from .crop import Crop, upright_box
from .detection.hand_detector import HAND_SCALE, HandDetector
from .detection.landmarks import SAME_HAND_IOU, LandmarkModel, Landmarks, find_hands, landmarks_in_box, region_of
from .detection.region import Detector, HandBox, HandRegion, box_iou
from .hand import Hand, Result
from .hand_model.mano import hand_model_file
from .hand_model.model import HandModel
from .hand_model.rotations import rotmat_to_rotation
from .hand_model.skeleton import MIRROR
from .image import Photo
from .lens import guess_lens
from .network.checkpoint import CHECKPOINT
from .network.engine import Engine, Prediction, load_engine
from .network.onnx_session import usual_threads
from .person import Person
from .photo import as_photo
from .placement import NEAREST, solve_translation
from .prediction import HandPrediction, PhotoPrediction

CROP_SCALE = 1.4  # the crop's side over that of the joints' upright box
STILL_SURE = 0.5  # of the first look's sureness, from which on a second one counts
LEAST_SURENESS = 0.25  # of 37 photos, right hands had a sureness of .41 and more, wrong ones .18 and less
LEAST_SPREAD = 0.01  # crop units; no joint is trusted to be better known than this
# Alignment takes a hand for seen from so many times as far away as the camera says, so that no finger is bent to
# explain a perspective that is not there: the network's joints show less of it than a photo does. Chosen with an eye on
# the 145 photos with true joints, where it takes .2 mm off PA-MPJPE; renders lose .05 by it (`benchmarks.perspective`).
LESS_PERSPECTIVE = 1.5
MIN_SCORE = 0.3  # of a hand that is reported
# Regions in which the landmark model is not sure of a hand are given it anew as the network frames them, if its first
# look is so sure and its second one so much surer. Chosen with an eye on the 43 photos of the recall set and on
# tests/photos.
GLANCED_SURENESS, AIMED_SURENESS = 0.01, 0.15


@dataclass(frozen=True, eq=False)
class AlignedHand:
    """A hand's pose and shape in the camera's frame, and where its joints are seen; not yet placed."""
    side: str
    score: float  # 0..1
    joints_2d: np.ndarray  # (21, 2) image pixels, where the network sees the joints
    weights: np.ndarray  # (21,) of these joints against each other
    pose: Rotation  # of MANO's 16 joints: global_orient, then hand_pose
    betas: np.ndarray  # (10,)
    spread: np.ndarray | None = None  # (21,) image pixels, how far off the network expects `joints_2d` to be


# Joints (21, 3) before they are placed and the translation (3,) that was solved for -> the one to take, all in metres.
SmoothTranslation = Callable[[np.ndarray, np.ndarray], np.ndarray]


class HandEstimator:
    """Finds the hands in a photo and gives each as a posed MANO-format hand in the camera's frame.

        estimator = HandEstimator.load()
        result = estimator(load_photo("hand.jpg"))
        for hand in result.hands:
            print(hand.side, hand.joints_3d)

    Serves several threads. Can be pickled if `load` made it.
    """

    def __init__(self, engine: Engine, hand_model: HandModel, detector: Detector, landmark_model: LandmarkModel,
                 alignment: bool = True):
        """`alignment=False` takes the network's rotations and betas as they are."""
        self.engine, self.detector, self.landmark_model = engine, detector, landmark_model
        self.hand_models = {"right": hand_model, "left": hand_model.left()}
        self.skeleton, self.alignment, self.person = hand_model.joints_only(), alignment, Person()
        self.crop_size = engine.config.input_size
        self._loaded_from: tuple | None = None

    @classmethod
    def load(cls, checkpoint: str | Path | None = None, hand_model: str | Path | None = None,
             threads: int | None = None) -> HandEstimator:
        """Reads the models that ship with the package, or another checkpoint: a folder or a Hub id "owner/name".

        `threads` are each model's (default: one a core, but not many). A checkpoint of MANO's hand needs MANO's file:
        `hand_model`, or where `mano.find_mano` finds it.
        Raises FileNotFoundError or ValueError naming the remedy.
        """
        threads = threads or usual_threads()
        engine = load_engine(checkpoint or CHECKPOINT, threads)
        model = HandModel.load(hand_model_file(engine.config.hand_model, hand_model))
        if engine.config.hand_model != model.name:
            raise ValueError(f"The checkpoint answers for the hand model {engine.config.hand_model!r}, not "
                             f"{model.name!r}; give the checkpoint that was trained with it, or its hand model.")
        if model.name == "open" and engine.config.hand_version != model.version:
            raise ValueError(f"The checkpoint answers for version {engine.config.hand_version} of the open hand, not "
                             f"{model.version}: give a checkpoint of this handpose, or the one of its time.")
        estimator = cls(engine, model, HandDetector.load(threads=threads), LandmarkModel.load(threads=threads))
        estimator._loaded_from = checkpoint, hand_model, threads
        return estimator

    def __reduce__(self):
        """Networks that run cannot be pickled: the copy loads the same files."""
        if self._loaded_from is None:
            raise TypeError("Only an estimator that HandEstimator.load made can be pickled, for its copy loads the "
                            "same files: pickle what this one is made of.")
        return HandEstimator.load, self._loaded_from, {
            name: getattr(self, name) for name in ("alignment", "crop_size", "person", "hand_models")}

    def for_live(self) -> HandEstimator:
        """The same models on smaller crops, if the checkpoint takes such: quicker, and less exact.

        Worth it where the network alone follows a hand, `HandTracker(estimator.for_live(), use_landmarks=False)`.
        """
        live = copy(self)
        live.crop_size = self.engine.config.live_size or self.crop_size
        return live

    def for_person(self, hand_length: float | None = None, betas: np.ndarray | None = None) -> HandEstimator:
        """The same models for one person's hands (see `person.Person`): what is known of them, their distances follow.

        `hand_length` in metres from wrist to middle fingertip; `betas` (10,) as `person.common_betas` finds them in
        some photos. Raises ValueError.
        """
        known = copy(self)
        known.person = Person(hand_length, betas)
        scale = known.person.scale(self.skeleton) / self.hand_models["right"].scale
        known.hand_models = {side: model.scaled(scale) for side, model in self.hand_models.items()}
        return known

    def __copy__(self) -> HandEstimator:
        other = object.__new__(type(self))  # shares the networks
        other.__dict__.update(self.__dict__)
        return other

    def __call__(self, photo: Photo | np.ndarray, camera: Camera | None = None, *, focal_px: float | None = None,
                 fov_deg: float | None = None, boxes: Sequence[HandBox | Sequence[float]] | None = None,
                 min_score: float = MIN_SCORE) -> Result:
        """The hands of a photo, surest first, and the camera that they are placed before.

        `photo` is what `load_photo` gives, or pixels as `photo.as_photo` takes them: RGB (H, W, 3) uint8, upright.
        The camera may be told: whole, by its focal length in pixels, or by its field of view across the longer side
        in degrees; else it is EXIF's or a guess. `boxes` are hands that are known to be there, in image pixels: (u0,
        v0, u1, v1) or a `HandBox`, which may tell the side. The result then has a hand for each, in their order,
        however unsure, and no other; else those of a score of at least `min_score` (0..1). All pixels are those of the
        photo as it was given, whatever its lens.
        Raises PhotoError for what is no photo and ValueError for a camera or a box that cannot be.
        """
        photo = as_photo(photo)
        told = told_camera(photo.width, photo.height, camera, focal_px, fov_deg)
        return self.place(self.predict(photo, boxes, camera=told), min_score=min_score)

    # ---- what the networks say

    def predict(self, photo: Photo, boxes: Sequence[HandBox | Sequence[float]] | None = None,
                found: Sequence[Landmarks] | None = None, use_landmarks: bool = True,
                camera: Camera | None = None) -> PhotoPrediction:
        """What the networks say of a photo: of its hands, or of those in `boxes`.

        `found` are landmarks that are known already. `use_landmarks=False` lets these only place the crops; without
        `found` and `boxes` the detector places them, and the landmark model is not asked. `camera` is
        the photo's, if it was told: of one that is not plain, the networks are shown the photo as a plain one sees it.
        """
        width, height, lens = photo.width, photo.height, None
        if boxes is not None:
            boxes = [HandBox.of(box) for box in boxes]
            for box in boxes:
                box.check_inside(width, height)
        if camera is not None and not camera.is_plain:
            rgb, plain = camera.plain(photo.rgb)
            if boxes is not None:
                last = np.array([width, height]) - 1
                boxes = [box.moved(lambda pixels: plain.pixels(camera.rays(pixels.clip(0, last)))) for box in boxes]
            photo, camera, lens = Photo(rgb), plain, camera
        if boxes is not None:
            found = [landmarks_in_box(photo.rgb, box, self.landmark_model) for box in boxes]
        elif found is None and use_landmarks:
            found = self.find(photo.rgb)
        if found is None:
            regions = self.detector(photo.rgb, thorough=True)  # a hand's score is never above its region's
            hands = self.predict_regions(photo.rgb, [region for region in regions if region.score >= MIN_SCORE])
        else:
            hands = self.predict_hands(photo.rgb, found, use_landmarks)
        if camera is None:
            camera = guess_lens(Camera.of_photo(width, height, focal_35mm=photo.focal_35mm), found or ())
        return PhotoPrediction(width, height, camera, tuple(hands), boxes is not None, lens)

    def find(self, rgb: np.ndarray) -> list[Landmarks]:
        """Where hands are in an image (H, W, 3) uint8 RGB, upright, as the landmark model sees them."""
        return find_hands(rgb, self.detector, self.landmark_model, aim=self.aim)

    def aim(self, rgb: np.ndarray, regions: Sequence[HandRegion]) -> list[HandRegion]:
        """Where the network, from an image (H, W, 3) uint8 RGB alone, sees the hands that a detector found, of those
        that it knows as hands: it tells better which way they point. Each is as sure as both are in the mean."""
        hands = [max(pair, key=lambda hand: hand.sureness) for pair in self._of_either_side(rgb, regions)]
        hands = self.look_again(rgb, [hand for hand in hands if hand.sureness >= GLANCED_SURENESS])
        return [region_of(hand.joints_2d, float(expit((logit(hand.presence) + logit(hand.sureness)) / 2)))
                for hand in hands if hand.sureness >= AIMED_SURENESS]

    def predict_hands(self, rgb: np.ndarray, found: Sequence[Landmarks], use_landmarks: bool = True
                      ) -> list[HandPrediction]:
        """What the network says of each hand that was found in an image (H, W, 3) uint8 RGB."""
        crops = [self.crop_of(landmarks) for landmarks in found]
        points = [landmarks_in_crop(landmarks, crop) for landmarks, crop in zip(found, crops, strict=True)]
        predictions = self.predict_crops(rgb, crops, points if use_landmarks else None)
        hands = [HandPrediction(crop, landmarks.presence, prediction)
                 for landmarks, crop, prediction in zip(found, crops, predictions, strict=True)]
        return hands if use_landmarks else self.look_again(rgb, hands)

    def predict_regions(self, rgb: np.ndarray, regions: Sequence[HandRegion]) -> list[HandPrediction]:
        """What the network says of the hands in a detector's regions of an image (H, W, 3) uint8 RGB, from it alone,
        each hand once and none that it hardly knows as one. It is shown each as one of either side, and what it is
        surer of counts."""
        pairs = self._of_either_side(rgb, regions)
        hands = self.look_again(rgb, [hand for pair in pairs for hand in pair])
        surest = [max(pair, key=lambda hand: hand.sureness) for pair in zip(hands[::2], hands[1::2], strict=True)]
        found: list[HandPrediction] = []
        for hand in sorted(surest, key=lambda hand: -hand.sureness):
            others = np.array([other.box for other in found]).reshape(-1, 2, 2)
            if hand.sureness >= LEAST_SURENESS and (box_iou(hand.box, others) < SAME_HAND_IOU).all():
                found.append(hand)
        return found

    def _of_either_side(self, rgb: np.ndarray, regions: Sequence[HandRegion]
                        ) -> list[tuple[HandPrediction, HandPrediction]]:
        """What the network says of each region from the image alone, shown as a right and as a left hand; `presence` is
        the region's score."""
        crops = [Crop.around(region.center, CROP_SCALE / HAND_SCALE * region.side, region.angle, self.crop_size,
                             mirrored) for region in regions for mirrored in (False, True)]
        hands = [HandPrediction(crop, regions[row // 2].score, prediction)
                 for row, (crop, prediction) in enumerate(zip(crops, self.predict_crops(rgb, crops), strict=True))]
        return list(zip(hands[::2], hands[1::2], strict=True))

    def look_again(self, rgb: np.ndarray, hands: list[HandPrediction]) -> list[HandPrediction]:
        """The hands, those looked at once more, from the image alone, whose joints give another crop than they were
        seen in. The second look counts, unless the network is much less sure of it."""
        framed = [self.crop_about(hand.joints_2d, hand.crop.mirrored) for hand in hands]
        moved = [row for row, (hand, crop) in enumerate(zip(hands, framed, strict=True)) if hand.crop.is_off(crop)]
        looked = self.predict_crops(rgb, [framed[row] for row in moved])
        again = {row: HandPrediction(framed[row], hands[row].presence, prediction)
                 for row, prediction in zip(moved, looked, strict=True)}
        return [again[row] if row in again and again[row].sureness > STILL_SURE * hand.sureness else hand
                for row, hand in enumerate(hands)]

    def crop_of(self, landmarks: Landmarks) -> Crop:
        """The upright crop around a hand that shows it to the network as a right one."""
        return self.crop_about(landmarks.points[:, :2], landmarks.right < 0.5)

    def crop_about(self, joints_2d: np.ndarray, mirrored: bool) -> Crop:
        """The upright crop around joints (21, 2) pixels."""
        center, extent, angle = upright_box(joints_2d)
        return Crop.around(center, CROP_SCALE * extent.max(), angle, self.crop_size, mirrored)

    def predict_crops(self, rgb: np.ndarray, crops: list[Crop], landmarks: list[np.ndarray] | None = None
                      ) -> list[Prediction]:
        """What the network says of each crop of an image, given `landmarks_in_crop` or not."""
        if not crops:
            return []
        return self.engine(np.stack([crop.warp(rgb) for crop in crops]),
                           None if landmarks is None else np.stack(landmarks))

    # ---- before a camera

    def place(self, prediction: PhotoPrediction, camera: Camera | None = None, min_score: float = MIN_SCORE) -> Result:
        """The hands of a prediction before a plain camera (default: the prediction's own), surest first.

        Hands of a lower score than `min_score` are left out, unless somebody said that they are there.
        """
        lens = prediction.lens if camera is None else None
        camera = camera or prediction.camera
        chosen = prediction.hands
        if not prediction.told:
            chosen = sorted((hand for hand in chosen if hand.score >= min_score), key=lambda hand: -hand.score)
        hands = [self.place_hand(camera, self.align(camera, hand)) for hand in chosen]
        if lens is not None:
            camera, hands = lens, [hand.seen_by(lens) for hand in hands]
        return Result(prediction.width, prediction.height, camera, hands)

    def align(self, camera: Camera, hand: HandPrediction) -> AlignedHand:
        """Pose and shape, aligned with where the joints are seen, and turned from the crop's frame to the camera's."""
        crop, prediction = hand.crop, hand.prediction
        weights = 1 / (prediction.spread + LEAST_SPREAD) ** 2
        rotations = prediction.rotations.astype(float)
        betas = self.person.shape(self.skeleton, prediction.betas.astype(float))
        if self.alignment:
            focal = LESS_PERSPECTIVE * camera.fx * crop.scale * 2 / crop.size  # of the crop, in crop units
            rays = prediction.joints[:, :2].astype(float) / focal
            rotations, betas, _ = align(self.skeleton, rotations, betas, rays, weights ** -0.5 / focal,
                                        prediction.world, keep_shape=self.person.betas is not None)
            betas = self.person.shape(self.skeleton, betas)
        turn = crop.rotation
        if crop.mirrored:
            # The crop shows M x of what the camera sees; a left hand is the right one's mirror image M v, so that
            # M R v = (M R M)(M v): both frames are mirrored and the rotation between them is a proper one again.
            rotations, turn = rotations * np.outer(MIRROR, MIRROR), turn * MIRROR
        rotations[0] = camera.rotation_to(crop.center) @ turn @ rotations[0]
        return AlignedHand(hand.side, hand.score, hand.joints_2d, weights, rotmat_to_rotation(rotations), betas,
                           hand.spread)

    def place_hand(self, camera: Camera, aligned: AlignedHand, smooth: SmoothTranslation | None = None) -> Hand:
        """The hand where its joints are seen, always before the camera; `smooth` may move it over time."""
        model, pose = self.hand_models[aligned.side], aligned.pose.as_rotvec()
        posed = model.pose(aligned.pose.as_matrix()[None].astype(np.float32), aligned.betas[None].astype(np.float32),
                           np.zeros((1, 3), np.float32))
        joints = model.data_joints(posed)[0].astype(float)
        rays = (aligned.joints_2d - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
        transl = solve_translation(joints[None], rays[None], aligned.weights[None], NEAREST)[0]
        if smooth is not None:
            transl = smooth(joints, transl)
        joints_3d = joints + transl
        joints_2d = camera.project(joints_3d)
        return Hand(side=aligned.side, score=aligned.score,
                    box=np.concatenate([joints_2d.min(0), joints_2d.max(0)]), hand_model=model.name,
                    joints_2d=joints_2d, joints_3d=joints_3d,
                    vertices=posed.vertices[0] + transl, faces=model.faces,
                    global_orient=pose[0], hand_pose=pose[1:].reshape(45), betas=aligned.betas, transl=transl,
                    scale=model.scale, spread=aligned.spread)


def landmarks_in_crop(landmarks: Landmarks, crop: Crop) -> np.ndarray:
    """The network's landmark values (21, 6): u, v, depth in crop units; world points, crop's frame, decimetres."""
    half = crop.size / 2
    uv = (crop.to_crop(landmarks.points[:, :2]) + 0.5) / half - 1
    depth = landmarks.points[:, 2:] * crop.scale / half
    world = (landmarks.world - landmarks.world[:1]) @ crop.rotation
    return np.hstack([uv, depth, world * 10])
