"""Photos a second, one by one and several at once: `python -m benchmarks.batch [--photos 64] [--rounds 3] [--ray]`

The photos are copies of those in assets/examples; each becomes JSON, overlay and mesh, as by `handpose predict`. Ways
take turns, so that whatever else the machine does hits all. CPU use is user and system time over wall time and cores,
of this process (Ray's are others, and its start counts in its time).
"""
from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from handpose import HandEstimator
from handpose.command.batch import Options, do, run, usual_threads
from handpose.command.jobs import Job, Outcome
from handpose.drawing.renderer import warm_up

EXAMPLES = sorted((Path(__file__).parent.parent / "assets" / "examples").glob("*.jpg"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[2, usual_threads()])
    parser.add_argument("--ray", action="store_true", help="also by processes of Ray, one for each core")
    args = parser.parse_args()
    estimator = HandEstimator.load()
    warm_up()
    with tempfile.TemporaryDirectory() as folder:
        jobs = [Job(EXAMPLES[number % len(EXAMPLES)].resolve(), f"{number}.jpg", str(number))
                for number in range(args.photos)]
        options = Options(Path(folder))
        ways: dict[str, Callable[[], Iterable[Outcome]]] = {
            "one by one": lambda: (do(job, estimator, options) for job in jobs)}
        for threads in sorted(set(args.threads)):
            ways[f"{threads} threads"] = lambda threads=threads: run(jobs, estimator, options, threads)
        if args.ray:
            from handpose.command.ray_batch import run_on_ray
            ways["Ray"] = lambda: run_on_ray(jobs, options)
        do(jobs[0], estimator, options)
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(args.rounds):
            for name, way in ways.items():
                start, busy = time.perf_counter(), sum(os.times()[:2])
                failed = [outcome.error for outcome in way() if outcome.error]
                wall, busy = time.perf_counter() - start, sum(os.times()[:2]) - busy
                if failed:
                    raise SystemExit(failed[0])
                rates[name].append((len(jobs) / wall, busy / wall / os.cpu_count()))
    print(f"{len(jobs)} photos, {os.cpu_count()} cores, medians of {args.rounds} rounds")
    alone = np.median([rate for rate, _ in rates["one by one"]])
    for name, values in rates.items():
        rate, use = np.median(values, 0)
        print(f"{name:12s} {rate:6.1f} photos/s  {rate / alone:5.2f} times  " + ("" if name == "Ray" else
                                                                                f"CPU use {use:.2f}"))


if __name__ == "__main__":
    main()
