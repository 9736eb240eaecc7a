"""The guess at a lens that nobody tells."""
import numpy as np
import pytest

from handpose import Camera
from handpose.detection.landmarks import Landmarks
from handpose.lens import guess_lens

WIDTH, HEIGHT = 640, 480
METRES = np.random.default_rng(0).uniform(-0.09, 0.09, (21, 3))


def seen_at(distance: float, camera: Camera) -> Landmarks:
    """What a landmark model says of a flat hand straight before the camera, so many metres away."""
    pixels = METRES[:, :2] * camera.fx / distance + [camera.cx, camera.cy]
    return Landmarks(np.column_stack([pixels, np.zeros(21)]), METRES, 1.0, 1.0)


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


def test_hands_without_depth_say_nothing_of_the_lens():
    usual = Camera.of_photo(640, 480)
    near = seen_at(0.2, usual)
    flat = Landmarks.of_joints(near.points[:, :2], "right")
    assert guess_lens(usual, [flat]) == usual and guess_lens(usual, [flat, near]) == guess_lens(usual, [near]) != usual


@pytest.mark.parametrize("told", [{"focal_px": 700.0}, {"fov_deg": 90.0}, {"focal_35mm": 26.0}])
def test_a_lens_that_is_told_stays(told):
    camera = Camera.of_photo(WIDTH, HEIGHT, **told)
    assert guess_lens(camera, [seen_at(0.1, camera)]) == camera
