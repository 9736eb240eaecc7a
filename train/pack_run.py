"""Packs a run's data into one small folder, to be trained on elsewhere: on a GPU that is lent for minutes.

    python -m train.pack_run work/run_1-KEY/recipe.yaml packed --most-mb 64
    python -m train.run packed/recipe.yaml --out runs/gpu --set batch=512 group=512

OUT gets a file for each source, its images as JPEG, the checkpoint that the recipe starts from, photos without hands,
and recipe.yaml, which names these and can be followed wherever the folder is put, from the folder that holds it. Photos
are taken whole, of renders as many as there is room for.
"""
from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from handpose.hand_model.layer import HandLayer
from handpose.hand_model.mano import hand_model_file
from handpose.network.checkpoint import CONFIG, GRAPH, WEIGHTS

from .data.dataset import load_backgrounds, load_crops
from .data.loader import Source
from .data.packed import encode, pack
from .data.samples import Samples
from .data.sources import LOADERS
from .learning.data_config import PackedConfig
from .learning.recipe import Recipe

SIZE = 144  # px; crops of 128 px are cut from these
VALIDATION = 256  # hands of each source, at most
START = "start"
SAMPLE = 200  # hands by which it is reckoned how many there is room for
MB, ROOM = 1 << 20, 0.97  # of what is allowed, that is aimed at: images are not of one size


def first(source: Source, count: int) -> Samples:
    return source.take(torch.arange(min(count, len(source))))


def pack_run(recipe: Recipe, out: Path, most_mb: float, size: int = SIZE) -> float:
    """Writes the folder; returns its MB. Raises OSError or ValueError with a sentence."""
    hand_model = HandLayer.load(hand_model_file(recipe.network.hand_model))
    loaded = [LOADERS[config.kind](config, hand_model) for config in recipe.data.sources]
    out.mkdir(parents=True, exist_ok=True)
    if recipe.start_from:
        (out / START).mkdir(exist_ok=True)
        for name in (WEIGHTS, CONFIG, GRAPH):
            shutil.copyfile(Path(recipe.start_from, name), out / START / name)
    packed = {}
    if recipe.data.backgrounds:
        packed["backgrounds"] = load_backgrounds(recipe.data.backgrounds, size, each=1)
    if recipe.data.false_hands:
        packed["false_hands"] = load_crops(recipe.data.false_hands)
    for name, crops in packed.items():
        (out / name).mkdir(exist_ok=True)
        for number, crop in enumerate(crops.numpy()):
            (out / name / f"{number:05d}.jpg").write_bytes(encode(crop, crops.shape[1]))
    configs = [PackedConfig(file=str(out / f"source_{number}.npz"), share=config.share,
                            validation=str(out / f"held_out_{number}.npz") if held_out is not None else None)
               for number, (config, (_, held_out)) in enumerate(zip(recipe.data.sources, loaded, strict=True))]
    rendered = [config.kind == "renders" for config in recipe.data.sources]
    for config, (source, held_out), limited in zip(configs, loaded, rendered, strict=True):
        if held_out is not None:
            pack(first(held_out, VALIDATION), Path(config.validation), size)
        pack(first(source, SAMPLE if limited else len(source)), Path(config.file), size)
    room = ROOM * most_mb * MB - bytes_in(out)
    for config, (source, _), limited in zip(configs, loaded, rendered, strict=True):
        if limited:
            sample = Path(config.file).stat().st_size
            count = int(min(SAMPLE, len(source)) * (1 + room / sum(rendered) / sample))
            if count > 0:
                pack(first(source, count), Path(config.file), size)
    if bytes_in(out) > most_mb * MB:
        raise ValueError(f"The data take {bytes_in(out) / MB:.1f} MB, more than {most_mb:g}: allow more, or smaller "
                         "images.")
    replace(recipe, start_from=str(out / START) if recipe.start_from else None,
            data=replace(recipe.data, sources=tuple(configs),
                         **{name: (str(out / name),) for name in packed})).save(out / "recipe.yaml")
    return bytes_in(out) / MB


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m train.pack_run", description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("out", type=Path, help="folder to write to, named as it will be called from there")
    parser.add_argument("--most-mb", type=float, default=64.0)
    parser.add_argument("--size", type=int, default=SIZE, help="px of the images' sides (default: %(default)s)")
    args = parser.parse_args(argv)
    try:
        written = pack_run(Recipe.load(args.recipe), args.out, args.most_mb, args.size)
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    print(f"{args.out}: {written:.1f} MB")


if __name__ == "__main__":
    main()
