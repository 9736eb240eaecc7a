"""Depth and masks against rays that are shot through every pixel, and their files read back by other programs."""
import io
import tracemalloc
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image
from test_cli import files, photos, predict, stub  # noqa: F401  fixtures
from test_export import make_hand

from handpose.camera import Camera
from handpose.depth_files import depth_contents, write_depth
from handpose.drawing import depth
from handpose.drawing.depth import draw_depth
from handpose.export import zip_bytes
from handpose.hand import Result

WIDTH, HEIGHT = 61, 43
CAMERA = Camera(90.0, 60.0, 20.3, 28.8)  # pixels higher than wide, the axis far from the middle
# The second hand's middle is nearer, and it hides a part of the first.
HANDS = [make_hand("right", (0.05, -0.02, 0.5)), make_hand("left", (0.09, 0.0, 0.42), 0.8, seed=1)]
RESULT = Result(WIDTH, HEIGHT, CAMERA, HANDS)


def shot(hands, camera, width, height):
    """Depth (H, W) and hand (H, W) by Möller and Trumbore's test of every ray with every triangle."""
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    if camera.distortion:
        x, y = np.moveaxis(camera.rays(np.stack([u, v], -1).astype(float)), -1, 0)
    else:
        x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    rays = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 1, 3)
    nearest, whose = np.full(len(rays), np.inf), np.full(len(rays), -1)
    for number, hand in enumerate(hands):
        a, b, c = hand.vertices[hand.faces].swapaxes(0, 1)
        across = np.cross(rays, c - a)
        scale = (across * (b - a)).sum(-1)
        first = -(across * a).sum(-1) / scale
        normal = np.cross(-a, b - a)
        second = (rays * normal).sum(-1) / scale
        far = ((c - a) * normal).sum(-1) / scale
        far[(first < 0) | (second < 0) | (first + second > 1) | (far <= 0)] = np.inf
        hit = far.min(1)
        whose[hit < nearest] = number
        nearest = np.minimum(nearest, hit)
    return np.where(np.isfinite(nearest), nearest, 0).reshape(height, width), whose.reshape(height, width)


def test_depth_and_hands_are_those_that_rays_meet_first():
    image = draw_depth(HANDS, CAMERA, WIDTH, HEIGHT)
    goal, whose = shot(HANDS, CAMERA, WIDTH, HEIGHT)
    np.testing.assert_array_equal(image.hand, whose)
    np.testing.assert_allclose(image.depth, goal, rtol=1e-5)
    alone = shot(HANDS[:1], CAMERA, WIDTH, HEIGHT)[1] == 0
    hidden = alone & (whose == 1)
    assert hidden.sum() > 50 and (whose == 0).sum() > 50 and (whose == -1).any()  # there was something to tell
    assert np.array_equal(image.mask(0) == 255, whose == 0) and np.array_equal(image.mask(1) == 255, whose == 1)
    assert set(np.unique(image.mask(1))) == {0, 255}


def test_depth_through_a_lens_that_distorts():
    """Its edges are straight between vertices that lie where the lens has them: a few pixels at the rim may differ."""
    camera = replace(CAMERA, distortion=(-0.25, 0.08, 0.002, -0.001, 0.0))
    image = draw_depth(HANDS, camera, WIDTH, HEIGHT)
    goal, whose = shot(HANDS, camera, WIDTH, HEIGHT)
    same = image.hand == whose
    assert same.mean() > 0.995 and np.abs(image.depth - goal)[same].max() < 1e-3
    plain = draw_depth(HANDS, CAMERA, WIDTH, HEIGHT).hand
    assert (plain != whose).mean() > 2 * (1 - same.mean()) + 0.005  # the lens makes a difference


@pytest.mark.parametrize("pixels", [1, 5 * WIDTH, 1 << 20])
def test_strips_do_not_show(monkeypatch, pixels):
    whole = draw_depth(HANDS, CAMERA, WIDTH, HEIGHT)
    monkeypatch.setattr(depth, "STRIP_PIXELS", pixels)
    image = draw_depth(HANDS, CAMERA, WIDTH, HEIGHT)
    assert np.array_equal(image.hand, whole.hand) and np.array_equal(image.millimetres, whole.millimetres)
    np.testing.assert_allclose(image.depth, whole.depth, rtol=1e-6)


def test_a_large_photo_takes_little_more_memory_than_its_answer():
    camera = Camera.from_fov(20, 4000, 2000)  # which the hands fill
    tracemalloc.start()
    image = draw_depth(HANDS, camera, 4000, 2000)
    millimetres = image.millimetres
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (image.hand >= 0).mean() > 0.3
    assert peak < 1.3 * (image.depth.nbytes + image.hand.nbytes + millimetres.nbytes)


def test_what_is_behind_the_camera_or_very_far_away():
    behind = replace(HANDS[0], vertices=HANDS[0].vertices * [1, 1, -1])
    in_plane = replace(HANDS[0], vertices=HANDS[0].vertices * [1, 1, 0])
    assert not draw_depth([behind, in_plane], CAMERA, WIDTH, HEIGHT).depth.any()
    far = replace(HANDS[0], vertices=HANDS[0].vertices * 300)
    image = draw_depth([far], CAMERA, WIDTH, HEIGHT)
    assert set(np.unique(image.millimetres)) == {0, 65535} and image.depth.max() > 100
    assert not draw_depth([], CAMERA, WIDTH, HEIGHT).depth.any()


def test_files_by_other_readers(tmp_path):
    endings = write_depth(tmp_path / "sub", "a.b", RESULT)
    assert endings == [".depth.png", ".depth.npy", ".hand0_right.mask.png", ".hand1_left.mask.png"]
    assert files(tmp_path) == sorted(f"sub/a.b{ending}" for ending in endings)
    goal, whose = shot(HANDS, CAMERA, WIDTH, HEIGHT)
    base = str(tmp_path / "sub" / "a.b")
    assert Image.open(base + ".depth.png").mode == "I;16"
    for millimetres in (cv2.imread(base + ".depth.png", cv2.IMREAD_UNCHANGED),
                        np.asarray(Image.open(base + ".depth.png"))):
        assert millimetres.dtype == np.uint16 and np.abs(millimetres - goal * 1000).max() <= 0.5 + 1e-2
    metres = np.load(base + ".depth.npy", allow_pickle=False)
    assert metres.dtype == np.float32 and metres.shape == (HEIGHT, WIDTH)
    np.testing.assert_allclose(metres, goal, rtol=1e-5)
    for number, name in enumerate((".hand0_right.mask.png", ".hand1_left.mask.png")):
        mask = cv2.imread(base + name, cv2.IMREAD_UNCHANGED)
        assert Image.open(base + name).mode == "L" and np.array_equal(mask, 255 * (whose == number))


def test_a_zip_holds_the_same(tmp_path):
    write_depth(tmp_path, "a", RESULT)
    contents = {"a" + ending: content for ending, content in depth_contents(RESULT).items()}
    with zipfile.ZipFile(io.BytesIO(zip_bytes(contents))) as archive:
        assert archive.testzip() is None and sorted(archive.namelist()) == files(tmp_path)
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / name).read_bytes()
    assert zip_bytes(contents) == zip_bytes(contents)


def test_the_command_writes_them_and_takes_none_for_a_photo(stub, photos, tmp_path):  # noqa: F811
    Image.new("RGB", (WIDTH, HEIGHT)).save(photos / "a[1].png")
    stub.hands = HANDS
    assert predict(photos, "--out", photos, "--depth") == 0
    masks = ["a[1].hand0_right.mask.png", "a[1].hand1_left.mask.png"]
    assert files(photos) == ["a[1].depth.npy", "a[1].depth.png", "a[1].glb", *masks, "a[1].json", "a[1].overlay.jpg",
                             "a[1].png"]
    stub.hands = HANDS[:1]
    assert predict(photos, "--out", photos, "--depth", "--again") == 0
    assert [name for name in files(photos) if "mask" in name] == masks[:1] and len(stub.seen) == 1
