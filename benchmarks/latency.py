"""How long a photo and a frame take, stage by stage, models loaded: `python -m benchmarks.latency [--runs 40]`

Photo: `HandEstimator` on a picture, against the palm detector and one pass of the landmark model for each hand, which
is what MediaPipe does with a photo. Live: `HandTracker` on a still shown again and again, hands followed, against the
landmark model alone, which is what MediaPipe does while it follows a hand; once with the landmark model's points given
to our network and once with the network alone, on smaller crops (`HandEstimator.for_live`). The yardsticks run in the
same rounds, by the same LiteRT, so that whatever else the machine does hits both; ratios are medians over rounds. With
one and two hands, 640x480 and 1280x720.
"""
from __future__ import annotations

import argparse
import json
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from handpose import HandEstimator, Photo, load_photo
from handpose.crop_predictor import landmarks_in_crop
from handpose.detection.palm_detector import PalmDetector
from handpose.drawing.figure import hand_figure
from handpose.drawing.overlay import draw_overlay
from handpose.drawing.renderer import warm_up
from handpose.network.onnx_session import usual_threads
from handpose.tracker import HandTracker

from .timing import Clock, peak_memory_mb

EXAMPLES = Path(__file__).parent.parent / "assets" / "examples"
PICTURES = {1: EXAMPLES / "open_palm.jpg", 2: EXAMPLES / "two_hands.jpg"}  # by number of hands
SIZES = ((640, 480), (1280, 720))
FRAME_S = 1 / 30
PHOTO_YARDSTICK, LIVE_YARDSTICK = "palm detector, one landmark pass a hand", "one landmark pass a hand"
PHOTO, LIVE, LIVE_ALONE = "photo to result", "live: frame to result", "live: frame to result, network alone"
FINDING, CROPS, ALIGNMENT = "  finding: detector, landmark passes", "  crops", "  alignment"
MESH = "  mesh and place"
WITH_LANDMARKS, LIVE_ONLY = "  network, with landmarks", "  network alone, live crop"


def letterboxed(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """The picture (h, w, 3), as large as it can be, on black of this size."""
    scale = min(width / rgb.shape[1], height / rgb.shape[0])
    small = cv2.resize(rgb, (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)), interpolation=cv2.INTER_AREA)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    framed = np.zeros((height, width, 3), np.uint8)
    framed[top:top + small.shape[0], left:left + small.shape[1]] = small
    return framed


def measure(estimator: HandEstimator, palm_detector: PalmDetector, rgb: np.ndarray, runs: int, shown: bool
            ) -> tuple[Clock, int]:
    """The times of all stages, and how many hands there are."""
    clock, photo, found = Clock(), Photo(rgb), estimator.find(rgb)
    live = estimator.for_live()
    trackers = {LIVE: HandTracker(estimator), LIVE_ALONE: HandTracker(live, use_landmarks=False)}
    predictions, result = estimator.predictor.predict_hands(rgb, found), estimator(photo)
    camera = result.camera
    crops, live_crops = (np.stack([one.predictor.crop_of(landmarks).warp(rgb) for landmarks in found])
                         for one in (estimator, live))
    points = np.stack([landmarks_in_crop(landmarks, hand.crop)
                       for landmarks, hand in zip(found, predictions, strict=True)])

    def landmark_passes():
        return [estimator.landmark_model(rgb, landmarks.region) for landmarks in found]

    def palm_and_landmarks():
        return palm_detector(rgb), landmark_passes()

    def align_all():
        return [estimator.align(camera, hand) for hand in predictions]

    aligned = align_all()

    times = count()
    for _ in range(runs + 3):
        clock(PHOTO_YARDSTICK, palm_and_landmarks)
        result = clock(PHOTO, estimator, photo)
        clock(LIVE_YARDSTICK, landmark_passes)
        time_s = next(times) * FRAME_S
        for name, tracker in trackers.items():
            clock(name, tracker, rgb, time_s, camera)
        clock(FINDING, estimator.find, rgb)
        clock(CROPS, lambda: [estimator.predictor.crop_of(landmarks).warp(rgb) for landmarks in found])
        clock(WITH_LANDMARKS, estimator.engine, crops, points)
        clock(LIVE_ONLY, estimator.engine, live_crops)
        clock(ALIGNMENT, align_all)
        clock(MESH, lambda: [estimator.place_hand(camera, hand) for hand in aligned])
        if shown:
            clock("  overlay", draw_overlay, rgb, camera, result.hands)
            clock("  figure", lambda result: hand_figure(result).to_json(), result)
    return clock, len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path, nargs="?", help="instead of the examples")
    parser.add_argument("--runs", type=int, default=40, help="rounds (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="of each model (default: the library's own choice)")
    parser.add_argument("--no-pictures", action="store_true", help="leave out overlay and figure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write medians, 95th percentiles and ratios")
    args = parser.parse_args()
    estimator = HandEstimator.load(threads=args.threads)
    palm_detector = PalmDetector.load(threads=args.threads or usual_threads())
    if not args.no_pictures:
        warm_up()
    written = []
    for path in [args.photo] if args.photo else PICTURES.values():
        for width, height in SIZES:
            rgb = letterboxed(load_photo(path).rgb, width, height)
            clock, hands = measure(estimator, palm_detector, rgb, args.runs, not args.no_pictures)
            ratios = {name: clock.ratio(name, against) for against, names in
                      ((PHOTO_YARDSTICK, (PHOTO, FINDING)), (LIVE_YARDSTICK, (LIVE, LIVE_ALONE))) for name in names}
            print(f"\n{path.name} {width}x{height}, {hands} hands, {args.threads or usual_threads()} threads, "
                  f"{args.runs} rounds; ms{'':19}p50      p95    times the yardstick")
            for name in clock.times:
                print(f"{name:52s}{clock.ms(name):9.1f}{clock.ms(name, 95):9.1f}"
                      + (f"{ratios[name]:10.2f}" if name in ratios else ""))
            written.append({"picture": path.name, "width": width, "height": height, "hands": hands, "ratios": ratios,
                            "ms": {name.strip(): [clock.ms(name), clock.ms(name, 95)] for name in clock.times}})
    print(f"\nPeak memory {peak_memory_mb():.0f} MB")
    if args.json:
        args.json.write_text(json.dumps({"peak_memory_mb": peak_memory_mb(), "pictures": written}, indent=1) + "\n")


if __name__ == "__main__":
    main()
