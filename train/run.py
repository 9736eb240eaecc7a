"""Trains the network.

    python -m train.run train/recipes/first.yaml --out runs/first [--resume] [--devices 2]

On one device or many (Lightning Fabric; `torchrun` works too), in bf16 where the recipe says so. A state that --resume
goes on from is written every few minutes, and the averaged weights beside it as a checkpoint that `handpose` reads.
"""
from __future__ import annotations

import argparse
import copy
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import yaml
from lightning.fabric import Fabric, seed_everything
from lightning.fabric.loggers import TensorBoardLogger
from torch import Tensor
from tqdm import tqdm

from handpose.hand_model import HandModel
from handpose.network import Estimate, HandNetwork, NetworkConfig

from .augment import AugmentConfig, Batch, make_batch, mirrored
from .dataset import Samples, load_backgrounds, load_photos, load_renders
from .losses import HandLoss, LossWeights
from .metrics import error_2d, pa_mpjpe, root_relative
from .warm_start import warm_start


@dataclass(frozen=True)
class DataConfig:
    """Paths are relative to where the command runs."""
    renders: str | None = None  # folder of train.synthesize
    renders_landmarks: str | None = None  # what train.pseudo_label said of them
    photos: str | None = None  # folder of photo sets
    labels: str | None = None  # what train.pseudo_label said of them
    fits: str | None = None  # what train.fit_hands made of that
    backgrounds: tuple[str, ...] = ()  # folders of photos without hands
    held_out: tuple[str, ...] = ()  # photo sets to validate on and never to train on
    validation_renders: int = 256  # the last renders, likewise
    photo_share: float = 0.4  # of a batch's hands
    without_hand: float = 0.06  # crops of backgrounds, as a share of the batch's hands
    mirrored: float = 0.06  # hands of the wrong side, likewise
    without_image: float = 0.0  # hands of which only landmarks are shown, likewise


@dataclass(frozen=True)
class Recipe:
    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    losses: LossWeights = field(default_factory=LossWeights)
    warm_start: str | None = None  # wheel or .onnx, see train.warm_start
    start_from: str | None = None  # a checkpoint whose weights to begin with
    frozen_stages: int | None = None  # the backbone's stem and so many stages stay as the warm start left them
    steps: int = 4000
    batch: int = 64  # hands, over all devices
    rate: float = 1e-3  # of the new layers
    backbone_rate: float = 0.5  # of that
    weight_decay: float = 0.01
    warm_up: int = 100  # steps
    average: float = 0.998  # decay of the exponential mean of the weights
    precision: str = "bf16-mixed"
    seed: int = 0
    save_minutes: float = 3.0
    validate_steps: int = 500

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Reads a recipe. Raises ValueError naming an option that there is not."""
        values = yaml.safe_load(path.read_text())
        parts = {"network": NetworkConfig, "data": DataConfig, "augment": AugmentConfig, "losses": LossWeights}
        try:
            return cls(**{key: parts[key](**value) if key in parts else value for key, value in values.items()})
        except TypeError as error:
            raise ValueError(f"{path}: {error}; see train/run.py for the options.") from error


class Trainer:
    def __init__(self, recipe: Recipe, out: Path, fabric: Fabric):
        self.recipe, self.out, self.fabric = recipe, out, fabric
        data = recipe.data
        self.sources, self.validation = load_sources(data, fabric.device)
        self.backgrounds = load_backgrounds([Path(p) for p in data.backgrounds]).to(fabric.device) \
            if data.backgrounds else None
        network = HandNetwork(recipe.network)
        if recipe.start_from:
            network.load_state_dict(HandNetwork.load(recipe.start_from).state_dict())
        elif recipe.warm_start:
            calibration = self.sources[-1].take(torch.arange(min(64, len(self.sources[-1]))))
            images = make_batch(calibration, recipe.network.input_size, None).images.cpu()
            warm_start(network, Path(recipe.warm_start), images)
        network = network.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(network).to(fabric.device).eval().requires_grad_(False)
        network.train()
        if recipe.frozen_stages is not None:
            network.backbone.freeze(recipe.frozen_stages)
        backbone = {id(p) for p in network.backbone.parameters()}
        groups = [{"params": [p for p in network.parameters() if id(p) not in backbone], "lr": recipe.rate},
                  {"params": [p for p in network.backbone.parameters() if p.requires_grad],
                   "lr": recipe.rate * recipe.backbone_rate}]
        optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
        self.network, self.optimizer = fabric.setup(network, optimizer)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate_at)
        self.loss = HandLoss(recipe.losses, HandModel.load().to(fabric.device))
        self.step = 0

    def _rate_at(self, step: int) -> float:
        warm, steps = self.recipe.warm_up, self.recipe.steps
        if step < warm:
            return (step + 1) / warm
        return 0.02 + 0.98 * (1 + np.cos(np.pi * (step - warm) / (steps - warm))) / 2

    def train(self, until: int | None = None) -> None:
        """Goes on to the recipe's last step, or to step `until`."""
        recipe, saved = self.recipe, time.monotonic()
        until = until or recipe.steps
        bar = tqdm(initial=self.step, total=recipe.steps, unit="step", disable=not self.fabric.is_global_zero)
        while self.step < until:
            seed = (recipe.seed * 1_000_003 + self.step) * self.fabric.world_size + self.fabric.global_rank
            torch.manual_seed(seed)  # of the step alone, so that a resumed run draws what an unbroken one draws
            total, parts = self._loss_of(self._draw())
            self.fabric.backward(total)
            self.fabric.clip_gradients(self.network, self.optimizer, max_norm=5.0, error_if_nonfinite=False)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.schedule.step()
            self._update_average()
            self.step += 1
            bar.update()
            if self.step % 20 == 0:
                bar.set_postfix(px=f"{parts['joints_px'].item():.2f}", dm=f"{parts['joints_3d'].item():.3f}",
                                pose=f"{parts['pose'].item():.3f}")
                self.fabric.log_dict({f"train/{name}": part.item() for name, part in parts.items()}, self.step)
            if not self.fabric.is_global_zero:
                continue  # the first process alone validates and saves; the others wait for it at the next step
            if self.step % recipe.validate_steps == 0 or self.step == recipe.steps:
                self.validate()
            if time.monotonic() - saved > 60 * recipe.save_minutes or self.step == until:
                self.save()
                saved = time.monotonic()
        bar.close()

    def _draw(self, times: float = 1.0) -> Samples:
        """This device's share of a batch, or of `times` as many: photos first, then renders."""
        count = round(self.recipe.batch // self.fabric.world_size * times)
        photos = round(count * self.recipe.data.photo_share) if len(self.sources) == 2 else count
        counts = [photos, count - photos][:len(self.sources)]
        return Samples.join([source.take(torch.randint(len(source), (n,))) for source, n in
                             zip(self.sources, counts, strict=True)])

    def _loss_of(self, samples: Samples) -> tuple[Tensor, dict[str, Tensor]]:
        data, size = self.recipe.data, self.recipe.network.input_size
        batch = make_batch(samples, size, self.recipe.augment)
        count = len(samples)
        wrong, empty = round(count * data.mirrored), round(count * data.without_hand)
        images, landmarks, given = [batch.images], [batch.landmarks], [batch.given]
        chosen = torch.randperm(count)[:wrong]
        for part, extra in zip((images, landmarks, given), mirrored(batch), strict=True):
            part.append(extra[chosen])
        if self.backgrounds is not None and empty:
            places = self.backgrounds[torch.randint(len(self.backgrounds), (empty,))].permute(0, 3, 1, 2).float()
            images.append(torch.nn.functional.interpolate(places, size=(size, size), mode="bilinear"))
            borrowed = torch.randperm(count)[:empty]  # a landmark model's answer looks like a hand even where none is
            landmarks.append(batch.landmarks[borrowed])
            given.append(batch.given[borrowed])
        images, landmarks, given = (torch.cat(part) for part in (images, landmarks, given))
        seen = len(images)
        if data.without_image:
            blind = make_batch(self._draw(data.without_image), size, self.recipe.augment, with_images=False)
            blind = Batch(*(part[blind.given] if len(part) else part for part in blind))
            landmarks, given = torch.cat([landmarks, blind.landmarks]), torch.cat([given, blind.given])
        estimate = self.network(images, landmarks, given)
        holds_hand = torch.zeros(seen, device=images.device)
        holds_hand[:count] = 1
        of_hands = Estimate(*(part[:count] for part in estimate))
        total, parts = self.loss(of_hands, batch)
        parts["confidence"] = self.loss.of_confidence(estimate.confidence[:seen], holds_hand)
        total = total + parts["confidence"]
        if data.without_image:
            parts["without_image"], _ = self.loss(Estimate(*(part[seen:] for part in estimate)), blind, seen=False)
            total = total + parts["without_image"]
        with torch.no_grad():
            away = (of_hands.joints - batch.joints)[..., :2].norm(dim=2).mean(1) * size / 2
            parts |= {"joints_px": away.mean(), "joints_px_given": away[batch.given].mean(),
                      "joints_px_image": away[~batch.given].mean(), "total": total}
        return total, parts

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        mine = self.network.module.state_dict() if hasattr(self.network, "module") else self.network.state_dict()
        for key, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(mine[key].to(value.dtype), 1 - decay)
            else:
                value.copy_(mine[key])

    @torch.no_grad()
    def validate(self) -> None:
        """Errors of the averaged weights on what was held out, with and without landmarks."""
        for name, samples in self.validation.items():
            for given in (True, False):
                scores = evaluate_samples(self.average, samples, self.loss.skeleton, given)
                name_of = f"{name}/{'landmarks' if given else 'image'}"
                self.fabric.log_dict({f"{name_of}/{key}": value for key, value in scores.items()}, self.step)
                listed = ", ".join(f"{key} {value:.3f}" for key, value in scores.items())
                self.fabric.print(f"step {self.step} {name_of}: {listed}")

    def save(self) -> None:
        """The state to resume from and the averaged weights, each whole or not at all."""
        self.average.save(self.out / "handpose")
        part = self.out / "state.part"
        torch.save({"step": self.step, "network": self.network.state_dict(), "average": self.average.state_dict(),
                    "optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict()}, part)
        os.replace(part, self.out / "state.pt")

    def resume(self) -> None:
        state = torch.load(self.out / "state.pt", map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step = state["step"]


def load_sources(data: DataConfig, device: torch.device) -> tuple[list[Samples], dict[str, Samples]]:
    """Training samples (photos, renders) and validation samples by name."""
    sources, validation = [], {}
    if data.photos:
        paths = Path(data.photos), Path(data.labels), Path(data.fits)
        sets = sorted(path.name for path in paths[0].iterdir() if path.is_dir())
        sources.append(load_photos(*paths, [name for name in sets if name not in data.held_out]).to(device))
        if data.held_out:
            validation["photos"] = load_photos(*paths, list(data.held_out)).to(device)
    if data.renders:
        renders = load_renders(Path(data.renders), Path(data.renders_landmarks)).to(device)
        split = len(renders) - data.validation_renders
        sources.append(renders.take(slice(split)))
        if data.validation_renders:
            validation["renders"] = renders.take(slice(split, None))
    if not sources:
        raise ValueError("The recipe names neither photos nor renders to train on.")
    return sources, validation


@torch.no_grad()
def evaluate_samples(network: HandNetwork, samples: Samples, skeleton: HandModel,
                     with_landmarks: bool) -> dict[str, float]:
    """Mean errors (train.metrics) of the network's hands, posed but not placed: 2D is that of its 2.5D joints."""
    found = []
    for start in range(0, len(samples), 128):
        batch = make_batch(samples.take(slice(start, start + 128)), network.config.input_size, None)
        estimate = network(batch.images, batch.landmarks, batch.given & with_landmarks)
        posed = skeleton.pose(estimate.rotations, estimate.betas, torch.zeros_like(batch.joints_3d[:, 0])).joints
        pairs = posed, batch.joints_3d, estimate.joints[..., :2], batch.joints[..., :2]
        found.append([values.cpu().numpy() for values in pairs])
    joints, goal, uv, goal_uv = (np.concatenate(part) for part in zip(*found, strict=True))
    return {"pa_mpjpe_mm": pa_mpjpe(joints, goal).mean(), "root_relative_mm": root_relative(joints, goal).mean(),
            "error_2d": error_2d(uv, goal_uv).mean()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out, if there is one")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    args = parser.parse_args()
    recipe = Recipe.load(args.recipe)
    if args.steps:
        recipe = Recipe(**{**recipe.__dict__, "steps": args.steps})
    args.out.mkdir(parents=True, exist_ok=True)
    logger = TensorBoardLogger(args.out, name="", version="curves")
    fabric = Fabric(accelerator="auto", devices=args.devices, precision=recipe.precision, loggers=[logger])
    fabric.launch()
    seed_everything(recipe.seed, verbose=False)
    trainer = Trainer(recipe, args.out, fabric)
    if args.resume and (args.out / "state.pt").is_file():
        trainer.resume()
    trainer.train()


if __name__ == "__main__":
    main()
