"""Where the open hand's skin lies, and what measures it against photos: shapes whose distances are known."""
import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.fingertips import gaps_between
from benchmarks.joint_convention import offset_of
from benchmarks.silhouettes import ENLARGED, ahead_of_wrist, compare, depth_inside, enlarged, skin_of
from handpose.camera import Camera
from handpose.drawing.rasterizer import rasterize
from handpose.hand import Hand
from handpose.hand_model.model import DISTAL_MANO_JOINTS, HandModel
from handpose.hand_model.skeleton import FINGERS, TIP_JOINTS
from train.baking.surface import LENGTHENED, TURNED, WRIST_END, skin_change

CAMERA, MODEL = Camera.from_fov(50, 240, 200), HandModel.load()


@pytest.fixture(scope="module")
def hand():
    """A right hand with stretched fingers, flat before the camera."""
    turn = np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]])  # fingers up, thumb to the left, the back to the camera
    orient = Rotation.from_matrix(turn).as_rotvec()[None]
    found = MODEL(orient, np.zeros((1, 45)), np.zeros((1, 10)), np.array([[0, 0.09, 0.35]]))
    joints = found.joints[0]
    pixels = CAMERA.project(joints)
    return Hand("right", 1.0, np.r_[pixels.min(0), pixels.max(0)], "open", pixels, joints, found.vertices[0],
                MODEL.faces, orient[0], np.zeros(45), np.zeros(10), np.zeros(3))


def silhouette(hand):
    pixels = enlarged(CAMERA.project(hand.vertices))
    points = np.column_stack([pixels, hand.vertices[:, 2]])
    return rasterize(points, hand.faces, 240 * ENLARGED, 200 * ENLARGED).face >= 0


def test_a_ray_of_fingers_grows_at_its_ends_and_its_wrist_is_cut_straight():
    """Of invented skin: a point at each tip and each last joint, some palm far from all bumps, a slanting rim."""
    joints = np.zeros((16, 3))
    joints[13], joints[14] = [0, 0, 0.5], [0, 0, 0.6]
    places, bones = [], []
    for number, joint in enumerate(DISTAL_MANO_JOINTS):
        joints[joint] = [-0.7, 0, 0.7 - 0.1 * number]
        places += [joints[joint], joints[joint] + [-0.02, 0, 0]]
        bones += [joint, joint]
    rim = [[0.004 - 0.3 * y, y, z] for y in (-0.02, 0.02) for z in (-0.02, 0.02)]
    vertices = np.array([*places, [-0.5, 0, 0], *rim])
    weights = np.eye(16)[[*bones, 0, 0, 0, 0, 0]]
    weights[:2, 13:] = 0, 0, 0  # the thumb's skin is not moved outwards here
    weights[:2, 15] = 1
    change = skin_change(vertices, joints, weights, np.arange(11, 15), (1, 3, 5, 7, 9))
    for finger, start in zip(FINGERS[1:], (2, 4, 6, 8), strict=True):
        assert np.allclose(change[start], 0, atol=1e-9)
        assert np.allclose(change[start + 1], [-LENGTHENED[finger], 0, TURNED[finger]], atol=1e-9)
    assert change[1, 0] - change[0, 0] == pytest.approx(-LENGTHENED["thumb"])
    assert np.allclose(change[10], 0, atol=1e-9)
    assert np.allclose((vertices + change)[11:, 0], WRIST_END, atol=1e-4)


def test_the_skin_ends_beyond_the_tips_joint_as_photos_have_it():
    """By the labels of `benchmarks.fingertips`, MediaPipe's point lies 4.7 to 5.4 % of the box inside: 6 to 8 mm."""
    vertices, joints = (part[0] for part in MODEL.rest(np.zeros((1, 10), np.float32)))
    for tip, joint, bone in zip(MODEL.tip_vertices, TIP_JOINTS, DISTAL_MANO_JOINTS, strict=True):
        axis = vertices[tip] - joints[bone]
        length = np.linalg.norm(axis)
        assert ((vertices[MODEL.weights[:, bone] > 0.9] - joints[bone]) @ axis / length).max() < length + 5e-4
        assert 0.0055 < -MODEL.joint_offsets[joint] @ axis / length < 0.009


def test_gaps_are_what_the_labels_lie_beyond_the_mesh(hand):
    pixels = CAMERA.project(hand.vertices)
    box, tips, wanted = np.ptp(hand.joints_2d, axis=0).max(), [], (3.0, -2.0, 0.0, 5.0, np.nan)
    for joint, bone, gap in zip(TIP_JOINTS, DISTAL_MANO_JOINTS, wanted, strict=True):
        start = hand.joints_2d[joint - 1]
        ahead = (hand.joints_2d[joint] - start) / np.linalg.norm(hand.joints_2d[joint] - start)
        reached = max((pixel - start) @ ahead for pixel in pixels[MODEL.weights[:, bone] > 0.5])
        tips.append(start + ahead * (reached + gap * box / 100))
    assert np.allclose(gaps_between(hand, MODEL, CAMERA, np.array(tips)), wanted, atol=1e-6, equal_nan=True)


def test_depth_inside_a_disc():
    v, u = np.mgrid[:101, :101]
    away = np.hypot(u - 50, v - 50)
    assert abs(depth_inside(away < 30) - (30 - away))[away > 3].max() < 1.2


def test_a_silhouette_against_itself_and_against_a_thicker_one(hand):
    drawn = silhouette(hand)
    everywhere = np.ones_like(drawn)
    same = compare(hand, CAMERA, drawn, everywhere)
    assert same.overlap == 1 and abs(same.off).max() < 2 * 1000 * 0.35 / CAMERA.fx / ENLARGED  # 2 px
    thicker = cv2.dilate(drawn.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))) > 0
    off = compare(hand, CAMERA, thicker, everywhere).off - same.off.mean()
    assert np.median(off) == pytest.approx(4 * 1000 * 0.35 / CAMERA.fx / ENLARGED, rel=0.15)  # 4 px


def test_a_painted_hand_is_cut_out(hand):
    """In front of a wall with noise; what lies beyond the wrist is not looked at."""
    dice = np.random.default_rng(0)
    drawn = cv2.resize(silhouette(hand).astype(np.uint8), (240, 200), interpolation=cv2.INTER_AREA) > 0
    rgb = np.where(drawn[..., None], (170, 120, 95), (205, 205, 210)) + dice.normal(0, 6, (200, 240, 3))
    ahead = ahead_of_wrist(hand.joints_2d, drawn.shape)
    seen = skin_of(rgb.clip(0, 255).astype(np.uint8), hand.joints_2d)
    assert (seen & drawn & ahead).sum() > 0.97 * ((seen | drawn) & ahead).sum()
    assert ahead[hand.joints_2d[9].astype(int)[1], hand.joints_2d[9].astype(int)[0]] and not ahead[-1].any()


def test_an_offset_is_found_although_a_third_of_the_points_show_something_else():
    dice = np.random.default_rng(1)
    turns, true = Rotation.random(300, random_state=2).as_matrix(), np.array([0.006, -0.003, 0.002])
    joints = dice.normal(0, 0.03, (300, 3)) + [0, 0, 0.5]
    camera = np.array([[400.0, 0, 96], [0, 400, 90], [0, 0, 1]])
    seen = (joints + turns @ true) @ camera.T
    points = seen[:, :2] / seen[:, 2:] + dice.normal(0, 0.5, (300, 2))
    points[:100] += dice.normal(0, 40, (100, 2))
    found, before, after = offset_of(joints, turns, np.tile(camera, (300, 1, 1)), points, np.full(300, 100.0))
    assert np.abs(found - true).max() < 3e-4 and after < 0.5 * before
