"""The filters against closed forms: what is constant, turned, noisy or on a ramp."""
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handpose.tracking.smoothing import Cutoff, FrozenMean, HandSmoother, OneEuro, OneEuroRotation, smoothing_factor

FPS = 30.0


def times(count, rng=None):
    """Time stamps (count,) of 30 frames a second, irregular where a generator is given."""
    steps = np.full(count, 1 / FPS) if rng is None else rng.choice([0.2, 1.0, 3.0], count) / FPS
    return 5 + np.cumsum(steps)


def angle(a, b):
    """Radians (N,) between rotations."""
    return (a.inv() * b).magnitude()


def about(rotvec):
    return Rotation.from_rotvec(rotvec)


def test_what_is_constant_stays():
    rng = np.random.default_rng(0)
    values, turns = rng.normal(size=4), about(rng.normal(size=(4, 3)))
    plain, turning = OneEuro(Cutoff(1, 1)), OneEuroRotation(Cutoff(1, 1))
    for time_s in times(50, rng):
        assert np.allclose(plain(values, time_s), values, atol=1e-12)
        assert angle(turning(turns, time_s), turns).max() < 1e-6


def test_without_gain_a_step_is_answered_exponentially():
    """Between two frames of any length the rest of the way shrinks by 1 / (1 + 2 pi f dt)."""
    rng = np.random.default_rng(1)
    stamps = times(40, rng)
    axis = np.array([0.6, 0.0, 0.8])
    plain, turning = OneEuro(Cutoff(1.3, 0.0)), OneEuroRotation(Cutoff(1.3, 0.0))
    plain(np.zeros(1), 5.0), turning(Rotation.identity(1), 5.0)
    left, last = 1.0, 5.0
    for time_s in stamps:
        left, last = left / (1 + 2 * np.pi * 1.3 * (time_s - last)), time_s
        assert plain(np.ones(1), time_s)[0] == pytest.approx(1 - left, abs=1e-12)
        assert np.allclose(turning(about(axis[None]), time_s).as_rotvec(), (1 - left) * axis, atol=1e-9)


def test_about_one_axis_rotations_are_filtered_as_their_angles_are():
    rng = np.random.default_rng(2)
    cutoff, axis = Cutoff(0.8, 2.0), np.array([0.0, 0.6, -0.8])
    plain, turning = OneEuro(cutoff), OneEuroRotation(cutoff)
    for time_s in times(80, rng):
        turn = np.sin(3 * time_s) + 0.05 * rng.normal()
        turned = turning(about(turn * axis[None]), time_s).as_rotvec()
        assert np.allclose(turned, plain(np.array([turn]), time_s) * axis, atol=1e-9)


def test_turning_everything_turns_the_result():
    rng = np.random.default_rng(3)
    before, after = about(rng.normal(size=(2, 3)))
    plain, turned = OneEuroRotation(Cutoff(1, 2)), OneEuroRotation(Cutoff(1, 2))
    turn = rng.normal(size=(5, 3))
    for time_s in times(30, rng):
        turn = turn + 0.1 * rng.normal(size=(5, 3))
        result = turned(before * about(turn) * after, time_s)
        assert angle(result, before * plain(about(turn), time_s) * after).max() < 1e-7


def test_a_turn_past_half_a_revolution_is_no_jump():
    """Axis-angle jumps there from pi to -pi; the rotation does not."""
    turning = OneEuroRotation(Cutoff(1.0, 0.0))
    last = None
    for time_s, turn in zip(times(60), np.linspace(2.5, 3.9, 60), strict=True):
        wrapped = turn if turn < np.pi else turn - 2 * np.pi
        value = turning(about([[0, wrapped, 0]]), time_s)
        assert last is None or angle(value, last)[0] < 0.03
        last = value


def test_noise_at_rest_is_reduced_as_theory_says():
    """Without gain, an exponential filter of weight a leaves a / (2 - a) of white noise's variance."""
    rng = np.random.default_rng(5)
    noise = 0.01 * rng.normal(size=(4000, 50))
    plain = OneEuro(Cutoff(1.5, 0.0))
    filtered = np.array([plain(row, time_s) for row, time_s in zip(noise, times(4000), strict=True)])[100:]
    weight = smoothing_factor(1.5, 1 / FPS)
    assert filtered.var() / noise.var() == pytest.approx(weight / (2 - weight), rel=0.05)


def test_noise_at_rest_is_more_than_halved_on_rotations_with_the_gain_in_use():
    from handpose.tracking.smoothing import TURNS
    rng = np.random.default_rng(6)
    noise = 0.02 * rng.normal(size=(1000, 15, 3))
    turning = OneEuroRotation(TURNS)
    left = [turning(about(row), time_s).magnitude() for row, time_s in zip(noise, times(1000), strict=True)]
    assert np.mean(left[100:]) < 0.5 * np.linalg.norm(noise, axis=2).mean()


@pytest.mark.parametrize("speed", [0.5, 2.0, 8.0])
def test_lag_on_a_ramp_has_its_bound(speed):
    """In the long run the filter is 1 / (2 pi f) seconds behind, f being the cutoff at that speed."""
    cutoff = Cutoff(1.0, 4.0)
    plain, turning = OneEuro(cutoff), OneEuroRotation(cutoff)
    for time_s in times(300):
        value = plain(np.array([speed * time_s]), time_s)
        turned = turning(about([[0, 0, speed * time_s]]), time_s)
    lag = (speed * time_s - value[0]) / speed
    assert lag == pytest.approx(1 / (2 * np.pi * (1 + 4 * speed)), rel=1e-3)
    assert angle(turned, about([[0, 0, speed * time_s]]))[0] / speed == pytest.approx(lag, rel=1e-3)


def test_a_time_that_is_not_later_changes_nothing():
    plain, turning = OneEuro(Cutoff(1, 1)), OneEuroRotation(Cutoff(1, 1))
    plain(np.zeros(1), 1.0), turning(Rotation.identity(1), 1.0)
    for time_s in (1.0, 0.5):
        assert plain(np.ones(1), time_s) == 0
        assert turning(about(np.ones((1, 3))), time_s).magnitude() == 0


def test_the_shape_is_a_weighted_mean_and_then_constant():
    rng = np.random.default_rng(7)
    values, weights = rng.normal(size=(9, 10)), rng.uniform(0.1, 1, 9)
    mean = FrozenMean(5)
    results = [mean(value, weight) for value, weight in zip(values, weights, strict=True)]
    for count in range(1, 10):
        used = min(count, 5)
        assert np.allclose(results[count - 1], np.average(values[:used], axis=0, weights=weights[:used]))


def test_a_hand_at_rest_keeps_everything_and_distance_noise_leaves_its_place_in_the_image():
    rng = np.random.default_rng(8)
    smoother, pose, betas = HandSmoother(), about(rng.normal(0, 0.5, (16, 3))), rng.normal(size=10)
    joints, transl = rng.normal(0, 0.05, (21, 3)), np.array([0.1, -0.05, 0.6])
    middle = joints.mean(0)
    direction = (middle + transl) / (middle + transl)[2]
    distances = []
    for time_s in times(100):
        smooth, shape = smoother.smooth_pose(pose, betas, 0.9, time_s)
        assert angle(smooth, pose).max() < 1e-6 and np.allclose(shape, betas)
        noisy = direction * (0.6 + 0.01 * rng.normal())  # the middle, moved along its own viewing ray
        place = middle + smoother.smooth_translation(joints, noisy - middle, time_s)
        assert np.allclose(place / place[2], direction, atol=1e-9)
        distances.append(place[2])
    assert np.std(distances[20:]) < 0.005


@pytest.mark.parametrize("speed", [0.75, 1.5])
def test_a_moving_hand_is_hardly_behind(speed):
    """Frames of lag, with the cutoffs in use: of a hand that comes nearer, goes aside (metres a second) and turns."""
    smoother, joints, behind = HandSmoother(), np.zeros((21, 3)), []
    for time_s in times(15):
        since = time_s - 5
        true, turn = np.array([speed * since, 0, 0.9 - 0.5 * speed * since]), about([[0, 0, 4 * speed * since]] * 16)
        turns, _ = smoother.smooth_pose(turn, np.zeros(10), 0.9, time_s)
        place = smoother.smooth_translation(joints, true, time_s)
        nearer, aside = (place - true)[2] / (0.5 * speed), (true[0] / true[2] - place[0] / place[2]) / (speed / 0.9)
        behind.append([nearer, aside, angle(turns, turn).max() / (4 * speed)])
    frames = np.array(behind) * FPS
    assert (frames.max(0) < [2, 1, 1]).all() and (frames[-1] > 0).all()
