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

from .align import align
from .camera import Camera, told_camera
from .crop_predictor import CropPredictor
from .detection.find_hands import find_hands
from .detection.hand_detector import HandDetector
from .detection.landmarks import LandmarkModel, Landmarks, landmarks_in_box
from .detection.region import Detector, HandBox
from .hand import Hand, Result
from .hand_model.mano import hand_model_file
from .hand_model.model import HandModel
from .hand_model.model_file import version_fits
from .hand_model.rotations import rotmat_to_rotation
from .hand_model.skeleton import MIRROR
from .image import Photo
from .lens import guess_lens, metres_a_pixel
from .network.checkpoint import CHECKPOINT
from .network.engine import Engine, load_engine
from .network.onnx_session import usual_threads
from .person import Person
from .photo import as_photo
from .placement import NEAREST, solve_translation
from .prediction import HandPrediction, PhotoPrediction

LEAST_SPREAD = 0.01  # crop units; no joint is trusted to be better known than this
# Alignment takes a hand for seen from so many times as far away as the camera says, so that no finger is bent to
# explain a perspective that is not there: the network's joints show less of it than a photo does. Chosen with an eye on
# the 145 photos with true joints, where it takes .2 mm off PA-MPJPE; renders lose .05 by it (`benchmarks.perspective`).
LESS_PERSPECTIVE = 1.5
# Of a hand that is reported. Chosen with an eye on the photos of `benchmarks.scores`, where all that scored less than
# .4 were hands, and on the 145 photos with true joints, of which two score .29.
MIN_SCORE = 0.25


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
        if model.name == "open" and not version_fits(engine.config.hand_version, model.version):
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

    @property
    def predictor(self) -> CropPredictor:
        """What asks the network about hands in an image."""
        return CropPredictor(self.engine, self.crop_size)

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
            hands = self.predictor.predict_regions(photo.rgb, [one for one in regions if one.score >= MIN_SCORE])
        else:
            hands = self.predictor.predict_hands(photo.rgb, found, use_landmarks)
        if camera is None:
            camera = self.guess_lens(Camera.of_photo(width, height, focal_35mm=photo.focal_35mm), hands)
        return PhotoPrediction(width, height, camera, tuple(hands), boxes is not None, lens)

    def find(self, rgb: np.ndarray) -> list[Landmarks]:
        """Where hands are in an image (H, W, 3) uint8 RGB, upright, as the landmark model sees them, or else, without
        depth, the network."""
        return find_hands(rgb, self.detector, self.landmark_model, witness=self.predictor)

    def guess_lens(self, usual: Camera, hands: Sequence[HandPrediction]) -> Camera:
        """A usual camera, or what those of its hands that would be reported say of the lens."""
        return guess_lens(usual, [metres_a_pixel(hand, self.skeleton) for hand in hands if hand.score >= MIN_SCORE])

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
