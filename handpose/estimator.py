"""From an image to hands: detector -> landmarks -> crop -> network -> hand model -> camera."""
from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from .align import refine
from .camera import Camera, Crop
from .detection.landmarks import LandmarkModel, Landmarks, find_hands
from .detection.palm_detector import Detector, PalmDetector
from .hand import Hand
from .hand_model.mano import hand_model_file
from .hand_model.model import HandModel
from .hand_model.rotations import rotmat_to_rotation
from .hand_model.skeleton import MIRROR
from .network.checkpoint import CHECKPOINT
from .network.engine import Answer, Engine, load_engine, usual_threads
from .placement import solve_translation

CROP_SCALE = 1.4  # the crop's side over that of the joints' upright box
LEAST_SPREAD = 0.01  # crop units; no joint is trusted to be better known than this
# Pictures whose lens is not told are often cut out of larger ones: alignment takes them for seen from farther away than
# the default camera says, so that no finger is bent to explain a perspective that is not there.
GUESSED_LENS = 1.5
MIN_SCORE = 0.3  # of a hand that is told of


def upright_box(joints_2d: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Centre (2,), side and angle (radians, as in `Crop.around`) of the square box of joints (21, 2), fingers up."""
    up = (joints_2d[5] + joints_2d[13]) / 4 + joints_2d[9] / 2 - joints_2d[0]
    angle = float(np.arctan2(up[0], -up[1]))
    upright = Crop.around(np.zeros(2), 1.0, angle, 1)
    turned = upright.to_crop(joints_2d)
    low, high = turned.min(0), turned.max(0)
    return upright.to_image((low + high) / 2), float((high - low).max()), angle


@dataclass(frozen=True)
class Sighting:
    """What one look says of a hand, in the camera's frame, before it stands anywhere."""
    side: str
    score: float  # 0..1
    seen: np.ndarray  # (21, 2) pixels of the image, where the network itself sees the joints
    trust: np.ndarray  # (21,) weights of `seen` against each other
    pose: Rotation  # of MANO's 16 joints: global_orient, then hand_pose
    betas: np.ndarray  # (10,)


Settle = Callable[[np.ndarray, np.ndarray], np.ndarray]  # joints (21, 3) before transl, transl (3,) -> transl (3,)


class HandEstimator:
    """Finds the hands in an image and gives each as a posed MANO-format hand in the camera's frame.

        estimator = HandEstimator.load()
        hands = estimator(rgb)  # rgb: (H, W, 3) uint8, upright
    """

    def __init__(self, engine: Engine, hand_model: HandModel, detector: Detector, landmark_model: LandmarkModel,
                 refinement: bool = True):
        self.engine, self.detector, self.landmark_model = engine, detector, landmark_model
        self.hand_models = {"right": hand_model, "left": hand_model.left()}
        self.skeleton, self.refinement = hand_model.joints_only(), refinement
        self.crop_size = engine.config.input_size

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
        return cls(engine, model, PalmDetector.load(threads=threads), LandmarkModel.load(threads=threads))

    def for_live(self) -> HandEstimator:
        """The same models on smaller crops, if the checkpoint takes such: quicker, and less exact.

        Worth it where the network alone follows a hand, `HandTracker(estimator.for_live(), use_landmarks=False)`.
        """
        live = copy(self)
        live.crop_size = self.engine.config.live_size or self.crop_size
        return live

    def find(self, rgb: np.ndarray) -> list[Landmarks]:
        """Where hands are in an image (H, W, 3) uint8 RGB, upright, as the landmark model sees them."""
        return find_hands(rgb, self.detector, self.landmark_model)

    def __call__(self, rgb: np.ndarray, camera: Camera | None = None, found: list[Landmarks] | None = None
                 ) -> list[Hand]:
        """The hands in an image (H, W, 3) uint8 RGB, upright, surest first.

        `camera` defaults to a usual one; `found` to what `find` finds. Of a photo whose lens nobody tells,
        `lens.guess_lens(camera, found)` is a better guess.
        """
        height, width = rgb.shape[:2]
        camera = camera or Camera.of_photo(width, height)
        hands = self.pose(rgb, camera, self.find(rgb) if found is None else found)
        return sorted((hand for hand in hands if hand.score >= MIN_SCORE), key=lambda hand: -hand.score)

    def pose(self, rgb: np.ndarray, camera: Camera, found: list[Landmarks], use_landmarks: bool = True) -> list[Hand]:
        """The hands that landmarks (of `found`) were seen of; `use_landmarks=False` lets them only place the crops."""
        return [self.stand(camera, sighting) for sighting in self.sightings(rgb, camera, found, use_landmarks)]

    def sightings(self, rgb: np.ndarray, camera: Camera, found: list[Landmarks], use_landmarks: bool = True
                  ) -> list[Sighting]:
        """The same hands before they stand anywhere: what a tracker goes on with."""
        looks = self.look([rgb] * len(found), found, use_landmarks)
        return [self.sight(camera, crop, landmarks.presence, answer)
                for landmarks, (crop, answer) in zip(found, looks, strict=True)]

    def look(self, images: list[np.ndarray], found: list[Landmarks], use_landmarks: bool = True
             ) -> list[tuple[Crop, Answer]]:
        """The crop of each hand and the network's answer to it; `found[n]` were seen in `images[n]`."""
        crops = [self.crop_of(landmarks) for landmarks in found]
        points = [landmarks_in_crop(landmarks, crop) for landmarks, crop in zip(found, crops, strict=True)]
        return list(zip(crops, self.look_at(images, crops, points if use_landmarks else None), strict=True))

    def crop_of(self, landmarks: Landmarks) -> Crop:
        """The upright crop around a hand that shows it to the network as a right one."""
        center, side, angle = upright_box(landmarks.points[:, :2])
        return Crop.around(center, CROP_SCALE * side, angle, self.crop_size, mirrored=landmarks.right < 0.5)

    def look_at(self, images: list[np.ndarray], crops: list[Crop], points: list[np.ndarray] | None = None
                ) -> list[Answer]:
        """The network's answer to each `crops[n]` of `images[n]`, given `landmarks_in_crop` or not."""
        if not crops:
            return []
        shown = np.stack([crop.warp(rgb) for crop, rgb in zip(crops, images, strict=True)])
        return self.engine(shown, None if points is None else np.stack(points))

    def to_hand(self, camera: Camera, crop: Crop, presence: float, answer: Answer) -> Hand:
        """One hand of the network's answer, brought from the crop's frame to the photo's camera."""
        return self.stand(camera, self.sight(camera, crop, presence, answer))

    def sight(self, camera: Camera, crop: Crop, presence: float, answer: Answer) -> Sighting:
        """The network's answer, aligned and brought from the crop's frame to that of the photo's camera."""
        trust = 1 / (answer.spread + LEAST_SPREAD) ** 2
        focal = camera.fx * crop.scale * 2 / crop.size
        rotations, betas = self._align(answer, trust, focal * (GUESSED_LENS if camera.source == "default" else 1))
        turn = crop.rotation
        if crop.mirrored:
            # The crop shows M x of what the camera sees; a left hand is the right one's mirror image M v, so that
            # M R v = (M R M)(M v): both frames are mirrored and the rotation between them is a proper one again.
            rotations, turn = rotations * np.outer(MIRROR, MIRROR), turn * MIRROR
        rotations[0] = camera.rotation_to(crop.center) @ turn @ rotations[0]
        return Sighting("left" if crop.mirrored else "right", presence * answer.confidence, joints_seen(crop, answer),
                        trust, rotmat_to_rotation(rotations), betas)

    def stand(self, camera: Camera, sighting: Sighting, settle: Settle | None = None) -> Hand:
        """The hand that was seen, where its joints are seen; `settle` may have it stand a little elsewhere."""
        model, pose = self.hand_models[sighting.side], sighting.pose.as_rotvec()
        posed = model.pose(sighting.pose.as_matrix()[None].astype(np.float32), sighting.betas[None].astype(np.float32),
                           np.zeros((1, 3), np.float32))
        joints = posed.joints[0].astype(float)
        rays = (sighting.seen - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
        transl = solve_translation(joints[None], rays[None], sighting.trust[None])[0]
        if settle is not None:
            transl = settle(joints, transl)
        joints_3d = joints + transl
        joints_2d = camera.project(joints_3d)
        return Hand(side=sighting.side, score=sighting.score,
                    box=np.concatenate([joints_2d.min(0), joints_2d.max(0)]), hand_model=model.name,
                    joints_2d=joints_2d, joints_3d=joints_3d,
                    vertices=posed.vertices[0] + transl, faces=model.faces,
                    global_orient=pose[0], hand_pose=pose[1:].reshape(45), betas=sighting.betas, transl=transl)

    def _align(self, answer: Answer, trust: np.ndarray, focal: float) -> tuple[np.ndarray, np.ndarray]:
        """Rotations (16, 3, 3) and betas (10,) aligned with where the network sees the joints, and with world points.

        `focal` is that of the crop in crop units.
        """
        rotations, betas = answer.rotations.astype(float), answer.betas.astype(float)
        if not self.refinement:
            return rotations, betas
        rays = answer.joints[:, :2].astype(float) / focal
        rotations, betas, _ = refine(self.skeleton, rotations, betas, rays, trust ** -0.5 / focal, answer.world)
        return rotations, betas


def joints_seen(crop: Crop, answer: Answer) -> np.ndarray:
    """Where the network itself sees the joints, (21, 2) image pixels."""
    return crop.to_image(((answer.joints[:, :2].astype(float) + 1) * crop.size - 1) / 2)


def landmarks_in_crop(landmarks: Landmarks, crop: Crop) -> np.ndarray:
    """The network's landmark values (21, 6): u, v, depth in crop units; world points, crop's frame, decimetres."""
    half = crop.size / 2
    uv = (crop.to_crop(landmarks.points[:, :2]) + 0.5) / half - 1
    depth = landmarks.points[:, 2:] * crop.scale / half
    world = (landmarks.world - landmarks.world[:1]) @ crop.rotation
    return np.hstack([uv, depth, world * 10])
