"""What is drawn lies where the camera's rays say, by OpenGL and without it."""
import os
import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
import trimesh
from test_export import make_hand

from handpose.camera import Camera
from handpose.drawing.overlay import blend, draw_overlay, shrink
from handpose.drawing.palette import FINGER_COLORS, css
from handpose.drawing.renderer import LARGEST_RENDER, Mesh, Rendering, _to_straight_uint8, render_mesh, render_region
from handpose.hand_model.skeleton import BONES, FINGER_OF_JOINT
from page.content.overlay_layers import layers

WIDTH, HEIGHT = 160, 120
CAMERA = Camera.from_fov(60, WIDTH, HEIGHT)
ORANGE, BLUE = (240, 150, 60), (60, 120, 240)
PATHS = pytest.mark.parametrize("opengl", [True, False], ids=["best", "software"])


def ball(center, radius: float, color=ORANGE) -> Mesh:
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return Mesh(sphere.vertices + np.asarray(center), np.array(sphere.faces), color)


def covered(center, radius: float, camera: Camera, width: int, height: int, samples: int = 4) -> np.ndarray:
    """The part of each pixel, (height, width) in 0..1, whose rays meet a sphere."""
    fine = (np.arange(max(width, height) * samples) + 0.5) / samples - 0.5
    u, v = np.meshgrid(fine[:width * samples], fine[:height * samples])
    pixels = np.stack([u, v], -1).reshape(-1, 1, 2)
    rays = cv2.undistortPoints(pixels, camera.matrix, np.array(camera.distortion or np.zeros(5)))
    rays = np.concatenate([rays.reshape(*u.shape, 2), np.ones_like(u)[..., None]], -1)
    along = rays @ center / np.linalg.norm(rays, axis=-1)
    hit = np.dot(center, center) - along ** 2 <= radius ** 2
    return hit.reshape(height, samples, width, samples).mean((1, 3))


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return np.minimum(a, b).sum() / np.maximum(a, b).sum()


def centroid(alpha: np.ndarray) -> np.ndarray:
    v, u = np.indices(alpha.shape)
    return np.array([(alpha * u).sum(), (alpha * v).sum()]) / alpha.sum()


@PATHS
@pytest.mark.parametrize("camera", [CAMERA, Camera(150.0, 130.0, 60.3, 71.8),
                                    replace(CAMERA, distortion=(-0.3, 0.1, 0, 0))], ids=["centred", "odd", "barrel"])
def test_a_ball_covers_the_pixels_whose_rays_meet_it(opengl, camera):
    center, radius = np.array([0.12 if camera.distortion else 0.06, -0.04, 0.5]), 0.09
    alpha = render_mesh([ball(center, radius)], camera, WIDTH, HEIGHT, opengl)[..., 3] / 255
    truth = covered(center, radius, camera, WIDTH, HEIGHT)
    assert iou(alpha, truth) > 0.985
    assert np.abs(centroid(alpha) - centroid(truth)).max() < 0.05  # a half-pixel shift would show
    assert np.unique(alpha).size > 3  # edges are antialiased


def test_opengl_and_software_give_the_same_picture():
    meshes = [ball((-0.03, 0.0, 0.5), 0.09), ball((0.05, 0.02, 0.42), 0.06, BLUE)]
    best, software = (render_mesh(meshes, CAMERA, WIDTH, HEIGHT, opengl) for opengl in (True, False))
    assert iou(best[..., 3] / 255, software[..., 3] / 255) > 0.985
    inside = (best[..., 3] == 255) & (software[..., 3] == 255)
    assert np.abs(best[inside].astype(int) - software[inside]).mean() < 2


@PATHS
def test_the_nearer_ball_hides_the_farther_whatever_their_order(opengl):
    far, near = ball((0, 0, 0.6), 0.1), ball((0, 0, 0.4), 0.03, BLUE)
    one, other = (render_mesh(meshes, CAMERA, WIDTH, HEIGHT, opengl) for meshes in ([far, near], [near, far]))
    np.testing.assert_array_equal(one, other)
    red, _, blue, _ = one[HEIGHT // 2, WIDTH // 2]
    assert blue > red
    red, _, blue, _ = one[HEIGHT // 2, WIDTH // 2 + 18]  # between the two radii on the screen
    assert red > blue


@PATHS
def test_what_leaves_the_image_is_cut_off_and_what_is_behind_the_camera_left_out(opengl):
    half = ball((-0.28, 0.1, 0.5), 0.09)
    wide = Camera(CAMERA.fx, CAMERA.fy, CAMERA.cx + 100, CAMERA.cy + 100)
    expected = render_mesh([half], wide, WIDTH + 200, HEIGHT + 200, opengl)[100:-100, 100:-100]
    assert 0 < (expected[..., 3] > 0).sum()
    difference = np.abs(render_mesh([half], CAMERA, WIDTH, HEIGHT, opengl).astype(int) - expected)
    assert difference.mean() < 0.2
    for nowhere in ([], [ball((3, 0, 0.5), 0.1)], [ball((0, 0, -0.5), 0.1)],
                    [Mesh(np.full((3, 3), np.nan), np.array([[0, 1, 2]]), BLUE)]):
        assert render_region(nowhere, CAMERA, WIDTH, HEIGHT, opengl) is None
        assert not render_mesh(nowhere, CAMERA, WIDTH, HEIGHT, opengl).any()
    assert render_mesh([ball((0, 0, 0), 0.1)], CAMERA, WIDTH, HEIGHT, opengl).shape == (HEIGHT, WIDTH, 4)  # around it


@PATHS
def test_a_hand_larger_than_the_largest_rendering_stays_in_its_place(opengl):
    width, height = 3000, 2200
    camera, center, radius = Camera.from_fov(60, width, height), np.array([0.03, 0.01, 0.5]), 0.15
    part = render_region([ball(center, radius)], camera, width, height, opengl)
    assert max(part.rgba.shape) > LARGEST_RENDER
    alpha = render_mesh([ball(center, radius)], camera, width, height, opengl)[..., 3] / 255
    truth = covered(center, radius, camera, width, height, samples=1)
    assert iou(alpha, truth) > 0.99
    assert np.abs(centroid(alpha) - centroid(truth)).max() < 0.5


def test_many_threads_get_the_same_picture_as_one():
    mesh = ball((0, 0, 0.5), 0.1)
    expected = render_mesh([mesh], CAMERA, WIDTH, HEIGHT)
    with ThreadPoolExecutor(8) as pool:
        for picture in pool.map(lambda _: render_mesh([mesh], CAMERA, WIDTH, HEIGHT), range(24)):
            np.testing.assert_array_equal(picture, expected)


def test_without_opengl_the_picture_comes_all_the_same_and_it_is_said_once():
    program = textwrap.dedent("""
        import logging, numpy as np
        from handpose.camera import Camera
        from handpose.drawing.renderer import Mesh, render_mesh
        logging.basicConfig(format="%(levelname)s %(message)s")
        mesh = Mesh(np.array([[-.1, -.1, .5], [.1, -.1, .5], [0, .1, .5]]), np.array([[0, 1, 2]]), (200, 100, 50))
        camera = Camera.from_fov(60, 64, 64)
        pictures = [render_mesh([mesh], camera, 64, 64) for _ in range(2)]
        assert pictures[0].any()
        assert (pictures[1] == render_mesh([mesh], camera, 64, 64, opengl=False)).all()""")
    environment = dict(os.environ, PYOPENGL_PLATFORM="none", PYTHONPATH=os.pathsep.join(sys.path))
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("without OpenGL") == 1


PHOTO = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def in_camera(hand):
    return replace(hand, joints_2d=CAMERA.project(hand.joints_3d))


HANDS = [in_camera(make_hand("right", (0.06, -0.02, 0.5))), in_camera(make_hand("left", (-0.08, 0.03, 0.6), seed=1))]


def test_the_overlay_changes_only_where_hands_are_and_leaves_the_photo_alone():
    photo = PHOTO.copy()
    overlay = draw_overlay(photo, CAMERA, HANDS)
    np.testing.assert_array_equal(photo, PHOTO)
    assert overlay.dtype == np.uint8 and overlay.shape == PHOTO.shape
    u, v = np.concatenate([CAMERA.project(hand.vertices) for hand in HANDS]).round().astype(int).T
    near_vertex = np.zeros((HEIGHT + 8, WIDTH + 8), bool)
    for du in range(-4, 5):
        for dv in range(-4, 5):
            near_vertex[v + dv + 4, u + du + 4] = True
    changed = (overlay != PHOTO).any(-1)
    assert changed[v, u].mean() > 0.9
    assert not (changed & ~near_vertex[4:-4, 4:-4]).any()
    np.testing.assert_array_equal(draw_overlay(photo, CAMERA, []), PHOTO)
    np.testing.assert_array_equal(draw_overlay(photo, CAMERA, HANDS, mesh=False), PHOTO)


def test_opacity_blends_linearly_from_the_photo_to_the_mesh():
    none, half, full = (draw_overlay(PHOTO, CAMERA, HANDS, opacity=opacity).astype(int) for opacity in (0, 0.5, 1))
    np.testing.assert_array_equal(none, PHOTO)
    assert np.abs(half - (none + full) / 2).max() <= 1
    rendering = render_mesh([Mesh(hand.vertices, hand.faces, ORANGE) for hand in HANDS], CAMERA, WIDTH, HEIGHT)
    solid = rendering[..., 3] == 255
    other = draw_overlay(255 - PHOTO, CAMERA, HANDS, opacity=1)
    np.testing.assert_array_equal(full[solid], other[solid])  # nothing of the photo shows through
    with pytest.raises(ValueError, match="opacity"):
        draw_overlay(PHOTO, CAMERA, HANDS, opacity=85)


@pytest.mark.parametrize("opacity", [0.0, 0.37, 0.85, 1.0])
def test_blending_in_strips_is_blending_at_once(opacity):
    dice = np.random.default_rng(7)
    photo, part = dice.integers(0, 256, (301, 203, 3), np.uint8), dice.integers(0, 256, (197, 150, 4), np.uint8)
    expected = photo.copy()
    behind = expected[90:90 + 197, 31:31 + 150].astype(np.float32)
    alpha = part[..., 3:].astype(np.float32) * (opacity / 255)
    expected[90:90 + 197, 31:31 + 150] = (behind + (part[..., :3] - behind) * alpha + 0.5).astype(np.uint8)
    blend(photo, Rendering(part, 31, 90), opacity)
    np.testing.assert_array_equal(photo, expected)


@pytest.mark.parametrize("size", [(400, 300), (1531, 1149), (401, 1777)])
def test_enlarging_in_bands_is_enlarging_at_once(size):
    """Where there is something to see: OpenCV itself may differ in the last bit in the outermost four pixels."""
    width, height = size
    image = np.random.default_rng(8).random((300, 400, 4), np.float32)
    image[..., :3] *= image[..., 3:]  # premultiplied
    whole = image
    if (height, width) != (300, 400):
        whole = np.clip(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), 0, 1)
    straight = np.concatenate([whole[..., :3] / np.maximum(whole[..., 3:], 1e-6), whole[..., 3:]], 2)
    expected = (np.clip(straight, 0, 1) * 255 + 0.5).astype(np.uint8)
    got = _to_straight_uint8(image, width, height)
    np.testing.assert_array_equal(got[4:-4, 4:-4], expected[4:-4, 4:-4])
    assert np.abs(got.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("opengl", [True, False], ids=["best", "software"])
def test_an_overlay_of_48_megapixels_takes_three_times_the_photos_memory(opengl):
    """The region is the whole photo, as nothing takes more; a small overlay comes first, as the renderer needs its own.
    Measured as the process's peak, since NumPy is not the only one that takes memory."""
    program = textwrap.dedent(f"""
        import resource, sys
        import numpy as np, trimesh
        from handpose.camera import Camera
        from handpose.drawing import overlay, renderer
        from test_overlay import HANDS, ball, replace
        if not {opengl}:
            renderer._renderer = renderer._render_in_software

        def draw(width, height):
            mesh = ball((0, 0, 0.5), 0.35)
            hand = replace(HANDS[0], vertices=mesh.vertices, faces=mesh.faces)
            rgb = np.full((height, width, 3), 90, np.uint8)
            before = peak()
            drawn = overlay.draw_overlay(rgb, Camera.from_fov(60, width, height), [hand], skeleton=True)
            assert (drawn != 90).mean() > 0.9
            return (peak() - before) / rgb.nbytes

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

        draw(1200, 900)
        print(draw(8000, 6000))""")
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([os.path.dirname(__file__), *sys.path]))
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 3.0


def fan(scale: float, side: int = 400):
    """A hand whose 21 joints lie apart in the image, `scale` pixels from wrist to middle fingertip."""
    angles = np.radians(np.repeat(np.linspace(-60, 60, 5), 4))
    length = np.tile([0.4, 0.6, 0.8, 1.0], 5) * scale
    points = np.vstack([[0, 0], np.stack([length * np.sin(angles), -length * np.cos(angles)], 1)])
    return replace(HANDS[0], joints_2d=points + [side / 2, side / 2 + scale / 2])


def test_the_skeleton_shows_each_joint_in_its_fingers_colour():
    grey = np.full((400, 400, 3), 128, np.uint8)
    hand = fan(190)
    drawn = draw_overlay(grey, CAMERA, [hand], mesh=False, skeleton=True)
    for joint, (u, v) in enumerate(hand.joints_2d.round().astype(int)):
        assert tuple(drawn[v, u]) == FINGER_COLORS[FINGER_OF_JOINT[joint]], joint
    middle = ((hand.joints_2d[10] + hand.joints_2d[11]) / 2).round().astype(int)
    assert tuple(drawn[middle[1], middle[0]]) == FINGER_COLORS["middle"]


def test_near_fingers_cross_over_far_ones_in_the_picture_and_on_the_page():
    hand = fan(190)
    points, joints = hand.joints_2d.copy(), hand.joints_3d.copy()
    points[8], points[7] = hand.joints_2d[20], (hand.joints_2d[6] + hand.joints_2d[20]) / 2  # index over the others
    for near in ("index", "others"):
        joints[:, 2] = [0.5 + 0.01 * (joint in range(5, 9)) * (1 if near == "others" else -1) for joint in range(21)]
        crossed = replace(hand, joints_2d=points, joints_3d=joints)
        picture = draw_overlay(np.full((400, 400, 3), 128, np.uint8), CAMERA, [crossed], mesh=False, skeleton=True)
        u, v = _crossing(points[7], points[8], points[18], points[19])
        first, second = (FINGER_COLORS["index"], FINGER_COLORS["little"])[::1 if near == "index" else -1]
        assert tuple(picture[round(v), round(u)]) == first
        drawn = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" stroke="([^"]+)"', layers([crossed], CAMERA,
                                                                                                    400, 400))
        over = [color for u0, v0, u1, v1, color in drawn
                if _distance((u, v), (float(u0), float(v0)), (float(u1), float(v1))) < 0.2]
        assert over[-1] == css(first) and css(second) in over
        assert len(drawn) == 2 * len(BONES)


def _crossing(a, b, c, d) -> tuple[float, float]:
    """Where the lines a-b and c-d meet."""
    along, _ = np.linalg.solve(np.stack([b - a, c - d], 1), c - a)
    return tuple((a + along * (b - a)).tolist())


def _distance(point, start, end) -> float:
    """Of a point from the stretch between two others."""
    point, start, end = map(np.array, (point, start, end))
    along = np.clip((point - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    return float(np.linalg.norm(start + along * (end - start) - point))


def test_the_skeletons_lines_grow_with_the_hand():
    grey = np.full((400, 400, 3), 128, np.uint8)
    small, large = (draw_overlay(grey, CAMERA, [fan(size)], mesh=False, skeleton=True) for size in (40, 190))
    inked = [(picture != 128).any(-1).sum() for picture in (small, large)]
    assert inked[1] > 7 * inked[0]  # lines of one thickness would ink 4.75 times as much
    broken = replace(fan(60), joints_2d=np.full((21, 2), np.nan))
    np.testing.assert_array_equal(draw_overlay(grey, CAMERA, [broken], mesh=False, skeleton=True), grey)


def test_a_shrunken_photo_shows_its_hands_in_the_same_place():
    rgb = np.repeat(np.repeat(PHOTO, 4, 0), 4, 1)
    camera = Camera.from_fov(60, WIDTH * 4, HEIGHT * 4)
    hands = [replace(hand, joints_2d=camera.project(hand.joints_3d)) for hand in HANDS]
    small, small_camera, small_hands = shrink(rgb, camera, hands, WIDTH)
    assert small.shape == PHOTO.shape
    np.testing.assert_array_equal(small, PHOTO)
    for hand in small_hands:
        np.testing.assert_allclose(hand.joints_2d, small_camera.project(hand.joints_3d), atol=1e-6)
    np.testing.assert_allclose(small_hands[0].joints_2d, HANDS[0].joints_2d, atol=1e-6)
    assert shrink(PHOTO, CAMERA, HANDS, WIDTH)[0] is PHOTO


def test_a_program_ends_though_a_thread_was_in_the_middle_of_an_import():
    code = """
        import _imp, threading, time
        from handpose.drawing import renderer

        def import_slowly():
            _imp.acquire_lock()
            time.sleep(1)
            _imp.release_lock()

        renderer.warm_up()
        renderer._render_thread.submit(bool).result()
        threading.Thread(target=import_slowly, daemon=True).start()
        time.sleep(.2)
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)
