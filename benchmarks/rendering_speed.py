"""Pictures a second of one core that `train.synthesize` renders, of this checkout and, in turns, of another one.

    OMP_NUM_THREADS=1 python -m benchmarks.rendering_speed --backgrounds DIR [--beside OTHER_CHECKOUT] [--count 64]

Processor time counts, not the clock's, so that what else the machine does matters little. Each turn is a process of its
own that has rendered some pictures before it is measured; the median over the turns is printed, of the checkout's own
mix of kinds and, where it knows kinds, of bare hands.
"""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

TURN = """
import json, sys, time
from dataclasses import fields, replace
from pathlib import Path
from train import synthesize
job = synthesize.Job(sys.argv[1], None, (sys.argv[2],), 2 * int(sys.argv[3]), shard=int(sys.argv[3]))
jobs = {"as mixed": job}
if hasattr(job, "shares"):
    jobs["bare hands"] = replace(job, out=f"{job.out}/bare", shares=(("bare", 1.0),))
seconds = {}
for name, one in jobs.items():
    for folder in ("training/rgb", "training/mask", "shards"):
        Path(one.out, folder).mkdir(parents=True, exist_ok=True)
    synthesize.make_shard(one, 0)
    start = time.process_time()
    synthesize.make_shard(one, 1)
    seconds[name] = time.process_time() - start
print(json.dumps(seconds))
"""


def one_turn(checkout: Path, backgrounds: Path, count: int) -> dict[str, float]:
    """Pictures a second, by what is in them."""
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run([sys.executable, "-c", TURN, out, str(backgrounds.resolve()), str(count)], cwd=checkout,
                              env=os.environ | {"PYTHONPATH": str(checkout)}, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{checkout} cannot render:\n{done.stderr}")
    return {name: count / seconds for name, seconds in json.loads(done.stdout).items()}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.rendering_speed", description=__doc__.splitlines()[0])
    parser.add_argument("--backgrounds", type=Path, required=True, help="folder of photos without hands")
    parser.add_argument("--beside", type=Path, metavar="DIR", help="another checkout, measured in turns with this one")
    parser.add_argument("--count", type=int, default=64, help="pictures of each turn (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    checkouts = [Path(__file__).resolve().parents[1], *([args.beside.resolve()] if args.beside else [])]
    rates: dict[Path, list[dict[str, float]]] = {checkout: [] for checkout in checkouts}
    try:
        for _ in range(args.turns):
            for checkout in checkouts:
                rates[checkout].append(one_turn(checkout, args.backgrounds, args.count))
    except ValueError as error:
        parser.exit(1, f"{error}\n")
    for checkout, turns in rates.items():
        means = {name: median(turn[name] for turn in turns) for name in turns[0]}
        print(checkout.name + ": " + ", ".join(f"{name} {rate:.1f}" for name, rate in means.items())
              + " pictures/s of one core")


if __name__ == "__main__":
    main()
