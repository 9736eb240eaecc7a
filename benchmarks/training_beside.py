"""Processor seconds that training takes for 1,000 hands, of runs in turns: of other options, or of another checkout.

    OMP_NUM_THREADS=1 python -m benchmarks.training_beside A.yaml B.yaml [OTHER_CHECKOUT:C.yaml ...]

Each turn is a process of its own that has trained some steps before it is measured, with data, optimizer and mean of
the weights. Processor time counts, not the clock's, so that what else the machine does matters less; it still does, for
who shares caches shares memory. Recipes are those of `train.run`, in the other checkout's own format, paths absolute.
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
TURN = """
import sys, tempfile, time
from pathlib import Path
import torch
from lightning.fabric import Fabric
from train.learning.recipe import Recipe
try:
    from train.learning.trainer import Trainer
except ImportError:  # in earlier checkouts
    from train.run import Trainer
recipe, warm, steps = Recipe.load(Path(sys.argv[1])), 4, int(sys.argv[2])
fabric = Fabric(devices=1, precision=getattr(recipe, "fabric_precision", recipe.precision))
fabric.launch()
with tempfile.TemporaryDirectory() as out:
    trainer = Trainer(recipe, Path(out), fabric)
    trainer.save = trainer.validate = lambda: None
    trainer.train(warm)
    start = time.process_time()
    trainer.train(warm + steps)
    print(1000 * (time.process_time() - start) / steps / recipe.batch)
"""


def one_turn(checkout: Path, recipe: Path, steps: int) -> float:
    """Seconds for 1,000 hands. Raises ValueError."""
    done = subprocess.run([sys.executable, "-c", TURN, str(recipe), str(steps)], cwd=checkout, text=True,
                          env=os.environ | {"PYTHONPATH": str(checkout)}, capture_output=True)
    if done.returncode:
        raise ValueError(f"{checkout} cannot train by {recipe}:\n{done.stderr}")
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.training_beside", description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="+", metavar="[CHECKOUT:]RECIPE")
    parser.add_argument("--steps", type=int, default=8, help="of each turn (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in args.recipes}
    try:
        for _ in range(args.turns):
            for name, mine in seconds.items():
                checkout, _, recipe = name.rpartition(":")
                mine.append(one_turn(Path(checkout or HERE).resolve(), Path(recipe).resolve(), args.steps))
    except ValueError as error:
        parser.exit(1, f"{error}\n")
    first = median(seconds[args.recipes[0]])
    for name, mine in seconds.items():
        print(f"{name}: {median(mine):.1f} s of the processor for 1,000 hands ({min(mine):.1f} to {max(mine):.1f}), "
              f"{first / median(mine):.2f} times the first one's speed")


if __name__ == "__main__":
    main()
