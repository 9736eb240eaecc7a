"""Trains the network.

    python -m train.run train/recipes/freihand.yaml --out runs/freihand [--resume] [--devices 2]
    torchrun --nproc-per-node 2 -m train.run train/recipes/freihand.yaml --out runs/freihand

On one device or many (Lightning Fabric), in the precision that the recipe names. OUT gets recipe.yaml, all options of
the run; state.pt, written every few minutes, which --resume goes on from; handpose/, the averaged weights as a
checkpoint that `handpose` reads; best/, those with the lowest error on what is held out; sanity.jpg, the first batch
with its labels; curves for TensorBoard. SIGTERM and Ctrl-C end a run after the step that it is at, which is saved.
Exit codes: 0 trained, 1 it cannot be done, 128 and the signal's number (143, 130) stopped by one.
"""
from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

import torch
from lightning.fabric import Fabric, seed_everything
from lightning.fabric.loggers import TensorBoardLogger
from lightning.fabric.strategies import DDPStrategy
from lightning.fabric.utilities.exceptions import MisconfigurationException

from handpose.network.checkpoint import one_line

from .learning.recipe import Recipe
from .learning.trainer import Trainer

RECORD = "recipe.yaml"
OF_A_RUN = (RECORD, "state.pt", "handpose")  # what a folder has that holds one
# Options that may change when a run goes on: all others decide what it learns.
MAY_CHANGE = {"steps", "epochs", "log_steps", "save_minutes", "validate_steps", "validate_epochs", "keep_epochs",
              "workers"}


def changes_since(out: Path, recipe: Recipe, resume: bool) -> list[str] | None:
    """What has changed since the run in `out` began, such as "steps: 8, now 12"; None where there is no run to go on
    with.

    Raises ValueError, or FileNotFoundError, where the folder holds a run that this one would spoil.
    """
    if not resume:
        if any((out / name).exists() for name in OF_A_RUN):
            raise ValueError(f"{out} holds a run already: go on with it by --resume, or name another folder.")
        return None
    if not (out / "state.pt").exists():
        return None
    changes = recipe.changes_since(Recipe.load(out / RECORD))
    spoilt = [f"{name} (was {before}, is {now})" for name, (before, now) in changes.items() if name not in MAY_CHANGE]
    if spoilt:
        raise ValueError(f"The run in {out} was begun with other options, {', '.join(spoilt)}: set them as in "
                         f"{out / RECORD}, or name another folder.")
    return [f"{name}: {before}, now {now}" for name, (before, now) in changes.items()]


def make_fabric(recipe: Recipe, out: Path, devices: int) -> Fabric:
    """The devices of this machine, or of all that torchrun started processes on. Raises ValueError."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", devices))  # torchrun's
    nodes = int(os.environ.get("WORLD_SIZE", local)) // local
    # What a step does never changes. Told so, DDP notes in the first one which parameters take no part, instead of
    # failing at the second (without_image: 0 leaves some) or looking for them in each (find_unused_parameters).
    strategy = DDPStrategy(static_graph=True) if local * nodes > 1 else "auto"
    try:
        return Fabric(accelerator="auto", devices=local, num_nodes=nodes, precision=recipe.fabric_precision,
                      strategy=strategy, loggers=[TensorBoardLogger(out, name="", version="curves")])
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise ValueError(f"This machine cannot train in {recipe.precision} on {local} devices ({one_line(error)}): "
                         "choose other --devices or another precision.") from error


def run(recipe: Recipe, out: Path, resume: bool, devices: int) -> int:
    """Trains; returns the signal that stopped it, else 0. Raises OSError or ValueError, a sentence."""
    changes = changes_since(out, recipe, resume)
    out.mkdir(parents=True, exist_ok=True)
    fabric = make_fabric(recipe, out, devices)
    fabric.launch()  # returns when all processes have come so far: none of them looks at the folder from here on
    seed_everything(recipe.seed, verbose=False)
    trainer = Trainer(recipe, out, fabric)
    if changes is not None:
        trainer.resume()
        if changes:
            fabric.print(f"Changed since the run began: {'; '.join(changes)}.")
    if fabric.is_global_zero:
        recipe.save(out / RECORD)
    stopped = trainer.train()
    if stopped:
        fabric.print(f"Stopped by {signal.Signals(stopped).name} after step {trainer.step} of {trainer.recipe.steps}, "
                     "which is saved: go on with --resume.")
    # Fabric ends all processes when one of those it started fails: the first one says it for all.
    return stopped if fabric.is_global_zero else 0


def count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 10 ** 5:
        raise argparse.ArgumentTypeError(f"{text} is no number of devices")
    return int(text)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m train.run", description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out, if there is one")
    parser.add_argument("--devices", type=count, default=torch.cuda.device_count() or 1,
                        help="GPUs, else processes on the CPU (here by default: %(default)s)")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--set", nargs="+", default=[], metavar="OPTION=VALUE", dest="changes",
                        help="instead of the recipe's, such as rate=5e-4 or data.sources.0.share=2")
    args = parser.parse_args(argv)
    changes = args.changes if args.steps is None else [*args.changes, f"steps={args.steps}", "epochs=null"]
    try:
        stopped = run(Recipe.load(args.recipe, changes), args.out, args.resume, args.devices)
    except torch.OutOfMemoryError as error:
        parser.exit(1, f"The memory of the GPU does not suffice ({one_line(error)}): choose a smaller batch.\n")
    except ValueError as error:
        parser.exit(1, f"{error}\n")
    except OSError as error:
        known = isinstance(error, FileNotFoundError) and error.strerror is None  # one of ours, a sentence
        parser.exit(1, f"{error}\n" if known else f"{one_line(error)}: see to that, and go on with --resume.\n")
    if stopped:
        sys.exit(128 + stopped)


if __name__ == "__main__":
    main()
