"""How long one photo takes, stage by stage, models loaded: `python -m benchmarks.latency [PHOTO] [--runs 40]`

The landmark tracker's own work (palm detector, one pass of the landmark model) is timed in the same rounds, so that
whatever else the machine does hits both.
"""
from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch

from handpose import Camera, HandEstimator, load_photo
from handpose.figure import hand_figure
from handpose.landmarks import find_hands
from handpose.overlay import draw_overlay
from handpose.renderer import warm_up

PHOTO = Path(__file__).parent.parent / "assets" / "examples" / "open_palm.jpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path, nargs="?", default=PHOTO)
    parser.add_argument("--runs", type=int, default=40)
    args = parser.parse_args()
    estimator = HandEstimator.load()
    warm_up()
    rgb = load_photo(args.photo).rgb
    camera = Camera.of_photo(rgb.shape[1], rgb.shape[0])
    size = estimator.network.config.input_size
    images, points = torch.zeros(1, 3, size, size), torch.zeros(1, 21, 6)
    times: dict[str, list[float]] = {}

    def clock(name: str, work, *inputs):
        start = time.perf_counter()
        result = work(*inputs)
        times.setdefault(name, []).append(1000 * (time.perf_counter() - start))
        return result

    def network_alone():
        with torch.inference_mode():
            return estimator.network(images, points)

    def landmarks_alone():
        return estimator.landmark_model(rgb, estimator.detector(rgb)[0])

    for _ in range(args.runs + 3):
        clock("palm detector + one landmark pass", landmarks_alone)
        found = clock("finding: detector, three landmark passes", find_hands, rgb, estimator.detector,
                      estimator.landmark_model)
        clock("network, one hand", network_alone)
        hands = clock("posing: crop, network, alignment, hand model", estimator.pose, rgb, camera, found)
        clock("photo to result", estimator, rgb, camera)
        clock("overlay", draw_overlay, rgb, camera, hands)
        clock("figure", lambda shown: hand_figure(shown).to_json(), hands)
    print(f"{args.photo.name} {rgb.shape[1]}x{rgb.shape[0]}, {len(found)} hand, {os.cpu_count()} cores, "
          f"{torch.get_num_threads()} threads, {args.runs} rounds; ms")
    for name, values in times.items():
        p50, p95 = np.percentile(values[3:], [50, 95])
        print(f"{name:46s} p50 {p50:7.1f}   p95 {p95:7.1f}")


if __name__ == "__main__":
    main()
