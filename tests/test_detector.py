"""The palm detector's arithmetic against naive loops and known geometry, and the whole of it on drawn hands."""
import threading

import numpy as np
import pytest
from drawn_hand import WALL, draw_hand, small_hand

from handpose.crop import Crop, halved
from handpose.detection.palm_detector import (
    LARGEST_SEARCHED,
    PalmDetector,
    anchor_centers,
    decode,
    hand_region,
    tile_starts,
    weighted_nms,
)
from handpose.detection.region import HandRegion, distinct
from handpose.detection.tflite import MEDIAPIPE, TfliteModel


@pytest.fixture(scope="module")
def detector():
    return PalmDetector.load()


@pytest.fixture(scope="module")
def drawn():
    return draw_hand()


def test_anchors_layout():
    anchors = anchor_centers()
    expected = [((column + .5) * 8, (row + .5) * 8) for row in range(24) for column in range(24) for _ in range(2)]
    expected += [((column + .5) * 16, (row + .5) * 16) for row in range(12) for column in range(12) for _ in range(6)]
    assert len(expected) == 2016
    np.testing.assert_array_equal(anchors, expected)


def test_decode_equals_naive():
    rng = np.random.default_rng(0)
    boxes, logits, anchors = rng.normal(0, 30, (400, 18)), rng.normal(0, 3, 400), rng.uniform(0, 192, (400, 2))
    logits[:2] = 5000, -5000  # neither may overflow
    points, scores = decode(boxes.astype(np.float32), logits.astype(np.float32), anchors)
    expected_points, expected_scores = [], []
    for box, logit, (x, y) in zip(boxes, logits, anchors, strict=True):
        if logit >= 0:  # where the sigmoid reaches a half
            left, top = x + box[0] - box[2] / 2, y + box[1] - box[3] / 2
            corners = [(left, top), (left + box[2], top + box[3])]
            expected_points.append(corners + [(x + box[4 + 2 * k], y + box[5 + 2 * k]) for k in range(7)])
            expected_scores.append(1 / (1 + np.exp(-logit)))
    np.testing.assert_allclose(points, expected_points, atol=1e-4)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5)


def palms(rng, count):
    corner, size = rng.uniform(0, 150, (count, 1, 2)), rng.uniform(5, 60, (count, 1, 2))
    points = np.concatenate([corner, corner + size, rng.uniform(0, 192, (count, 7, 2))], axis=1)
    return points, rng.uniform(.5, 1, count)


def naive_nms(points, scores, max_iou=0.3):
    left, merged = list(range(len(points))), []
    while left:
        best = max(left, key=lambda k: scores[k])
        group = []
        for k in left:
            (a0, b0), (a1, b1) = points[best][:2]
            (c0, d0), (c1, d1) = points[k][:2]
            inside = max(0, min(a1, c1) - max(a0, c0)) * max(0, min(b1, d1) - max(b0, d0))
            if inside / ((a1 - a0) * (b1 - b0) + (c1 - c0) * (d1 - d0) - inside) > max_iou:
                group.append(k)
        merged.append((sum(points[k] * scores[k] for k in group) / sum(scores[k] for k in group), scores[best]))
        left = [k for k in left if k not in group]
    return np.array([m[0] for m in merged]), np.array([m[1] for m in merged])


@pytest.mark.parametrize("seed", range(3))
def test_nms_equals_naive_and_ignores_order(seed):
    rng = np.random.default_rng(seed)
    points, scores = palms(rng, 30)
    merged, best = weighted_nms(points, scores)
    assert 1 < len(merged) < 30
    expected, expected_best = naive_nms(points, scores)
    np.testing.assert_allclose(merged, expected)
    np.testing.assert_allclose(best, expected_best)
    order = rng.permutation(30)
    np.testing.assert_allclose(weighted_nms(points[order], scores[order])[0], merged)


def test_nms_of_nothing_and_of_flat_boxes():
    assert weighted_nms(np.zeros((0, 9, 2)), np.zeros(0))[0].shape == (0, 9, 2)
    assert len(weighted_nms(np.zeros((3, 9, 2)), np.array([.6, .7, .8]))[0]) == 3  # ends, though nothing overlaps


@pytest.mark.parametrize("turn", [0, 30, 90, -135])
def test_region_of_known_palm(turn):
    """A palm box of 40 x 30 at (100, 90), its wrist 15 px from the middle knuckle in a known direction."""
    angle = np.radians(turn)
    up = np.array([np.sin(angle), -np.cos(angle)])
    palm = np.full((9, 2), 7.)
    palm[0], palm[1] = (80, 75), (120, 105)
    palm[2 + 0], palm[2 + 2] = (100, 100), np.array([100, 100]) + 15 * up
    view = Crop.around((95.5, 95.5), 192, 0, 192)  # the image itself
    region = hand_region(palm, .8, view)
    np.testing.assert_allclose(region.center, np.array([99.5, 89.5]) + .33 * 30 * up, atol=1e-9)
    assert region.side == pytest.approx(2.8 * 40)
    assert np.cos(region.angle - angle) == pytest.approx(1)
    # The same palm in a view that shows the image half as large, turned and shifted
    other = hand_region(palm, .8, Crop.around((300, 200), 384, np.radians(40), 192))
    assert other.side == pytest.approx(2 * region.side)
    assert np.cos(other.angle - angle - np.radians(40)) == pytest.approx(1)
    np.testing.assert_allclose(other.center, Crop.around((300, 200), 384, np.radians(40), 192).to_image(region.center))


def test_distinct_keeps_the_best_of_each_hand():
    regions = [HandRegion(np.array([x, 50.]), 100, 0, score) for x, score in ((0, .6), (10, .9), (100, .7), (95, .65))]
    assert [region.score for region in distinct(regions)] == [.9, .7]


@pytest.mark.parametrize("length", [100, 400, 401, 577, 1000, 4000])
def test_tiles_cover_and_overlap(length):
    starts = tile_starts(length, 400)
    assert starts[0] == 0 and starts[-1] + 400 >= length
    assert all(0 < b - a <= 400 * 2 / 3 + 1 for a, b in zip(starts, starts[1:], strict=False))
    assert starts[-1] <= max(0, length - 400)
    assert tile_starts(length, 100) == []  # tiles too small to show anything new


def test_finds_drawn_hand(detector, drawn):
    image, joints = drawn
    region, = detector(image)
    assert region.score > .6 and abs(region.angle) < np.radians(20)
    inside = np.abs(region.crop(224).to_crop(joints) - 111.5) < 112
    assert inside.all()


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_turned_image_gives_turned_region(detector, drawn, quarter_turns):
    region, = detector(np.ascontiguousarray(np.rot90(drawn[0], -quarter_turns)))
    assert np.cos(region.angle - quarter_turns * np.pi / 2) > np.cos(np.radians(20))


def test_several_hands(detector, drawn):
    both = np.hstack([drawn[0], drawn[0][:, ::-1]])
    centers = sorted(region.center[0] for region in detector(both))
    assert len(centers) == 2 and centers[0] < 400 < centers[1]


def test_small_hand_in_a_large_photo(detector):
    """The first look shrinks this hand to 7 pixels; only tiles show it."""
    image, joints = small_hand()
    assert detector(image) == []
    best = detector(image, thorough=True)[0]
    assert np.linalg.norm(best.center - joints.mean(0)) < 30 and 60 < best.side < 150


def test_no_hand(detector):
    for thorough in (False, True):
        assert detector(np.broadcast_to(WALL, (300, 500, 3)).astype(np.uint8), thorough) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (2000, 2)])
def test_odd_shapes(detector, shape):
    for thorough in (False, True):
        assert detector(np.zeros((*shape, 3), np.uint8), thorough) == []


def test_threads_share_one_model(drawn):
    model = TfliteModel(MEDIAPIPE / "hand_detector.tflite")
    views = [np.ascontiguousarray(np.roll(drawn[0], 40 * k, axis=1)[:192, :192]) for k in range(6)]
    alone = [model(view)["Identity_1"] for view in views]
    together = [None] * len(views)

    def work(k):
        for _ in range(5):
            together[k] = model(views[k])["Identity_1"]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(views))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for got, expected in zip(together, alone, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_missing_model_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.tflite"):
        PalmDetector.load(tmp_path / "nowhere.tflite")


def test_a_large_photo_is_searched_as_a_small_one_is(detector, drawn):
    times = LARGEST_SEARCHED // max(drawn[0].shape) + 1
    large = drawn[0].repeat(times, axis=0).repeat(times, axis=1)
    small, found = detector(drawn[0])[0], detector(large)[0]
    assert np.allclose(found.center, (small.center + 0.5) * times - 0.5, atol=0.02 * found.side)
    assert np.isclose(found.side, times * small.side, rtol=0.03)


def test_halving_takes_the_mean_of_blocks():
    rgb = np.random.default_rng(0).integers(0, 256, (70, 131, 3), np.uint8)
    small, divisor = halved(rgb, 40)
    assert small.shape == (17, 32, 3) and divisor == 4
    blocks = rgb[:68, :128].reshape(17, 4, 32, 4, 3).mean((1, 3))
    assert np.abs(small - blocks).max() <= 1.5  # each halving rounds
    assert halved(rgb, 131)[0] is rgb
