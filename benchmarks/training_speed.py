"""How much of training's time its data costs: hands a second with the recipe's data, and with one batch over and over.

And the processor's seconds that 1,000 hands take with data: comparable where others use the machine, too.

    OMP_NUM_THREADS=1 python -m benchmarks.training_speed work/run_1-KEY/recipe.yaml [--devices 2] [--steps 30]
"""
from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from lightning.fabric import Fabric

from train.data.inputs import Inputs, make_inputs
from train.learning.recipe import Recipe
from train.learning.trainer import Trainer

WARM_UP = 3  # steps


def one_step(trainer: Trainer, inputs: Inputs) -> None:
    total, _ = trainer._loss_of(inputs)
    trainer.fabric.backward(total)
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--steps", type=int, default=30, help="of each of three turns")
    args = parser.parse_args()
    recipe = Recipe.load(args.recipe)
    fabric = Fabric(accelerator="auto", devices=args.devices, precision=recipe.fabric_precision)
    fabric.launch()
    with tempfile.TemporaryDirectory() as out:
        trainer = Trainer(recipe, Path(out), fabric)
        groups = trainer.loader.steps(0, 10**9)

        def draw() -> Inputs:  # of one size, so that batches are alike
            return make_inputs(next(groups), recipe, recipe.network.input_size, trainer.without_hands, fabric.device)

        constant = draw()
        for _ in range(WARM_UP):
            one_step(trainer, constant)
        rates: dict[str, list[float]] = {"with data": [], "constant": []}
        work = []
        for name in list(rates) * 3:  # in turns, so that what else the machine does hits both
            start, used = time.perf_counter(), time.process_time()
            for _ in range(args.steps):
                one_step(trainer, constant if name == "constant" else draw())
            if fabric.device.type == "cuda":
                torch.cuda.synchronize()
            rates[name].append(args.steps * recipe.batch / (time.perf_counter() - start))
            if name == "with data":  # of this process; others do as much for their share of the batch
                work.append((time.process_time() - used) * args.devices / args.steps / recipe.batch)
        data, constant_rate = (sorted(values)[1] for values in rates.values())
        fabric.print(f"{data:.1f} hands/s with data, {constant_rate:.1f} with one batch over and over: "
                     f"{data / constant_rate:.0%}; {1000 * sorted(work)[1]:.1f} s of the processor for 1,000 hands"
                     f"{', in bfloat16' * trainer.bfloat16}")


if __name__ == "__main__":
    main()
