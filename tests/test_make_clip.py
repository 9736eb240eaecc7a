"""Filmed hands: files that other readers read, pictures that show what the truth says."""
import av
import cv2
import numpy as np
import pytest

from handpose.camera import Camera
from handpose.clips.reading import read_clip
from handpose.hand_model.model import HandModel
from train.make_clip import _limb, clip_camera, film, make_clip
from train.synthesis.motions import MOTIONS, stage

WIDTH, HEIGHT, COUNT = 160, 120, 3
TIMES = np.arange(COUNT) / 5


@pytest.mark.parametrize("suffix", [".mp4", ".y4m", ".mjpeg"])
def test_every_format_is_read_back(tmp_path, suffix):
    truth = make_clip(tmp_path / f"clip{suffix}", "wave", COUNT, hands=2, width=WIDTH, height=HEIGHT, crf=4)
    with av.open(str(tmp_path / f"clip{suffix}")) as file:
        seen = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        assert suffix == ".mjpeg" or file.streams.video[0].average_rate == 30
    with np.load(truth) as file:
        assert file["track"].tolist() == [[1, 2]] * COUNT and file["side"].tolist() == [["right", "left"]] * COUNT
        matrix = file["intrinsics"]
        camera = Camera(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
        assert np.allclose(camera.project(file["joints_3d"]), file["joints_2d"], atol=0.01)
    frames = stage("wave", 2, np.arange(COUNT) / 30, clip_camera(WIDTH, HEIGHT))
    for image, expected in zip(seen, film(frames, clip_camera(WIDTH, HEIGHT), WIDTH, HEIGHT), strict=True):
        assert np.abs(image.astype(int) - expected).mean() < 5
    assert {path.name for path in tmp_path.iterdir()} == {f"clip{suffix}", "clip.npz"}


def test_an_mp4_keeps_its_times(tmp_path):
    make_clip(tmp_path / "clip.mp4", "rest", COUNT, width=WIDTH, height=HEIGHT, fps=5)
    assert np.allclose([time_s for time_s, _ in read_clip(tmp_path / "clip.mp4")], TIMES, atol=1e-3)


@pytest.mark.parametrize("width, height", [(WIDTH, HEIGHT), (121, 160)])
def test_hands_are_where_the_truth_says(width, height):
    camera = clip_camera(width, height)
    frames = stage("wave", 2, TIMES, camera)
    empty = next(film([[]], camera, width, height, noise=0)).astype(int)
    for hands, image in zip(frames, film(frames, camera, width, height, noise=0), strict=True):
        assert image.shape == (height, width, 3)
        changed = np.abs(image.astype(int) - empty).max(-1) > 2
        for one in hands:
            u, v = one.hand.joints_2d.round().astype(int).T
            inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
            near = cv2.dilate(changed.astype(np.uint8), np.ones((3, 3)))
            assert near[v[inside], u[inside]].mean() > 0.9
        assert changed.mean() < 0.6


def test_only_the_noise_differs_between_frames_at_rest():
    camera = clip_camera(WIDTH, HEIGHT)
    frames = stage("rest", 1, TIMES, camera)
    first, second, _ = film(frames, camera, WIDTH, HEIGHT, noise=0)
    assert np.array_equal(first, second)
    first, second, _ = (image.astype(float) for image in film(frames, camera, WIDTH, HEIGHT))
    assert 1 < (first - second).std() < 12


def test_the_left_hand_is_not_inside_out():
    class Studio:
        faces = HandModel.load().faces

        def limb(self, rng, hand, palette, focal):
            from train.synthesis.shading import Part
            return [Part(hand.vertices, self.faces, np.zeros((len(self.faces), 3, 2)), (), np.zeros(len(self.faces)))]

    for one in stage("rest", 2, TIMES, clip_camera(WIDTH, HEIGHT))[0]:
        part, = _limb(Studio(), None, one.hand, None, 100.0)
        assert np.allclose(part.vertices, one.hand.vertices)
        a, b, c = (part.vertices - part.vertices.mean(0))[part.faces].swapaxes(0, 1)
        assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0  # six times the volume


@pytest.mark.parametrize("motion", MOTIONS)
def test_motions_are_smooth_and_mirrored_hands_mirror(motion):
    camera = clip_camera(WIDTH, HEIGHT)
    frames = stage(motion, 2, np.arange(30) / 30, camera)
    for hand in range(2):
        joints = np.array([frame[hand].hand.joints_3d for frame in frames])
        assert np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).max() < 0.005  # m a frame, a frame
        assert (joints[..., 2] > 0.3).all()
    right, left = frames[0][0].hand, frames[0][1].hand
    assert np.linalg.norm(right.joints_3d[5] - right.joints_3d[17]) == pytest.approx(
        np.linalg.norm(left.joints_3d[5] - left.joints_3d[17]), rel=0.15)
    # Palms to the camera, fingers up: the right hand's thumb is on the right.
    for hand, sign in (right, 1), (left, -1):
        assert sign * (hand.joints_2d[5] - hand.joints_2d[17])[0] > 0 and hand.joints_2d[9, 1] < hand.joints_2d[0, 1]


def test_an_unknown_motion_or_kind_is_named(tmp_path):
    with pytest.raises(ValueError, match="dance"):
        make_clip(tmp_path / "clip.mp4", "dance", 2)
    with pytest.raises(ValueError, match="gif"):
        make_clip(tmp_path / "clip.gif")
    with pytest.raises(ValueError, match="even"):
        make_clip(tmp_path / "clip.y4m", "rest", 1, width=121, height=90)
    assert list(tmp_path.iterdir()) == []
