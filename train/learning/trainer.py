"""The training loop: a run's data, network, optimizer and state, on one device or several."""
from __future__ import annotations

import copy
import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor
from tqdm import tqdm

from handpose.foreign_file import check_regular
from handpose.hand_model.layer import HandLayer
from handpose.hand_model.mano import hand_model_file
from handpose.network.checkpoint import one_line
from handpose.network.hand_network import Estimate, HandNetwork
from handpose.whole_file import whole_file

from ..data.augment import make_batch
from ..data.dataset import load_without_hands
from ..data.inputs import Inputs, make_inputs
from ..data.loader import Group, Loader, share_out
from ..data.sources import load_sources
from ..scoring.validation import evaluate_source
from .batch_norm import keep_statistics, synchronise
from .losses import HandLoss
from .precision import faster_in_bfloat16
from .recipe import AUTO, Recipe
from .sanity import draw_sheet
from .stop import StopSignals
from .warm_start import begin_with, start_faults

MAX_GRADIENT = 5.0  # norm, chosen by hand: one odd batch does no harm

MOST_STATE_BYTES = 16 << 30  # of state.pt; a ResNet-101's is 1 GB


class Trainer:
    """A training run: its data, network, optimizer and state.

    Images are (B, 3, S, S) RGB 0..255, labels those of `train.data.augment.Batch`; `average` is the exponential mean of
    the weights, which is what is validated and saved. Making one raises FileNotFoundError or ValueError naming what is
    missing or does not fit.
    """

    def __init__(self, recipe: Recipe, out: Path, fabric: Fabric):
        self.out, self.fabric = out, fabric
        hand_model = HandLayer.load(hand_model_file(recipe.network.hand_model))
        faults = [*group_faults(recipe, fabric.world_size), *start_faults(recipe)]
        sources, self.validation = load_sources(recipe.data, hand_model, fabric.device, faults)
        shares = [source.share for source in recipe.data.sources]
        self.hands = sum(len(source) for source, share in zip(sources, shares, strict=True) if share)
        self.recipe = recipe = recipe.in_steps(self.hands)
        self.loader = _loader(recipe, sources, fabric)
        self.without_hands = [crops.to(fabric.device) for crops in load_without_hands(recipe.data)]
        network = _network(recipe, sources)
        self.average = copy.deepcopy(network).to(fabric.device).eval().requires_grad_(False)
        if recipe.sync_batch_norm and fabric.world_size > 1 and not recipe.keep_statistics:
            network = synchronise(network)
        network.train()
        if recipe.frozen_stages is not None:
            network.backbone.freeze(recipe.frozen_stages)
        if recipe.keep_statistics:
            network = keep_statistics(network)
        backbone = {id(p) for p in network.backbone.parameters()}
        groups = [{"params": [p for p in network.parameters() if id(p) not in backbone], "lr": recipe.rate},
                  {"params": [p for p in network.backbone.parameters() if p.requires_grad],
                   "lr": recipe.rate * recipe.backbone_rate}]
        # Not fused: torch's (2.14) errs on CPUs, silently, where a gradient lies otherwise in memory than its weights.
        optimizer = torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=recipe.weight_decay)
        self.bfloat16 = recipe.precision == AUTO and faster_in_bfloat16(network, self._inputs(0), fabric)
        if recipe.compile:
            network.compile(dynamic=False)  # in place: the weights keep their names
        self.network, self.optimizer = fabric.setup(network, optimizer)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate_at)
        self.loss = HandLoss(recipe.losses, hand_model.to(fabric.device))
        self.step, self.lowest = 0, float("inf")

    def _rate_at(self, step: int) -> float:
        """The share of the recipe's rate: a linear warm-up, then a cosine (Loshchilov and Hutter, SGDR, 2017) down to
        `last_rate`."""
        warm, steps, last = self.recipe.warm_up, self.recipe.steps, self.recipe.last_rate
        if step < warm:
            return (step + 1) / warm
        return last + (1 - last) * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1))) / 2

    def _size_at(self, step: int) -> int:
        """The crops' side, px: by turns the usual and the smaller one, where the network takes both."""
        network = self.recipe.network
        return network.live_size if network.live_size and step % 2 else network.input_size

    def train(self, until: int | None = None) -> int:
        """Goes on to the recipe's last step, or to step `until`, or to the end of the step in which one of the
        processes is told to stop (see `stop`). Returns the signal that told it, else 0; everything is saved."""
        with StopSignals() as stop:
            self._train(until or self.recipe.steps, stop)
        return stop.signal

    def _train(self, until: int, stop: StopSignals) -> None:
        recipe, saved = self.recipe, time.monotonic()
        keep = round((recipe.keep_epochs or 0) * self.hands / recipe.batch)
        bar = tqdm(initial=self.step, total=recipe.steps, unit="step", disable=not self.fabric.is_global_zero)
        for groups in self.loader.steps(self.step, until):
            inputs = self._inputs_of(groups, self.step)
            if self.step == 0 and self.fabric.is_global_zero:
                self._sanity(inputs)
            total, parts = self._loss_of(inputs)
            self.fabric.backward(total)
            self.fabric.clip_gradients(self.network, self.optimizer, max_norm=MAX_GRADIENT, error_if_nonfinite=False)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.schedule.step()
            self._update_average()
            self.step += 1
            bar.update()
            if self.step % recipe.log_steps == 0:
                self._log(parts, bar)
            stop.agree(self.fabric)
            if self.fabric.is_global_zero:  # it alone validates and saves; the others wait for it at the next step
                if self.step == recipe.steps or self.step % recipe.validate_steps == 0 and not stop.signal:
                    self.validate()
                if keep and self.step % keep == 0:
                    self.average.save(self.out / f"step-{self.step:06d}")
                if time.monotonic() - saved > 60 * recipe.save_minutes or self.step == until or stop.signal:
                    self.save()
                    saved = time.monotonic()
            if stop.signal:
                break
        bar.close()

    def _inputs(self, step: int) -> Inputs:
        return self._inputs_of(next(self.loader.steps(step, step + 1)), step)

    def _inputs_of(self, groups: list[Group], step: int) -> Inputs:
        return make_inputs(groups, self.recipe, self._size_at(step), self.without_hands, self.fabric.device)

    def _log(self, parts: dict[str, Tensor], bar: tqdm) -> None:
        """The batch's losses, averaged over the processes."""
        values = self.fabric.all_reduce(torch.stack([part.detach().float() for part in parts.values()]))
        parts = dict(zip(parts, values.tolist(), strict=True))
        bar.set_postfix(px=f"{parts['joints_px']:.2f}", dm=f"{parts['joints_3d']:.3f}", pose=f"{parts['pose']:.3f}")
        self.fabric.log_dict({f"train/{name}": part for name, part in parts.items()}, self.step)

    def _loss_of(self, inputs: Inputs) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to minimise and its parts by name, scalars; "joints_px" are crop pixels."""
        with torch.autocast(self.fabric.device.type, torch.bfloat16, enabled=self.bfloat16):
            estimate = self.network(inputs.images, inputs.landmarks, inputs.given)
        estimate = Estimate(*(part.float() for part in estimate))
        hands, images = len(inputs.hands.images), len(inputs.images)
        of_hands = Estimate(*(part[:hands] for part in estimate))
        total, parts = self.loss(of_hands, inputs.hands)
        confidence = *estimate.confidence[:images].split([hands, images - hands]), inputs.mirror_of
        parts["confidence"] = self.loss.of_confidence(*confidence)
        parts["side"] = self.loss.of_side(*confidence, inputs.hands.weight)
        total = total + parts["confidence"] + parts["side"]
        if inputs.imageless is not None:
            of_imageless = Estimate(*(part[images:] for part in estimate))
            parts["without_image"], _ = self.loss(of_imageless, inputs.imageless, with_image=False)
            total = total + parts["without_image"]
        with torch.no_grad():
            given, labelled = inputs.hands.given, inputs.hands.trust > 0
            away = (of_hands.joints - inputs.hands.joints)[..., :2].norm(dim=2) * inputs.images.shape[3] / 2
            mean = lambda chosen: away[labelled & chosen[:, None]].mean()  # noqa: E731
            parts |= {"joints_px": mean(torch.ones_like(given)), "joints_px_given": mean(given),
                      "joints_px_image": mean(~given), "total": total}
        return total, parts

    @torch.no_grad()
    def _update_average(self) -> None:
        """Moves the mean towards the weights, faster in the first steps, as TensorFlow's moving average does."""
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        mine = self.network.module.state_dict() if hasattr(self.network, "module") else self.network.state_dict()
        for key, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(mine[key].to(value.dtype), 1 - decay)
            else:
                value.copy_(mine[key])

    def _sanity(self, inputs: Inputs) -> None:
        """The first crops with their labels: a look at them shows a wrong frame or side before hours are spent."""
        sheet = draw_sheet(inputs.hands.images, inputs.hands.joints)
        cv2.imwrite(str(self.out / "sanity.jpg"), sheet[..., ::-1])
        for logger in self.fabric.loggers:
            logger.experiment.add_image("labels", sheet, 0, dataformats="HWC")

    @torch.no_grad()
    def validate(self) -> None:
        """Errors of the averaged weights on what was held out, with and without landmarks; keeps the best weights."""
        errors, errors_2d = [], []
        for name, source in self.validation.items():
            first = source.take(torch.arange(min(16, len(source)))).to(self.fabric.device)
            batch = make_batch(first, self.recipe.network.input_size, None)
            for given in ((True, False) if batch.given.any() else (False,)):
                scores = evaluate_source(self.average, source, self.loss.skeleton, given)
                name_of = f"{name}/{'landmarks' if given else 'image'}"
                self.fabric.log_dict({f"{name_of}/{key}": value for key, value in scores.items()}, self.step)
                listed = ", ".join(f"{key} {value:.3f}" for key, value in scores.items())
                self.fabric.print(f"step {self.step} {name_of}: {listed}")
                errors.append(scores["pa_mpjpe_mm"])
                errors_2d.append(scores["error_2d"])
            estimated = self.average(batch.images, batch.landmarks, batch.given).joints
            for logger in self.fabric.loggers:
                logger.experiment.add_image(name, draw_sheet(batch.images, estimated), self.step, dataformats="HWC")
        known = [error for error in errors if np.isfinite(error)] or errors_2d  # of joints in the image alone
        if known and np.mean(known) < self.lowest:
            self.lowest = float(np.mean(known))
            self.average.save(self.out / "best")

    def save(self) -> None:
        """The state to resume from and the averaged weights, each whole or not at all."""
        self.average.save(self.out / "handpose")
        state = {"step": self.step, "lowest": self.lowest, "network": self.network.state_dict(),
                 "average": self.average.state_dict(), "optimizer": self.optimizer.state_dict(),
                 "schedule": self.schedule.state_dict()}
        with whole_file(self.out / "state.pt") as temporary:
            torch.save(state, temporary)

    def resume(self) -> None:
        """Goes on from the state that `save` left. Raises ValueError for another network's or a damaged one."""
        file = self.out / "state.pt"
        try:
            check_regular(file, MOST_STATE_BYTES)
            state = torch.load(file, map_location="cpu", weights_only=True)
            self.step, self.lowest = state["step"], state["lowest"]
            if type(self.step) is not int or self.step < 0 or type(self.lowest) is not float:
                raise ValueError("its step is no number")
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
        except Exception as error:  # pickle: "other exceptions may also be raised", whatever the bytes lead to
            raise ValueError(f"{file} is damaged or of another recipe's run ({one_line(error)}): begin anew in another "
                             "folder, or restore it.") from error


def group_faults(recipe: Recipe, devices: int) -> list[str]:
    """Where the groups do not add up to the batch on so many devices; parts of a sentence."""
    groups, rest = divmod(recipe.batch, recipe.group)
    if rest or groups % devices:
        return [f"groups of {recipe.group} do not make up a batch of {recipe.batch} on {devices} device"
                f"{'s alike' * (devices > 1)}: change group or batch in the recipe, or --devices"]
    return []


def _loader(recipe: Recipe, sources: list, fabric: Fabric) -> Loader:
    shares = [source.share for source in recipe.data.sources]
    counts = [share_out(count, shares) for count in (recipe.group, round(recipe.group * recipe.data.without_image))]
    return Loader(sources, *counts, recipe.batch // recipe.group, recipe.seed, fabric.global_rank, fabric.world_size,
                  recipe.workers)


def _network(recipe: Recipe, sources: list) -> HandNetwork:
    """The network with the weights that the recipe says it begins with."""
    network = HandNetwork(recipe.network)
    calibration = sources[-1].take(torch.arange(min(64, len(sources[-1]))))
    begin_with(network, recipe, lambda: make_batch(calibration, recipe.network.input_size, None).images.cpu())
    return network.to(memory_format=torch.channels_last)
