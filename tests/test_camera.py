"""Cameras and crops against closed forms and round trips."""
import cv2
import numpy as np
import pytest

from handpose.camera import Camera
from handpose.crop import Crop


def test_focal_length_comes_from_the_best_source():
    assert Camera.of_photo(400, 300, focal_px=500, fov_deg=60, focal_35mm=26).source == "user"
    assert Camera.of_photo(400, 300, fov_deg=90).fx == pytest.approx(200)  # tan 45 = 1 over half the longer side
    exif = Camera.of_photo(3600, 2400, focal_35mm=36)  # a 36 x 24 mm film's aspect: 36 mm is 3600 px
    assert exif.source == "exif" and exif.fx == pytest.approx(3600)
    default = Camera.of_photo(300, 400)
    assert default.source == "default" and default.fx == default.fy
    assert (default.cx, default.cy) == (149.5, 199.5)


@pytest.mark.parametrize("wrong", [{"focal_px": 0}, {"focal_px": float("nan")}, {"fov_deg": 0}, {"fov_deg": 180}])
def test_impossible_cameras_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        Camera.of_photo(400, 300, **wrong)


def test_projection_equals_opencv():
    camera = Camera(500, 510, 320, 200)
    points = np.random.default_rng(0).normal(size=(20, 3)) * 0.2 + [0, 0, 1]
    expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.matrix, None)[0][:, 0]
    assert np.allclose(camera.project(points), expected)


def test_rotation_to_a_pixel_is_the_smallest_one_onto_its_ray():
    camera = Camera(500, 500, 320, 240)
    for pixel in ([320, 240], [10, 400], [600, 5]):
        turn = camera.rotation_to(np.array(pixel))
        ray = camera.ray(np.array(pixel))
        assert np.allclose(turn @ turn.T, np.eye(3)) and np.linalg.det(turn) == pytest.approx(1)
        assert np.allclose(turn @ [0, 0, 1], ray)
        assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) == pytest.approx(np.degrees(np.arccos(ray[2])), abs=1e-5)


@pytest.mark.parametrize("mirrored", [False, True])
def test_crop_maps_there_and_back(mirrored):
    crop = Crop.around(np.array([100.0, 80.0]), 60.0, 0.7, 128, mirrored)
    points = np.random.default_rng(0).uniform(0, 200, (10, 2))
    assert np.allclose(crop.to_image(crop.to_crop(points)), points)
    assert np.allclose(crop.to_crop(np.array([100.0, 80.0])), 63.5) and np.allclose(crop.center, [100, 80])
    assert crop.mirrored == mirrored and crop.scale == pytest.approx(128 / 60)
    up = crop.to_image(np.array([63.5, 53.5])) - crop.center  # up in the crop is 0.7 rad clockwise of up in the image
    assert np.allclose(up / np.linalg.norm(up), [np.sin(0.7), -np.cos(0.7)])
    # the same for directions in space, whose third axis a crop leaves alone
    assert np.allclose(crop.rotation @ [0, -1, 0], [np.sin(0.7), -np.cos(0.7), 0])
    assert np.linalg.det(crop.rotation) == pytest.approx(-1 if mirrored else 1)


@pytest.mark.parametrize("side", [40.0, 100.0, 700.0])  # enlarged, about as it is, shrunk
def test_warped_pixels_are_where_the_map_says(side):
    spots = np.array([[400, 300], [430, 330], [460, 250]], float)
    rgb = np.zeros((700, 900, 3), np.uint8)
    rows, columns = np.mgrid[:700, :900]
    radius = side / 25
    for k, (u, v) in enumerate(spots):
        rgb[..., k] = 255 * np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / (2 * radius**2))
    crop = Crop.around(np.array([425.0, 300.0]), side * 2, -0.4, 96, mirrored=True)
    picture = crop.warp(rgb).astype(float)
    for k, spot in enumerate(spots):
        expected = crop.to_crop(spot)
        if (np.abs(expected - 47.5) > 40).any():
            continue
        weight = picture[..., k]
        at = np.array([(weight * np.arange(96)).sum(), (weight * np.arange(96)[:, None]).sum()]) / weight.sum()
        assert np.abs(at - expected).max() < 0.35
