"""The figure holds the hands' true geometry, and first shows it from where the camera stood."""
import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_export import CAMERA, HANDS, RESULT

from handpose.drawing.figure import hand_figure, to_plotly
from handpose.drawing.palette import FINGER_COLORS, css, hand_color
from handpose.hand_model.skeleton import BONES, FINGER_OF_JOINT


def points_of(trace) -> np.ndarray:
    return np.stack([trace.x, trace.y, trace.z], 1)


def triangles_of(trace) -> np.ndarray:
    return np.stack([trace.i, trace.j, trace.k], 1)


def test_each_hand_is_one_mesh_in_its_true_place():
    figure = hand_figure(RESULT)
    meshes = [trace for trace in figure.data if trace.type == "mesh3d"]
    assert len(meshes) == len(HANDS)
    for mesh, hand in zip(meshes, HANDS, strict=True):
        x, y, z = points_of(mesh).T  # back to the camera's frame by Plotly's axes: x right, z up, y away
        shown = np.stack([x, -z, y], 1)
        apart = np.linalg.norm(shown[:len(hand.vertices)] - hand.vertices, axis=1)
        assert apart.max() < 0.006  # metres; smoothed: the test's balls are lumpy
        corners = points_of(mesh)[triangles_of(mesh)]
        assert np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) > 0  # not inside out
        assert len(mesh.intensity) == len(mesh.x)


def test_light_turns_the_hands_own_colour_into_tones():
    mesh, hand = hand_figure(RESULT).data[0], HANDS[0]
    light, colors = zip(*mesh.colorscale, strict=True)
    tones = np.array([[int(part) for part in color[4:-1].split(",")] for color in colors])
    full = np.array([np.interp(1 / mesh.cmax, light, channel) for channel in tones.T])
    np.testing.assert_allclose(full, hand_color(hand.side, hand.certainty), atol=8)
    assert (np.diff(tones, axis=0) >= 0).all() and tones[0].max() == 0
    assert 0.2 < min(mesh.intensity) and max(mesh.intensity) <= mesh.cmax


def test_the_axes_are_equal_and_hold_all_hands():
    scene = hand_figure(RESULT).layout.scene
    ranges = np.array([scene.xaxis.range, scene.yaxis.range, scene.zaxis.range])
    np.testing.assert_allclose(np.ptp(ranges, axis=1), np.ptp(ranges[0]))
    assert scene.aspectmode == "cube"
    for hand in HANDS:
        points = to_plotly(hand.vertices)
        assert (points > ranges[:, 0]).all() and (points < ranges[:, 1]).all()


def test_the_first_view_is_the_cameras():
    """Seen by Plotly's camera (eye, centre, up in units of the cube), right is right and down is down in the photo."""
    scene = hand_figure(RESULT).layout.scene
    low, high = np.array([scene.xaxis.range, scene.yaxis.range, scene.zaxis.range]).T
    eye, up = (np.array([p.x, p.y, p.z]) for p in (scene.camera.eye, scene.camera.up))
    forward = -eye / np.linalg.norm(eye)
    right = np.cross(forward, up) / np.linalg.norm(np.cross(forward, up))
    for hand in HANDS:
        view = (to_plotly(hand.vertices) - (low + high) / 2) / (high - low) - eye
        depth = view @ forward
        assert depth.min() > 0
        across, upwards = view @ right / depth, view @ np.cross(right, forward) / depth
        pixels = hand.vertices[:, :2] / hand.vertices[:, 2:]
        assert np.corrcoef(across, pixels[:, 0])[0, 1] > 0.97
        assert np.corrcoef(upwards, -pixels[:, 1])[0, 1] > 0.97
        assert np.corrcoef(depth, hand.vertices[:, 2])[0, 1] > 0.9


def test_the_skeletons_lines_are_the_bones_in_their_fingers_colours():
    figure = hand_figure(RESULT, skeleton=True)
    skeletons = [trace for trace in figure.data if trace.type == "scatter3d"]
    assert len(skeletons) == len(HANDS)
    for skeleton, hand in zip(skeletons, HANDS, strict=True):
        points, joints = points_of(skeleton), to_plotly(hand.joints_3d)
        drawn = set()
        for start, end, color in zip(points, points[1:], skeleton.line.color[1:], strict=False):
            if np.isfinite([start, end]).all():
                bone = tuple(int(np.linalg.norm(joints - point, axis=1).argmin()) for point in (start, end))
                assert color == css(FINGER_COLORS[FINGER_OF_JOINT[bone[1]]])
                drawn.add(bone)
        assert drawn == set(BONES)


@pytest.mark.parametrize("mesh", [True, False])
@pytest.mark.parametrize("skeleton", [True, False])
def test_parts_are_switched_by_visibility_alone(mesh, skeleton):
    figure = hand_figure(RESULT, mesh=mesh, skeleton=skeleton)
    assert [trace.visible for trace in figure.data] == [mesh] * len(HANDS) + [skeleton] * len(HANDS)


def test_it_is_valid_json_of_the_height_asked_for():
    assert json.loads(hand_figure(RESULT, height=321).to_json())["layout"]["height"] == 321


def test_what_it_tells_a_page_fits_the_photo_and_the_hands():
    told = json.loads(hand_figure(RESULT).to_json())["layout"]["meta"]
    for hand in HANDS:
        assert (np.linalg.norm(hand.vertices - told["middle"], axis=1) < told["reach"]).all()
        assert hand.vertices[:, 2].max() < told["photo"]["depth"]  # the photo stands behind
    assert [told["photo"][key] for key in ("width", "height", "fx", "cy")] == [96, 64, CAMERA.fx, CAMERA.cy]
    joints = HANDS[0].joints_3d
    eyes = {name: Rotation.from_quat(turn).as_matrix().T for name, turn in told["views"].items()}
    np.testing.assert_allclose(eyes["camera"], np.eye(3), atol=1e-12)
    up, across = joints[9] - joints[0], joints[5] - joints[17]
    for name in ("front", "side"):
        right, down, away = eyes[name] @ up
        assert down < 0 and abs(right) < 1e-9  # the middle finger's knuckle is straight above the wrist
    assert (eyes["side"] @ across)[2] < 0 and (eyes["top"] @ up)[2] < 0  # towards the eye
    assert (eyes["front"] @ across)[0] > 0  # a right hand's thumb, seen by one who looks into the palm


def test_without_hands_it_says_so():
    figure = hand_figure(None, message="Nobody waves")
    assert not figure.data
    assert [words.text for words in figure.layout.annotations] == ["Nobody waves"]
