"""The detector of our own: its arithmetic against closed forms, its network against torch, its answers on photos."""
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from handpose import load_photo
from handpose.detection.hand_detector import (
    GRAPH,
    HAND_SCALE,
    LOOKS,
    STRIDES,
    WEIGHTS,
    HandDetector,
    all_large,
    hand_box,
    in_skin_color,
    is_colored,
    regions_of,
)
from handpose.detection.region import HandRegion, box_iou, is_near, merged
from handpose.network.checkpoint import CHECKPOINT, read_weights
from handpose.network.onnx_session import open_session
from train.finding.targets import PictureHands, targets
from train.run_detector import load

PHOTOS = Path(__file__).parent / "photos"
# Boxes around all of a hand, from the wrist to the fingertips or, of a fist, to the knuckles, drawn by eye.
BY_EYE = {"open_dark": [(110, 72, 290, 312)], "two_fists": [(33, 4, 137, 143), (355, 13, 469, 150)],
          "grey": [(112, 73, 373, 339)], "small": [(169, 72, 261, 154)]}


@pytest.fixture(scope="module")
def detector():
    return HandDetector.load()


@pytest.fixture(scope="module")
def palm():
    return load_photo(PHOTOS / "off_centre.jpg").rgb


def turned(angle, other):
    return abs((angle - other + np.pi) % (2 * np.pi) - np.pi)


def test_what_cells_should_say_is_read_back_as_the_hands():
    hands = PictureHands(np.array([[60.3, 41.7], [170.2, 180.9]]), np.array([38.0, 150.0]), np.radians([-100.0, 31.0]),
                         np.array([1.0, 0.0]), np.zeros((0, 4)))
    read = []
    for level, grid in enumerate(targets(hands, 256, 256)):
        assert grid.shape[1:] == (256 // STRIDES[level],) * 2
        logits = np.nan_to_num(grid[:7])
        logits[0] = np.where(grid[0] == 1, 3.0, -9.0)
        read += regions_of(logits, level)
    read = merged(read)
    assert len(read) == 2
    for center, side, angle in zip(hands.center, hands.side, hands.angle, strict=True):
        region = min(read, key=lambda one: np.linalg.norm(one.center - center))  # noqa: B023
        np.testing.assert_allclose(region.center, center, atol=0.05)
        assert region.side == pytest.approx(HAND_SCALE * side, rel=1e-3) and turned(region.angle, angle) < 1e-3
        assert region.score == pytest.approx(1 / (1 + np.exp(-3)))


def test_cells_near_a_hand_and_in_doubtful_boxes_are_not_learned_from():
    hands = PictureHands(np.array([[100.0, 100.0]]), np.array([60.0]), np.zeros(1), np.ones(1),
                         np.array([[180.0, 180.0, 230.0, 230.0]]))
    score = targets(hands, 256, 256)[0][0]
    assert score[12, 12] == 1 and np.isnan(score[13, 13]) and score[20, 12] == 0
    assert np.isnan(score[25, 25]) and score[25, 20] == 0


def test_one_hand_seen_twice_is_one_and_two_sizes_in_one_place_are_two():
    near = HandRegion(np.array([10.0, 10.0]), 40.0, 3.0, 0.6), HandRegion(np.array([14.0, 10.0]), 44.0, -3.0, 0.2)
    one, = merged([*near])
    np.testing.assert_allclose(one.center, [11, 10])
    assert one.score == 0.6 and turned(one.angle, np.pi) < 0.15  # between the two, not at their plain mean of zero
    assert len(merged([near[0], HandRegion(np.array([10.0, 10.0]), 100.0, 0.0, 0.5)])) == 2
    beside = replace(near[0], center=near[0].center + [0.2 * near[0].side, 0])
    for place, number in ((0.3, 1), (0.15, 2)):
        assert len(merged([near[0], beside], place)) == number
        assert is_near(near[0], beside, place) == is_near(beside, near[0], place) == (number == 1)
    assert not is_near(near[0], replace(near[0], side=2 * near[0].side))


def test_onnx_runtime_says_what_torch_says(palm):
    session = open_session((CHECKPOINT / GRAPH).read_bytes(), read_weights(CHECKPOINT, WEIGHTS))
    picture = np.ascontiguousarray(palm[:192, :256])[None]
    with torch.inference_mode():
        expected = load(CHECKPOINT)(torch.from_numpy(picture).permute(0, 3, 1, 2).float() / 255)
    for grid, wanted in zip(session.run(None, {"pictures": picture}), expected, strict=True):
        np.testing.assert_allclose(grid, wanted, atol=2e-4)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_turned_photo_gives_the_turned_region(detector, palm, quarters):
    """The palm of tests/photos/off_centre.jpg lies in the upper right, its fingers down."""
    photo = np.ascontiguousarray(np.rot90(palm, -quarters))
    region = detector(photo)[0]
    upright = detector(palm)[0]
    height, width = palm.shape[:2]
    u, v = upright.center
    for _ in range(quarters):
        u, v, width, height = height - 1 - v, u, height, width
    assert np.linalg.norm(region.center - [u, v]) < 0.1 * upright.side
    assert turned(region.angle, upright.angle + quarters * np.pi / 2) < np.radians(25)
    assert region.score > 0.5


@pytest.mark.parametrize("name", BY_EYE)
def test_what_it_is_surest_of_is_where_people_see_hands(detector, name):
    regions = detector(load_photo(PHOTOS / f"{name}.jpg").rgb)
    boxes = np.array(BY_EYE[name], float).reshape(-1, 2, 2)
    surest = np.array([hand_box(region) for region in regions[:len(boxes)]]).reshape(-1, 2, 2)
    assert all(region.score > 0.5 for region in regions[:len(boxes)])
    assert all(box_iou(box, surest).max() > 0.45 for box in boxes)  # regions are square, and wider


def test_a_large_photo_is_seen_as_the_same_smaller_one(detector, palm):
    large = palm.repeat(6, axis=0).repeat(6, axis=1)
    small, found = detector(palm)[0], detector(large)[0]
    assert np.linalg.norm(found.center - ((small.center + 0.5) * 6 - 0.5)) < 0.03 * found.side
    assert found.side == pytest.approx(6 * small.side, rel=0.05)


def test_a_small_hand_in_a_large_photo_is_found_by_the_second_look(detector, palm):
    wall = np.full((1100, 1600, 3), (176, 170, 160), np.uint8)
    wall[700:700 + palm.shape[0] // 4, 300:300 + palm.shape[1] // 4] = palm[::4, ::4][:palm.shape[0] // 4,
                                                                                      :palm.shape[1] // 4]
    best = detector(wall, thorough=True)[0]
    assert best.score > 0.3 and 300 < best.center[0] < 410 and 700 < best.center[1] < 820


def test_a_second_look_is_for_photos_with_more_than_large_hands(detector, palm, monkeypatch):
    large = HandRegion(np.array([100.0, 100.0]), 120.0, 0.0, 0.9)
    thumb = HandRegion(np.array([130.0, 120.0]), 40.0, 0.0, 0.4)
    other = HandRegion(np.array([300.0, 100.0]), 40.0, 0.0, 0.4)
    assert all_large([large], 400) and all_large([large, thumb, replace(other, score=0.25)], 400)
    assert not (all_large([], 400) or all_large([large, other], 400) or all_large([large], 800)
                or all_large([replace(large, score=0.5)], 400))
    looks, look = [], HandDetector._look
    monkeypatch.setattr(HandDetector, "_look", lambda self, rgb, size: looks.append(size) or look(self, rgb, size))
    wall = np.full((1100, 1600, 3), (176, 170, 160), np.uint8)
    for photo, thorough in ((palm, True), (palm, False), (wall, True)):
        detector(photo, thorough)
    assert looks == [LOOKS[0], LOOKS[0], *LOOKS]


def test_where_hands_are_not_clear_several_regions_are_told_apart(detector, palm):
    wall = np.full((900, 1200, 3), (176, 170, 160), np.uint8)
    small = cv2.resize(palm, (160, 120), interpolation=cv2.INTER_AREA)
    wall[200:320, 300:460] = small  # two that touch
    wall[200:320, 380:540] = small[:, ::-1]
    few, many = detector(wall, thorough=True), detector(wall, thorough=True, several=True)
    assert len(many) > len(few) and many[0].score == few[0].score
    apart = [np.linalg.norm(one.center - other.center) / max(one.side, other.side) for index, one in enumerate(many)
             for other in many[:index] if abs(np.log(one.side / other.side)) < 0.1]
    assert 0.1 < min(apart) < 0.3
    assert len(detector(palm, thorough=True, several=True)) == len(detector(palm, thorough=True))  # clear


def test_a_grey_photo_is_looked_at_in_the_colours_of_skin_too(detector, palm, monkeypatch):
    grey = np.repeat(cv2.cvtColor(palm, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    compressed = cv2.imdecode(cv2.imencode(".jpg", grey)[1], cv2.IMREAD_COLOR)
    assert is_colored(palm) and not is_colored(grey) and not is_colored(compressed)
    tinted = in_skin_color(grey // 2)
    assert (np.diff(tinted[tinted[..., 0] > 20].astype(int), axis=-1) < 0).all()  # red over green over blue
    np.testing.assert_allclose(cv2.cvtColor(tinted, cv2.COLOR_RGB2GRAY), grey[..., 0] // 2, atol=2)
    alone = [region for picture in (grey, in_skin_color(grey)) for region in merged(detector._look(picture, LOOKS[0]))]
    assert {region.score for region in detector(grey)} == {region.score for region in merged(alone)}
    looks, look = [], HandDetector._look
    monkeypatch.setattr(HandDetector, "_look", lambda self, rgb, size: looks.append(rgb) or look(self, rgb, size))
    detector(palm)
    assert len(looks) == 1 and looks[0] is palm


def test_a_hundred_hands_are_a_hundred(detector):
    """A sheet of two of tests/photos, each small: no number is too many, though a few hands are not sure enough."""
    cells = [load_photo(PHOTOS / f"{name}.jpg").rgb for name in ("open_dark", "open_light")]
    sheet = np.vstack([np.hstack([cv2.resize(cells[(row + column) % 2], (100, 100), interpolation=cv2.INTER_AREA)
                                  for column in range(10)]) for row in range(10)])
    sure = [region for region in detector(sheet, thorough=True) if region.score >= 0.4]
    cells = {tuple((region.center // 100).astype(int)) for region in sure}
    assert len(cells) >= 90


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (2000, 2), (480, 640)])
def test_nothing_where_nothing_is(detector, shape):
    for thorough in (False, True):
        assert detector(np.full((*shape, 3), (176, 170, 160), np.uint8), thorough) == []
        assert all(region.score < 0.3 for region in detector(np.full((*shape, 3), 170, np.uint8), thorough))  # skin


def test_files_that_are_missing_or_of_different_runs_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="detector.safetensors.*train.run_detector"):
        HandDetector.load(tmp_path)
    (tmp_path / WEIGHTS).write_bytes((CHECKPOINT / WEIGHTS).read_bytes())
    (tmp_path / GRAPH).write_bytes((CHECKPOINT / "network.onnx").read_bytes())
    with pytest.raises(ValueError, match="do not belong together"):
        HandDetector.load(tmp_path)
