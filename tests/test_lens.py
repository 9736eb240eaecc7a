"""The guess at a lens that nobody tells."""
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handpose import Camera, load_photo
from handpose.crop import Crop
from handpose.hand_model.model import HandModel
from handpose.lens import guess_lens, metres_a_pixel
from handpose.network.engine import Prediction
from handpose.prediction import HandPrediction

WIDTH, HEIGHT = 640, 480
OPEN_PALM = Path(__file__).parents[1] / "assets" / "examples" / "open_palm.jpg"


def seen_at(distance: float, camera: Camera) -> float:
    """How many metres a pixel spans so many metres before the camera."""
    return distance / camera.fx


def test_a_hand_that_fills_the_picture_speaks_for_a_narrower_lens():
    """The guess moves the hand half the way, in logarithms, to where hands usually are."""
    usual = Camera.of_photo(WIDTH, HEIGHT)
    guessed = guess_lens(usual, [seen_at(0.2, usual)])
    assert guessed.fx / usual.fx == pytest.approx(np.sqrt(0.5 / 0.2))
    assert guessed.fx / usual.fx * 0.2 == pytest.approx(np.sqrt(0.5 * 0.2))  # where it then stands
    assert (guessed.cx, guessed.cy, guessed.source) == (usual.cx, usual.cy, "default")
    assert guessed.fx == guessed.fy


def test_the_nearest_hand_counts_whatever_the_picture_s_size():
    for size in (1, 4):
        usual = Camera.of_photo(WIDTH * size, HEIGHT * size)
        hands = [seen_at(distance, usual) for distance in (1.5, 0.3, 0.9)]
        assert guess_lens(usual, hands).fx / usual.fx == pytest.approx(np.sqrt(0.5 / 0.3))


def test_it_narrows_within_reason():
    usual = Camera.of_photo(WIDTH, HEIGHT)
    assert guess_lens(usual, [seen_at(0.01, usual)]).fx == pytest.approx(2.5 * usual.fx)


def test_small_hands_and_none_say_nothing_of_the_lens():
    usual = Camera.of_photo(WIDTH, HEIGHT)
    assert guess_lens(usual, [seen_at(3.0, usual)]) == usual
    assert guess_lens(usual, []) == usual


@pytest.mark.parametrize("told", [{"focal_px": 700.0}, {"fov_deg": 90.0}, {"focal_35mm": 26.0}])
def test_a_lens_that_is_told_stays(told):
    camera = Camera.of_photo(WIDTH, HEIGHT, **told)
    assert guess_lens(camera, [seen_at(0.1, camera)]) == camera


def predicted(pixels_a_metre: float, mirrored: bool = False, confidence: float = 1.0) -> HandPrediction:
    """A network's answer for a hand of any pose, turned in its crop, that spans so many pixels a metre of the photo."""
    skeleton, rng = HandModel.load().joints_only(), np.random.default_rng(1)
    rotations = Rotation.from_rotvec(rng.normal(0, 0.4, (16, 3))).as_matrix().astype(np.float32)
    betas = rng.normal(size=10).astype(np.float32)
    joints = skeleton.pose(rotations[None], betas[None], np.zeros((1, 3), np.float32)).joints[0]
    crop = Crop.around(np.array([300.0, 200.0]), 350.0, 0.7, 160, mirrored)
    half = crop.size / 2 / crop.scale  # pixels of the photo
    in_crop = joints * pixels_a_metre / half
    return HandPrediction(crop, 1.0, Prediction(in_crop, np.full(21, 0.01), rotations, betas, confidence))


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_hand_s_size_in_the_photo_is_told_by_its_joints_in_metres(mirrored):
    """However it is posed, shaped and turned in its crop, and whichever its side."""
    skeleton = HandModel.load().joints_only()
    for pixels_a_metre in (500.0, 1300.0):
        assert metres_a_pixel(predicted(pixels_a_metre, mirrored), skeleton) == pytest.approx(1 / pixels_a_metre)


def test_only_hands_that_are_reported_tell_of_the_lens(estimator):
    usual = Camera.of_photo(WIDTH, HEIGHT)
    near, unsure = predicted(usual.fx / 0.2), predicted(usual.fx / 0.1, confidence=0.2)
    told = estimator.guess_lens(usual, [near, unsure])
    assert told == estimator.guess_lens(usual, [near]) and told.fx / usual.fx == pytest.approx(np.sqrt(0.5 / 0.2))
    assert estimator.guess_lens(usual, [unsure]) == usual


def test_the_lens_is_guessed_where_no_landmark_model_is_asked(estimator):
    """By network and detector alone a photo's lens is guessed about as it is with the landmark model."""
    photo = load_photo(OPEN_PALM)
    with_landmarks, alone = (estimator.predict(photo, use_landmarks=use).camera for use in (True, False))
    usual = Camera.of_photo(photo.width, photo.height)
    assert alone.fx > usual.fx and alone.fx == pytest.approx(with_landmarks.fx, rel=0.1)
