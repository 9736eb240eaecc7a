"""Hidden joints against rays through every triangle; expected errors by their formula, their units and their files."""
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from test_depth import shot
from test_export import CAMERA as SMALL
from test_export import HANDS as BALLS
from test_joint_angles import MODELS, posed

from benchmarks.joint_errors import Joints, curve, fit, report
from handpose.camera import Camera
from handpose.export import write_json, write_npz
from handpose.hand import Result
from handpose.joint_errors import FLESH, LOST, MILLIMETRES, PIXELS, Calibration, features, in_the_way, joint_errors

CAMERA = Camera.from_fov(50, 640, 480)


def placed(seed: int, side: str = "right"):
    """A hand in a pose and a turn of its own, half a metre away, whose network knew all joints to 4 pixels."""
    dice = np.random.default_rng(seed)
    turns = {f"{finger}{part}": np.array([0, 0, dice.uniform(0, 1.4)]) for part in (1, 2, 3)
             for finger in ("index", "middle", "ring", "little")}
    hand = posed(MODELS["open"], side, turns)
    turn = np.linalg.qr(dice.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    move = lambda points: (points - hand.joints_3d[0]) @ turn.T + [0, 0, 0.5]  # noqa: E731
    hand = replace(hand, joints_3d=move(hand.joints_3d), vertices=move(hand.vertices), score=0.9)
    return replace(hand, joints_2d=CAMERA.project(hand.joints_3d), spread=np.full(21, 4.0))


def test_what_is_in_the_way_is_what_a_ray_meets_first():
    """By Möller and Trumbore's test, of a camera for each joint that has it in its only pixel."""
    hand = placed(0)
    ours = in_the_way(hand.joints_3d, hand.vertices, hand.faces)
    for place, gap in zip(hand.joints_3d, ours, strict=True):
        u, v = place[:2] / place[2]
        depth, _ = shot([hand], Camera(1.0, 1.0, -u, -v), 1, 1)
        true = (place[2] - depth[0, 0]) * np.linalg.norm(place) / place[2] if depth.any() else gap
        assert gap == pytest.approx(true, abs=1e-6)
    assert (ours > FLESH).any() and (ours < FLESH).any()


def test_a_mesh_behind_the_camera_is_not_in_the_way():
    hand = placed(0)
    assert (in_the_way(hand.joints_3d, hand.vertices * [1, 1, -1], hand.faces) < 0).all()


def test_a_hand_before_another_hides_it_and_not_the_other_way_round():
    flat = posed(MODELS["open"], "right", {})
    face = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])  # the palm to the camera
    points = (flat.joints_3d - flat.joints_3d[0], flat.vertices - flat.joints_3d[0])
    base = np.linalg.inv(flat.wrist_pose[:3, :3])

    def at(distance: float):
        joints, vertices = (part @ base.T @ face.T + [0, 0.05, distance] for part in points)
        return replace(flat, joints_3d=joints, vertices=vertices, joints_2d=CAMERA.project(joints))

    near, far = at(0.4), at(0.6)
    alone, = joint_errors([far])
    assert not alone.joints_hidden.any()
    of_far, of_near = joint_errors([far, near])
    assert of_far.joints_hidden.mean() > 0.5 and not of_near.joints_hidden.any()


def test_expected_errors_grow_with_spread_and_doubt_and_with_the_picture():
    hand = placed(0)
    errors, = joint_errors([hand])
    vaguer, = joint_errors([replace(hand, spread=hand.spread * 2)])
    unsure, = joint_errors([replace(hand, score=0.5)])
    for more in (vaguer, unsure):
        assert (more.joints_error_px > errors.joints_error_px).all()
        assert (more.joints_error_mm > errors.joints_error_mm).all()
    twice = replace(hand, joints_2d=hand.joints_2d * 2, spread=hand.spread * 2)  # the same photo, twice as large
    larger, = joint_errors([twice])
    assert np.allclose(larger.joints_error_px, 2 * errors.joints_error_px)
    assert np.allclose(larger.joints_error_mm, errors.joints_error_mm)
    lost, = joint_errors([replace(hand, spread=np.full(21, LOST * np.ptp(hand.joints_2d, axis=0).max()))])
    assert lost.joints_hidden.all()
    seen = hand.seen_by(Camera(2 * CAMERA.fx, 2 * CAMERA.fy, 0, 0))
    assert np.allclose(seen.spread, 2 * hand.spread)


def test_calibration_is_what_it_says():
    hand = placed(1)
    assert Calibration((np.log(3.0),) * 9, 1.0, 0.0)(features(hand)) == pytest.approx(
        3 * (4.0 / np.ptp(hand.joints_2d, axis=0).max() + 0.002))
    assert len(PIXELS.joints) == len(MILLIMETRES.joints) == 9 and PIXELS.spread > 0 < PIXELS.doubt


def test_fit_is_quantile_regression():
    """Of one constant it is the quantile; of two columns no other weight has a smaller pinball loss."""
    dice = np.random.default_rng(0)
    errors = dice.lognormal(0, 1, (40, 21))
    one = fit(np.ones((40, 21, 1)), errors)[0]
    assert (np.log(errors) <= one + 1e-9).mean() == pytest.approx(2 / 3, abs=2 / 840)
    seen = dice.normal(size=(40, 21, 1))
    errors = np.exp(0.7 * seen[..., 0]) * dice.lognormal(-0.5, 0.3, (40, 21))

    def loss(weight: float) -> float:
        over = np.log(errors) - weight * seen[..., 0]
        return float(np.maximum(2 / 3 * over, -over / 3).sum())

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded")
    assert loss(fit(seen, errors)[0]) <= best.fun + 1e-4


def test_report_counts_what_lies_within(capsys):
    told = np.tile(np.arange(1.0, 22), (10, 1))
    off = told * np.array([0.5] * 7 + [2.0] * 3)[:, None]
    features = np.repeat(np.eye(11)[None, :1], 10, 0).repeat(21, 1)
    joints = Joints(features, np.full(10, 100.0), told, told, off, off, np.eye(10, 21) > 0, np.eye(10, 21) > 0)
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning):  # no joint of the other kinds
        report("balls", joints)
    said = capsys.readouterr().out
    assert "px: 70% within s" in said and "mm: 70% within s" in said and "those called so 100% are" in said
    drawn = curve("balls", told, off)
    assert drawn.told == sorted(drawn.told) and len(drawn.real) == 10
    assert drawn.real[0] == pytest.approx(np.quantile(off[:, :2], 2 / 3), rel=0.2)


def test_files_hold_them_and_leave_out_what_no_network_told(tmp_path):
    hands = [placed(0), placed(1, "left")]
    expected = joint_errors(hands)
    write_json(tmp_path / "a.json", "a.jpg", Result(640, 480, CAMERA, hands))
    for read, errors in zip(json.loads((tmp_path / "a.json").read_text())["hands"], expected, strict=True):
        assert np.allclose(read["joints_error_px"], errors.joints_error_px, atol=0.006)
        assert np.allclose(read["joints_error_mm"], errors.joints_error_mm, atol=0.06)
        assert read["joints_hidden"] == errors.joints_hidden.tolist()
    write_npz(tmp_path / "a.npz", CAMERA, hands)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        for name in expected[0]._fields:
            assert np.array_equal(arrays[name], [getattr(errors, name) for errors in expected])
    write_json(tmp_path / "b.json", "b.jpg", Result(96, 64, SMALL, BALLS))  # hands of no network
    for read in json.loads((tmp_path / "b.json").read_text())["hands"]:
        assert "joints_error_px" not in read and len(read["joints_hidden"]) == 21
