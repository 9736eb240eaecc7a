"""Cameras and crops against closed forms and round trips."""
import cv2
import numpy as np
import pytest

from handpose.camera import Camera, told_camera
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


# As calibrations give them: of an action camera, a webcam with a crooked lens, a cushion, a wide lens (four numbers).
LENSES = [(-0.27, 0.11, 0, 0, -0.02), (-0.1, 0.02, 0.003, -0.002, 0), (0.12, 0.03, 0, 0, 0), (-0.3, 0.1, 0.001, 0.001)]


@pytest.mark.parametrize("lens", LENSES)
def test_a_distorting_lens_projects_as_opencvs_and_its_rays_go_back(lens):
    camera = Camera(400, 410, 310, 250, distortion=lens)
    points = np.random.default_rng(0).uniform([-0.6, -0.5, 1], [0.6, 0.5, 1.5], (50, 3))
    expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.matrix, np.array(lens, float))[0][:, 0]
    assert np.allclose(camera.project(points), expected)
    assert np.allclose(camera.rays(expected), points[:, :2] / points[:, 2:], atol=1e-6)
    assert np.allclose(camera.ray(expected[0]), points[0] / np.linalg.norm(points[0]), atol=1e-6)
    bent = camera.bent(points)
    assert np.allclose(bent[:, 2], points[:, 2])
    assert np.allclose(Camera(400, 410, 310, 250).project(bent), expected)
    camera.check_fits(640, 480)


def test_what_is_far_outside_never_comes_back_into_the_picture():
    """OpenCV's polynomial alone would image most of these points within it."""
    camera = Camera(600, 600, 319.5, 239.5, distortion=(-0.25, 0, 0, 0, 0))
    camera.check_fits(640, 480)
    points = np.array([[2.0, 0, 1], [-2.0, 0, 1], [0, 1.8, 1], [0, -9.0, 1]])
    u, v = camera.project(points).T
    assert u[0] > 640 and u[1] < 0 and v[2] > 480 and v[3] < 0


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("fy", [400, 520])
def test_the_plain_picture_shows_things_where_its_camera_says(lens, fy):
    """Soft spots of one colour each, drawn where the lens images three points, are found where a pinhole sees them."""
    camera = Camera(400, fy, 310, 250, distortion=lens)
    points = np.array([[-0.55, -0.3, 1.0], [0.4, 0.3, 1.0], [0.1, -0.1, 1.0]])
    rows, columns = np.mgrid[:480, :640]
    rgb = np.zeros((480, 640, 3), np.uint8)
    for k, (u, v) in enumerate(camera.project(points)):
        rgb[..., k] = 255 * np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / (2 * 4 ** 2))
    plain_rgb, plain = camera.plain(rgb)
    assert plain.is_plain and not camera.is_plain and plain.source == camera.source
    rows, columns = np.mgrid[:plain_rgb.shape[0], :plain_rgb.shape[1]]
    for k, expected in enumerate(plain.project(points)):
        weight = plain_rgb[..., k].astype(float)
        at = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
        assert np.abs(at - expected).max() < 0.3
    corners = plain.pixels(camera.rays(np.array([[0, 0], [639, 0], [0, 479], [639, 479]])))  # all of it is in view
    assert (corners > -1).all() and (corners < np.array(plain_rgb.shape[1::-1])).all()


def test_large_pictures_become_plain_small_ones(monkeypatch):
    monkeypatch.setattr("handpose.camera.LARGEST_PLAIN", 300)
    rgb = np.zeros((480, 640, 3), np.uint8)
    rgb[201:221, 301:321] = 255
    middle = np.array([310.5, 210.5])
    for camera in (Camera(400, 400, 310, 250, distortion=LENSES[0]), Camera(900, 100, 310, 250)):
        small, plain = camera.plain(rgb)
        assert max(small.shape) <= 300
        rows, columns = np.nonzero(small[..., 0] > 127)
        assert np.abs([columns.mean(), rows.mean()] - plain.pixels(camera.rays(middle))).max() < 0.6


@pytest.mark.parametrize("camera, said", [
    (dict(distortion=(-2.0, 0, 0, 0)), "folds"), (dict(distortion=(1e200, 1e200, 0, 0)), "folds"),
    (dict(distortion=(0, 0, 9.0, 0)), "folds"), (dict(fx=1e7, fy=1e7), "not that of"),
    (dict(fx=1e-9, fy=1e-9), "not that of"), (dict(cx=1e9), "not that of")])
def test_a_camera_of_another_image_is_refused(camera, said):
    told = Camera(**dict(fx=500, fy=500, cx=320, cy=240) | camera)
    with pytest.raises(ValueError, match=said) as error:
        told_camera(640, 480, told)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize("coefficients", [(0.1,), (0.1,) * 6, (np.nan, 0, 0, 0), (np.inf, 0, 0, 0, 0)])
def test_coefficients_that_are_none_are_refused(coefficients):
    with pytest.raises(ValueError, match="k1, k2, p1, p2"):
        Camera(500, 500, 320, 240, distortion=coefficients)


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
