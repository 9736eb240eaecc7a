"""How long it takes from nothing to a first result: `python -m benchmarks.start [--runs 5]`

Each run is a fresh process: import, models loaded, the first photo's hands, a second photo's; and, with `--page`, until
the page answers. The files are in the system's cache, as on any start but the first. `torch` says whether torch came
with it.
"""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / "assets" / "examples" / "open_palm.jpg"
PORT = 7869
CODE = """
import json, sys, time
times = [time.perf_counter()]
from handpose import HandEstimator, load_photo
HandEstimator
times.append(time.perf_counter())
estimator = HandEstimator.load()
times.append(time.perf_counter())
for _ in range(2):
    assert estimator(load_photo(sys.argv[1])).hands
    times.append(time.perf_counter())
steps = [end - start for start, end in zip(times, times[1:])]
print(json.dumps([*steps, "torch" in sys.modules]))
"""


def first_result() -> tuple[list[float], bool]:
    """Seconds: the whole process to its first result, and what that consists of; and whether torch was imported."""
    start = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", CODE, str(PHOTO)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                         stderr=subprocess.DEVNULL, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    whole = time.perf_counter() - start
    *steps, torch = json.loads(run.stdout)
    return [whole - steps[-1], *steps], torch


def page_start() -> float:
    """Seconds until the page answers."""
    start = time.perf_counter()
    page = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env=os.environ | {"GRADIO_SERVER_PORT": str(PORT), "PYTHONPATH": str(ROOT)})
    try:
        while page.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5) as answer:
                    answer.read()
                    return time.perf_counter() - start
            except OSError:
                time.sleep(0.02)
        raise SystemExit(f"The page did not start on port {PORT}: see `python app.py`.")
    finally:
        page.terminate()
        page.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--page", action="store_true", help="also start the page")
    args = parser.parse_args()
    results = [first_result() for _ in range(args.runs)]
    names = "from nothing to the first result", "  import", "  load", "  first result", "  second result"
    for name, values in zip(names, np.transpose([steps for steps, _ in results]), strict=True):
        print(f"{name:34s} p50 {np.median(values):6.2f} s   worst {max(values):6.2f} s")
    print(f"torch imported: {'yes' if any(torch for _, torch in results) else 'no'}; {args.runs} runs")
    if args.page:
        values = [page_start() for _ in range(args.runs)]
        print(f"{'page answers':34s} p50 {np.median(values):6.2f} s   worst {max(values):6.2f} s")


if __name__ == "__main__":
    main()
