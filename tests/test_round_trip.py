"""A hand that is known comes back from a picture as it was: crop, network, alignment and placement fit together.

In the place of all networks stands one that knows the truth. It answers in the frame of the crop that it is shown,
which it takes from what it is given, so that a crop, a landmark or a frame that is off by half a pixel shows.
"""
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handpose.camera import Camera
from handpose.crop import upright_box
from handpose.detection.landmarks import LandmarkModel, Landmarks
from handpose.detection.palm_detector import PalmDetector, anchor_centers
from handpose.detection.region import HandRegion
from handpose.estimator import MIN_SCORE, HandEstimator
from handpose.hand_model.model import HandModel
from handpose.image import Photo
from handpose.network.engine import Prediction
from handpose.tracker import HandTracker

MODEL = HandModel.load()
MODELS = {"right": MODEL, "left": MODEL.left()}
SIZE = 128  # px, of the network's crop
DOTS = [0, 5, 17]  # joints that the picture shows, as a red, a green and a blue dot
WIDTH, HEIGHT = 640, 480
CAMERAS = {"usual": Camera(600, 600, 319.5, 239.5), "wide": Camera(330, 330, 319.5, 239.5),
           "shifted": Camera(900, 900, 250.0, 300.0)}


class TrueHand:
    """A hand of this side as a camera sees it, its middle knuckle at a pixel (2,) and so many metres away."""

    def __init__(self, side: str, camera: Camera, pixel=(320, 240), distance: float = 0.6, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.side, self.camera = side, camera
        self.global_orient = Rotation.random(random_state=seed).as_rotvec()
        self.hand_pose = np.zeros((15, 3))
        self.hand_pose[:12, 2] = rng.uniform(0, 1, 12) * (1 if side == "right" else -1)
        self.hand_pose = (self.hand_pose + rng.normal(scale=0.05, size=(15, 3))).ravel()
        self.betas = rng.normal(scale=0.5, size=10)
        ray = np.array([(pixel[0] - camera.cx) / camera.fx, (pixel[1] - camera.cy) / camera.fy, 1.0])
        self.transl = distance * ray - self._posed(np.zeros(3)).joints[0, 9]
        posed = self._posed(self.transl)
        self.joints_3d, self.vertices = posed.joints[0], posed.vertices[0]
        self.joints_2d = self._project(self.joints_3d, camera)

    def _posed(self, transl):
        parameters = self.global_orient, self.hand_pose, self.betas, transl
        return MODELS[self.side](*(values[None].astype(float) for values in parameters))

    @staticmethod
    def _project(points, camera):
        return np.stack([camera.fx * points[:, 0] / points[:, 2] + camera.cx,
                         camera.fy * points[:, 1] / points[:, 2] + camera.cy], -1)

    def picture(self, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
        """A black picture with a soft dot in a colour of its own for each of DOTS."""
        rgb = np.zeros((height, width, 3), np.uint8)
        radius = np.ptp(self.joints_2d, axis=0).max() / 40
        for channel, (u, v) in enumerate(self.joints_2d[DOTS]):
            assert 4 * radius < u < width - 4 * radius and 4 * radius < v < height - 4 * radius  # whole
            across, down = (np.exp(-(np.arange(length) - place) ** 2 / (2 * radius ** 2))
                            for length, place in ((width, u), (height, v)))
            rgb[..., channel] = 255 * down[:, None] * across
        return rgb


def dots_of(picture: np.ndarray) -> np.ndarray:
    """Where the dots (3, 2) of a picture are, pixel centres at integers."""
    weights = picture.astype(float).reshape(-1, 3)
    places = np.stack(np.meshgrid(np.arange(picture.shape[1]), np.arange(picture.shape[0])), -1).reshape(-1, 2)
    return weights.T @ places / weights.sum(0)[:, None]


def turn_to(ray: np.ndarray) -> np.ndarray:
    """The smallest rotation (3, 3) from the optical axis to a ray (3,)."""
    axis = np.cross([0, 0, 1], ray)
    angle = np.arctan2(np.linalg.norm(axis), ray[2])
    return Rotation.from_rotvec(axis / max(np.linalg.norm(axis), 1e-12) * angle).as_matrix()


class Knowing:
    """Detector, landmark model and engine that know a hand. `rows`: how many times as high their image is as its."""
    config = SimpleNamespace(input_size=SIZE, live_size=None, hand_model=MODEL.name)

    def __init__(self, hand: TrueHand, rows: float = 1.0):
        self.hand, self.asked = hand, 0
        camera = hand.camera
        self.focal = np.array([camera.fx, camera.fy * rows])
        self.middle = np.array([camera.cx, (camera.cy + 0.5) * rows - 0.5])
        self.points = hand.joints_3d[:, :2] / hand.joints_3d[:, 2:] * self.focal + self.middle
        center = self.points.mean(0)
        world = (hand.joints_3d - hand.joints_3d.mean(0)) @ turn_to(self.ray(center))
        depth = (hand.joints_3d[:, 2:] - hand.joints_3d[0, 2]) / hand.joints_3d[0, 2] * camera.fx
        self.landmarks = Landmarks(np.hstack([self.points, depth]), world, 1.0, float(hand.side == "right"))
        # How the answer differs from the truth.
        self.spread, self.joints_off, self.confidence, self.upside_down = np.full(21, 0.01), np.zeros((21, 2)), 0.9, 0

    def ray(self, pixel):
        return np.append((pixel - self.middle) / self.focal, 1)

    def detector(self, rgb, thorough=False, several=False):
        return [self.landmarks.region]

    def landmark_model(self, rgb, region, mirrored=False):
        return self.landmarks

    def __call__(self, crops, landmarks=None):
        """The truth about one crop, of which `landmarks` tell where in the image it lies."""
        self.asked += 1
        assert crops.shape == (1, SIZE, SIZE, 3) and crops.dtype == np.uint8
        assert np.shape(landmarks) == (1, 21, 6)
        given = landmarks[0].astype(float)
        assert np.abs(dots_of(crops[0]) - ((given[DOTS, :2] + 1) * SIZE - 1) / 2).max() < 0.15  # crop pixels

        # Image pixels to crop units, which is a turned and scaled square, mirrored if the hand is a left one.
        linear, *_ = np.linalg.lstsq(np.column_stack([self.points, np.ones(21)]), given[:, :2], rcond=None)
        linear, shift = linear[:2].T, linear[2]
        scale = np.sqrt(abs(np.linalg.det(linear)))
        assert np.allclose(self.points @ linear.T + shift, given[:, :2], atol=1e-9)
        assert np.allclose(linear @ linear.T, scale ** 2 * np.eye(2), atol=1e-9)
        assert (np.linalg.det(linear) > 0) == (self.hand.side == "right")
        # The fingers point up, and the joints' box is as large as in the crops that the network was trained on.
        up = (given[5] + given[13]) / 4 + given[9] / 2 - given[0]
        assert abs(up[0]) < 1e-9 and up[1] < 0
        assert np.ptp(given[:, :2], axis=0).max() == pytest.approx(2 / 1.4)
        turn = np.eye(3)
        turn[:2, :2] = linear / scale
        assert np.allclose(given[:, 2], self.landmarks.points[:, 2] * scale)
        assert np.allclose(given[:, 3:], 10 * (self.landmarks.world - self.landmarks.world[0]) @ turn.T)

        frame = turn @ turn_to(self.ray(np.linalg.solve(linear, -shift))).T  # camera frame to the crop's
        rotations = Rotation.from_rotvec(np.vstack([self.hand.global_orient, self.hand.hand_pose.reshape(15, 3)]))
        rotations = rotations.as_matrix()
        rotations[0] = frame @ rotations[0]
        if self.hand.side == "left":  # the right hand that the crop shows
            mirror = np.diag([-1.0, 1, 1])
            rotations = np.concatenate([rotations[:1] @ mirror, mirror @ rotations[1:] @ mirror])
        seen = given[:, :2] * (-1 if self.upside_down else 1) + self.joints_off
        joints = np.column_stack([seen, given[:, 2]])
        return [Prediction(joints, self.spread, rotations, self.hand.betas, self.confidence, given[:, 3:] / 10)]


def estimator_of(knowing: Knowing, alignment: bool = False) -> HandEstimator:
    return HandEstimator(knowing, MODEL, knowing.detector, knowing.landmark_model, alignment)


def assert_same(hand, true: TrueHand, metres: float, pixels: float, radians: float):
    assert hand.side == true.side and hand.score == pytest.approx(0.9)
    for name, within in (("joints_3d", metres), ("vertices", metres), ("transl", metres), ("joints_2d", pixels)):
        assert np.abs(getattr(hand, name) - getattr(true, name)).max() < within, name
    for name in ("global_orient", "hand_pose"):
        turns = (Rotation.from_rotvec(getattr(each, name).reshape(-1, 3)) for each in (hand, true))
        assert (next(turns).inv() * next(turns)).magnitude().max() < radians, name
    assert np.allclose(hand.box, [*hand.joints_2d.min(0), *hand.joints_2d.max(0)])


HANDS = [("usual", (320, 240), 0.6), ("usual", (120, 130), 0.5), ("usual", (590, 240), 0.8), ("wide", (130, 400), 0.3),
         ("shifted", (500, 100), 1.5), ("shifted", (320, 300), 4.0)]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("number", range(len(HANDS)))
def test_a_hand_comes_back_exactly(number, side):
    """Off centre, turned, of either side, partly out of the picture, near and far: to float32's last digits."""
    camera, pixel, distance = HANDS[number]
    true = TrueHand(side, CAMERAS[camera], pixel, distance, seed=number)
    knowing = Knowing(true)
    result = estimator_of(knowing)(true.picture(), true.camera)
    assert result.camera == true.camera and (result.width, result.height) == (WIDTH, HEIGHT) and knowing.asked == 1
    assert_same(result.hands[0], true, metres=5e-6, pixels=5e-3, radians=1e-5)
    assert np.array_equal(result.hands[0].betas, true.betas)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("number", [0, 1, 2, 4, 5])
def test_alignment_leaves_a_true_hand_nearly_as_it_is(number, side):
    """Nearly, for the truth is a stationary point only where a crop is what a turned camera would see."""
    camera, pixel, distance = HANDS[number]
    true = TrueHand(side, CAMERAS[camera], pixel, distance, seed=number)
    (hand,) = estimator_of(Knowing(true), alignment=True)(true.picture(), true.camera).hands
    assert_same(hand, true, metres=0.01, pixels=4, radians=0.1)


def bend_of(hand, true: TrueHand) -> float:
    """Radians in the mean by which joints are turned off the true hand's."""
    poses = (Rotation.from_rotvec(each.hand_pose.reshape(15, 3)) for each in (hand, true))
    return (next(poses).inv() * next(poses)).magnitude().mean()


@pytest.mark.parametrize("distance, longer", [(0.5, 2.25), (0.9, 1.5)])
def test_alignment_expects_the_perspective_of_a_lens_half_as_long_again(distance, longer):
    """A hand before a camera that is so much longer than the told or guessed one keeps its pose.

    At 0.5 m the guess is 1.5 times the usual lens, by its own formula, and at 0.9 m the usual one.
    """
    usual, pixel = Camera.of_photo(WIDTH, HEIGHT), np.array([319.5, 239.5])
    for _ in range(3):  # so that the crop's middle is the camera's
        true = TrueHand("right", usual.narrowed(longer), pixel, distance, seed=5)
        pixel = pixel + [319.5, 239.5] - upright_box(true.joints_2d)[0]
    estimator = estimator_of(Knowing(true), alignment=True)
    guessed = estimator(true.picture())
    assert guessed.camera.fx == pytest.approx(usual.fx * longer / 1.5, rel=0.05)
    told = estimator(true.picture(), focal_px=guessed.camera.fx)
    for result in (guessed, told):
        assert bend_of(result.hands[0], true) < 0.003
    wider = estimator(true.picture(), focal_px=guessed.camera.fx / 1.5)
    assert bend_of(wider.hands[0], true) > 0.006


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_tracker_that_does_not_smooth_gives_what_a_photo_gives(side):
    true = TrueHand(side, CAMERAS["usual"], (180, 150), 0.5, seed=8)
    knowing = Knowing(true)
    tracker = HandTracker(estimator_of(knowing), smooth=False)
    for frame in range(3):  # found, then followed
        (one,) = tracker(true.picture(), frame / 30, true.camera)
        assert one.track == 1 and tracker.camera == true.camera and knowing.asked == frame + 1
        assert_same(one.hand, true, metres=5e-6, pixels=5e-3, radians=1e-5)


def test_smoothing_leaves_a_hand_at_rest_where_it_is():
    true = TrueHand("left", CAMERAS["usual"], (180, 150), 0.5, seed=8)
    tracker = HandTracker(estimator_of(Knowing(true)))
    for frame in range(10):
        (one,) = tracker(true.picture(), frame / 30, true.camera)
        assert_same(one.hand, true, metres=1e-5, pixels=1e-2, radians=1e-5)


@pytest.mark.parametrize("height", [1.3, 0.8])
@pytest.mark.parametrize("side", ["right", "left"])
def test_pixels_that_are_not_square(side, height):
    """To a thousandth of the height, for the picture is resampled to whole rows."""
    true = TrueHand(side, Camera(600, 600 * height, 330, 225), (230, 200), 0.5, seed=5)
    knowing = Knowing(true, rows=round(HEIGHT / height) / HEIGHT)
    estimator = estimator_of(knowing)
    result = estimator(true.picture(), true.camera)
    (one,) = HandTracker(estimator, smooth=False)(true.picture(), 0.0, true.camera)
    assert result.camera == true.camera and (result.width, result.height) == (WIDTH, HEIGHT)
    for hand in (result.hands[0], one.hand):
        assert_same(hand, true, metres=1e-3, pixels=0.5, radians=1e-2)


@pytest.mark.parametrize("alignment", [False, True])
def test_joints_that_are_known_worse_count_less(alignment):
    """The network is far off with three fingertips, and knows it."""
    true = TrueHand("right", CAMERAS["usual"], (320, 240), 0.6, seed=1)
    knowing = Knowing(true)
    (before,) = estimator_of(knowing, alignment)(true.picture(), true.camera).hands
    knowing.joints_off[[8, 12, 20]] = 0.5
    knowing.spread[[8, 12, 20]] = 1.0
    (after,) = estimator_of(knowing, alignment)(true.picture(), true.camera).hands
    assert np.abs(after.joints_3d - before.joints_3d).max() < 3e-3
    knowing.spread[:] = 0.01
    (misled,) = estimator_of(knowing, alignment)(true.picture(), true.camera).hands
    assert np.abs(misled.joints_3d - before.joints_3d).max() > 0.02


def test_an_unsure_hand_is_shown_only_to_who_asks_for_it():
    true = TrueHand("right", CAMERAS["usual"])
    knowing = Knowing(true)
    estimator = estimator_of(knowing)
    for confidence, shown in ((MIN_SCORE + 0.05, 1), (MIN_SCORE - 0.05, 0)):
        knowing.confidence = confidence
        assert len(estimator(true.picture(), true.camera).hands) == shown
        assert len(HandTracker(estimator)(true.picture(), 0.0, true.camera)) == shown
    prediction = estimator.predict(Photo(true.picture()))
    assert len(estimator.place(prediction, true.camera, min_score=MIN_SCORE - 0.1).hands) == 1
    (hand,) = estimator(true.picture(), true.camera, boxes=[(200, 100, 450, 400)]).hands
    assert hand.score == pytest.approx(MIN_SCORE - 0.05)


def test_what_is_seen_behind_the_camera_is_placed_before_it_and_forgotten():
    """Joints turned upside down fit best to a hand behind the camera, whose logarithm of distance is no number."""
    true = TrueHand("right", CAMERAS["usual"], seed=2)
    knowing = Knowing(true)
    for alignment in (False, True):
        estimator = estimator_of(knowing, alignment)
        tracker = HandTracker(estimator)
        for frame in range(8):
            knowing.upside_down = frame < 3
            hands = estimator(true.picture(), true.camera).hands
            for hand in hands + [one.hand for one in tracker(true.picture(), frame / 30, true.camera)]:
                assert np.isfinite(hand.vertices).all() and np.isfinite(hand.joints_2d).all()
                assert hand.joints_3d[:, 2].min() > 0.019
        assert len(tracker(true.picture(), 2.0, true.camera)) == 1


# ---- the half pixel: networks count from the edge of the first pixel, pictures from its centre

class SeesDots:
    """In the place of MediaPipe's networks: finds the three dots in what it is shown, in its way of counting."""

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, picture):
        return self.answer(dots_of(picture) + 0.5)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("side, angle", [(250.0, 0.0), (420.0, 2.0), (900.0, -0.4)])
def test_landmarks_lie_where_the_model_sees_them(side, angle, mirrored):
    true = TrueHand("right", CAMERAS["usual"], (300, 250), 0.6, seed=4)
    world = np.random.default_rng(0).normal(size=(21, 3))
    model = LandmarkModel(SeesDots(lambda dots: {
        "Identity": np.column_stack([np.tile(dots, (7, 1)), np.tile([0, 8, 16], 7)]).ravel(), "Identity_1": [0.8],
        "Identity_2": [0.3], "Identity_3": world.ravel()}))
    region = HandRegion(true.joints_2d[DOTS].mean(0), side, angle)
    landmarks = model(true.picture(), region, mirrored)
    pixel = side / 224  # of the model's input
    assert np.abs(landmarks.points[:3, :2] - true.joints_2d[DOTS]).max() < 0.2 * pixel
    assert np.allclose(landmarks.points[:3, 2], np.array([0, 8, 16]) / 0.4 * pixel)
    assert landmarks.presence == 0.8 and landmarks.right == pytest.approx(0.7 if mirrored else 0.3)
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    assert np.allclose(landmarks.world, (world * [-1 if mirrored else 1, 1, 1]) @ turn)


def test_palms_lie_where_the_detector_sees_them():
    true = TrueHand("right", CAMERAS["usual"], (300, 250), 0.5, seed=4)
    anchors = anchor_centers()

    def answer(dots):
        points = np.full((9, 2), 50.0)
        points[0], points[1] = dots[0], 20  # the box's middle and size
        points[2:] = dots[1]  # wrist
        points[4] = dots[2]  # middle knuckle
        boxes, logits = np.zeros((len(anchors), 18)), np.full((len(anchors), 1), -9.0)
        boxes[700] = (points - anchors[700] * [[1], [0], *[[1]] * 7]).ravel()
        logits[700] = 3.0
        return {"Identity": boxes, "Identity_1": logits}

    region, = PalmDetector(SeesDots(answer))(true.picture())
    middle, wrist, knuckle = true.joints_2d[DOTS]
    pixel = WIDTH / 192  # of the detector's input
    up = (knuckle - wrist) / np.linalg.norm(knuckle - wrist)
    assert np.abs(region.center - middle - 0.33 * 20 * pixel * up).max() < 0.2 * pixel
    assert region.side == pytest.approx(2.8 * 20 * pixel)
