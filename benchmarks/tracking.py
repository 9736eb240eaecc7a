"""How steady, how late and how constant tracking is, on filmed hands whose truth is known.

    python -m benchmarks.tracking [--frames 90] [--checkpoint DIR] [--clips DIR] [--seeds 0 1 2]

Clips come from `train.make_clip` (320 x 240, 30 frames a second, another noise in each frame). Jitter at rest is the
deviation of joints about their own mean over time; in motion, that of the error's second difference, scaled so that
white noise gives the same number. Lag is the delay that explains most of the error: the regression of the error on the
true velocity, in frames. The rows: the network given the landmark model's points, raw and smoothed; the network alone
likewise; MediaPipe's landmark model alone (2D, and its world landmarks root-relative). None of it depends on speed.
"""
from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from handpose import HandEstimator
from handpose.camera import Camera
from handpose.clips.arrays import ClipArrays
from handpose.clips.reading import read_clip
from handpose.clips.track_clip import track_clip
from handpose.detection.find_hands import find_hands
from handpose.tracker import HandTracker
from train.make_clip import make_clip

WARM_UP_S = 0.5  # not counted: filters start, the shape is being averaged
SAME = 0.35  # of the true hand's size: a tracked hand whose joints are farther away in the mean is not it


def as_camera(truth: dict[str, np.ndarray]) -> Camera:
    matrix = truth["intrinsics"]
    return Camera(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])


def landmarks_only(clip, estimator: HandEstimator) -> dict[str, np.ndarray]:
    """MediaPipe's way: the landmark model once a frame, on the region that the last frame's landmarks give."""
    points, world, last = [], [], None
    for _, rgb in clip:
        if last is None or last.presence < 0.5:
            last = next(iter(find_hands(rgb, estimator.detector, estimator.landmark_model, thorough=False)), None)
        else:
            last = estimator.landmark_model(rgb, last.region)
        points.append(np.full((21, 2), np.nan) if last is None else last.points[:, :2])
        world.append(np.full((21, 3), np.nan) if last is None else last.world)
    return {"joints_2d": np.array(points), "joints_3d": np.array(world)}


def jitter_at_rest(values: np.ndarray) -> float:
    """Mean over joints of the deviation (T, J, D) about its mean over time."""
    return float(np.sqrt(((values - np.nanmean(values, 0)) ** 2).sum(-1)).mean(0).mean())


def jitter_in_motion(error: np.ndarray) -> float:
    """The same from second differences of the error (T, J, D)."""
    return float(np.sqrt((np.diff(error, 2, axis=0) ** 2).sum(-1) / 6).mean())


def lag(values: np.ndarray, truth: np.ndarray) -> float:
    """Frames that values (T, J, D) are behind the truth, apart from a constant error and one in proportion to it."""
    def unexplained(signal: np.ndarray) -> np.ndarray:
        signal = signal - signal.mean(0)
        return signal - place * ((signal * place).sum(0) / np.maximum((place ** 2).sum(0), 1e-12))

    place = truth[1:-1] - truth[1:-1].mean(0)
    velocity, error = unexplained((truth[2:] - truth[:-2]) / 2), unexplained((values - truth)[1:-1])
    return float(-(error * velocity).sum() / (velocity ** 2).sum())


def rooted(joints: np.ndarray) -> np.ndarray:
    return joints - joints[:, :1]


def of_one_hand(result: ClipArrays) -> dict[str, np.ndarray]:
    """Joints (T, 21, ...) of the one hand of a clip."""
    arrays = result.arrays()
    return {name: arrays[name][:, 0].astype(float) for name in ("joints_2d", "joints_3d")}


def steadiness(name: str, rest: dict, rest_truth: dict, wave: dict, wave_truth: dict) -> str:
    """A row of the table."""
    used = rest_truth["times_s"] >= WARM_UP_S
    still, moving = ({key: value[used] for key, value in clip.items()} for clip in (rest, wave))
    truth = {key: wave_truth[key][used, 0].astype(float) for key in ("joints_2d", "joints_3d")}
    whole = np.isfinite(still["joints_2d"]).all() and np.isfinite(moving["joints_2d"]).all()
    if not whole:
        return f"{name:34s} lost the hand"
    camera_space = not name.startswith("MediaPipe")
    numbers = [jitter_at_rest(still["joints_2d"]), 1000 * jitter_at_rest(rooted(still["joints_3d"])),
               1000 * jitter_at_rest(still["joints_3d"]) if camera_space else np.nan,
               jitter_in_motion(moving["joints_2d"] - truth["joints_2d"]),
               1000 * jitter_in_motion(rooted(moving["joints_3d"]) - rooted(truth["joints_3d"])),
               1000 * jitter_in_motion(moving["joints_3d"] - truth["joints_3d"]) if camera_space else np.nan,
               lag(moving["joints_2d"], truth["joints_2d"]),
               lag(rooted(moving["joints_3d"]), rooted(truth["joints_3d"])),
               lag(moving["joints_3d"], truth["joints_3d"]) if camera_space else np.nan,
               np.linalg.norm(moving["joints_2d"] - truth["joints_2d"], axis=-1).mean(),
               1000 * np.linalg.norm(rooted(moving["joints_3d"]) - rooted(truth["joints_3d"]), axis=-1).mean()]
    return f"{name:34s}" + "".join(f"{number:9.2f}" for number in numbers)


def identities(result: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> str:
    """How the hands of a clip were held apart: share of those wholly in view that was found, hands of the wrong side,
    changes of identity, hands that were told of where there is none, tracks."""
    found = visible = wrong = changes = 0
    for hand in range(truth["track"].shape[1]):
        last = None
        for row in range(len(truth["times_s"])):
            joints = truth["joints_2d"][row, hand].astype(float)
            size = np.ptp(joints, axis=0).max()
            if not ((joints >= 0) & (joints < truth["size"])).all():
                continue
            visible += 1
            apart = np.linalg.norm(result["joints_2d"][row] - joints, axis=-1).mean(-1) / size
            # The hand of another side may lie right over this one while they cross.
            order = apart + (result["side"][row] != truth["side"][row, hand]) * SAME / 2
            if not len(apart) or np.isnan(apart).all() or apart[best := int(np.nanargmin(order))] > SAME:
                continue
            found += 1
            wrong += int(result["side"][row, best] != truth["side"][row, hand])
            changes += int(last not in (None, result["track"][row, best]))
            last = result["track"][row, best]
    size = np.ptp(truth["joints_2d"], axis=2).max(-1)[:, None]
    apart = np.linalg.norm(result["joints_2d"][:, :, None] - truth["joints_2d"][:, None], axis=-1).mean(-1) / size
    strange = int((apart.min(2, initial=np.inf)[result["track"] >= 0] > SAME).sum())
    tracks = len(set(result["track"].ravel().tolist()) - {-1})
    return f"{100 * found / visible:9.1f}{wrong:9d}{changes:9d}{strange:9d}{tracks:9d}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--checkpoint", help="another network: its folder or Hub id")
    parser.add_argument("--live", action="store_true", help="in the smaller crops of `HandEstimator.for_live`")
    parser.add_argument("--clips", type=Path, help="where clips are kept for a second run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the clips; several show the spread")
    args = parser.parse_args()
    estimator = HandEstimator.load(args.checkpoint)
    estimator = estimator.for_live() if args.live else estimator
    with TemporaryDirectory() as folder:
        for seed in args.seeds:
            report(estimator, args.clips or Path(folder), args.frames, seed)


def report(estimator: HandEstimator, folder: Path, frames: int, seed: int) -> None:
    clips = {}
    for motion, hands in (("rest", 1), ("wave", 1), ("leave", 1), ("cross", 2)):
        path = folder / f"{motion}{frames}-{seed}.mp4"
        if not path.with_suffix(".npz").is_file():
            make_clip(path, motion, frames, hands, seed=seed, crf=4, progress=True)
        clips[motion] = read_clip(path), dict(np.load(path.with_suffix(".npz")))

    def follow(motion: str, **options) -> ClipArrays:
        clip, truth = clips[motion]
        with tqdm(total=clip.frames, desc=f"{motion} {options}", leave=False) as bar:
            return track_clip(clip, HandTracker(estimator, **options), as_camera(truth),
                              progress=lambda *_: bar.update())

    rest_truth, wave_truth = clips["rest"][1], clips["wave"][1]
    print(f"\nSeed {seed}, {frames} frames\n{'':34s}{'jitter at rest':>27s}{'jitter in motion':>27s}"
          f"{'lag, frames':>27s}{'error':>18s}\n{'':34s}" + "".join(f"{unit:>9s}" for unit in (
              *("2D px", "rr mm", "cs mm") * 2, "2D", "rr", "cs", "2D px", "rr mm")))
    rows = [(f"network{' with landmarks' if landmarks else ' alone'}{', smoothed' if smooth else ''}",
             {"use_landmarks": landmarks, "smooth": smooth}) for landmarks in (True, False) for smooth in (False, True)]
    for name, options in rows:
        print(steadiness(name, of_one_hand(follow("rest", **options)), rest_truth,
                         of_one_hand(follow("wave", **options)), wave_truth), flush=True)
    print(steadiness("MediaPipe landmarks", landmarks_only(clips["rest"][0], estimator), rest_truth,
                     landmarks_only(clips["wave"][0], estimator), wave_truth))
    print(f"\n{'':34s}{'found %':>9s}{'side':>9s}{'changes':>9s}{'strange':>9s}{'tracks':>9s}")
    for motion in ("cross", "leave"):
        for landmarks in (True, False):
            result = follow(motion, use_landmarks=landmarks).arrays()
            print(f"{motion + (', with landmarks' if landmarks else ', network alone'):34s}"
                  f"{identities(result, clips[motion][1])}", flush=True)


if __name__ == "__main__":
    main()
