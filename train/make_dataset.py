"""Makes a data set of its own of renders, in FreiHAND's layout: a training part, a fixed test part, and a data card.

    python -m train.make_dataset OUT --count 20000 [--poses work/fits.npz --held-out SETS] [--backgrounds DIR ...]

OUT/README.md, the card, says what the files are. Behind the hands are painted rooms, and of the photos in --backgrounds
those whose credits.csv gives them a licence under which the pictures can be passed on. Every fifth background, and the
poses of the sets that are held out, are in test pictures alone. What is there is not made again: more of --count adds
training pictures, and the test part stays as it is.
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from handpose.hand_model.layer import HandLayer
from handpose.whole_file import whole_file

from . import validate
from .make_examples import paint_background
from .synthesis.credits import CREDITS, Credit, credits_text, read_credits, usable
from .synthesis.data_card import data_card
from .synthesis.photo_skin import SKINS
from .synthesis.poses import PoseBank
from .synthesize import Job, synthesize

TEST_SEED = 1  # training pictures have 0
EVERY_TEST = 5
PAINTED_SIZE = 480, 360  # px
ANNOTATIONS = ("K", "mano", "xyz", "scale")
CROPS = ("detector", "image")  # of `train.validate`


def gather(out: Path, folders: list[Path], painted: int, seed: int) -> tuple[list[Credit], int]:
    """Makes a folder with training/, evaluation/ and credits.csv, whole or not at all; it may be there already.

    They hold the photos in `folders` that are `usable`, and so many rooms painted by chance. Returns the credits, and
    how many photos were left out for their licences. Raises ValueError, as `read_credits`, or where `out` holds others.
    """
    sources, left_out = [], 0
    for folder in folders:
        for credit in read_credits(folder):
            if usable(credit):
                sources.append((folder / credit.file, credit))
            else:
                left_out += 1
    room = Credit("", "handpose", "CC0-1.0", "painted by train.make_examples")
    sources += [(None, room)] * painted
    parts = ["evaluation" if n % EVERY_TEST == EVERY_TEST - 1 else "training" for n in range(len(sources))]
    credits = [Credit(f"{part}/{n:04d}.jpg", credit.author, credit.licence, credit.source)
               for n, (part, (_, credit)) in enumerate(zip(parts, sources, strict=True))]
    if len(set(parts)) < 2:
        raise ValueError(f"{len(sources)} backgrounds are too few for training and test pictures: give more of them.")
    if out.is_dir():
        if (out / CREDITS).read_text() != credits_text(credits):
            raise ValueError(f"{out} holds other backgrounds than these: name another folder.")
        return credits, left_out
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".backgrounds-", dir=out.parent) as temporary:
        folder = Path(temporary, "all")
        for part in set(parts):
            (folder / part).mkdir(parents=True)
        for number, (credit, (photo, _)) in enumerate(zip(credits, sources, strict=True)):
            if photo:
                shutil.copyfile(photo, folder / credit.file)
            else:
                cv2.imwrite(str(folder / credit.file), paint_background(np.random.default_rng([seed, number]),
                                                                        *PAINTED_SIZE))
        (folder / CREDITS).write_text(credits_text(credits))
        os.replace(folder, out)
    return credits, left_out


def make_training_part(out: Path, poses: Path | None, held_out: list[str], count: int, size: int, workers: int) -> None:
    """Writes `out`/training, training_*.json and labels.npz. Raises FileNotFoundError or ValueError."""
    synthesize(Job(str(out), poses and str(poses), (str(out / "backgrounds" / "training"),), count, size,
                   without=tuple(held_out)), workers)


def make_test_part(out: Path, poses: Path | None, held_out: list[str], count: int, size: int, workers: int) -> None:
    """Writes evaluation_*.json, evaluation_labels.npz and last evaluation/ into `out`; where that is, nothing."""
    if (out / "evaluation").is_dir():
        return
    making = out / ".evaluation"
    making.mkdir(exist_ok=True)
    if not poses:  # invented ones as well, but others than those of the training part
        bank, poses = PoseBank.invented(seed=TEST_SEED), making / "poses.npz"
        if not poses.is_file():
            with whole_file(poses) as temporary, open(temporary, "wb") as file:
                np.savez(file, hand_pose=bank.hand_pose, global_orient=bank.global_orient)
    path = synthesize(Job(str(making), str(poses), (str(out / "backgrounds" / "evaluation"),), count, size, TEST_SEED,
                          only=tuple(held_out)), workers)
    with np.load(path) as file:
        labels = {key: torch.from_numpy(file[key]) for key in ("global_orient", "hand_pose", "betas", "transl")}
    with torch.no_grad():
        vertices = HandLayer.load()(*labels.values()).vertices.numpy()
    with whole_file(out / "evaluation_verts.json") as temporary, open(temporary, "w") as file:
        for number, points in enumerate(vertices.astype(float).round(6)):
            file.write((", " if number else "[") + json.dumps(points.tolist()))
        file.write("]")
    for name in ANNOTATIONS:
        shutil.copyfile(making / f"training_{name}.json", out / f"evaluation_{name}.json")
    shutil.copyfile(path, out / "evaluation_labels.npz")
    os.replace(making / "training", out / "evaluation")
    shutil.rmtree(making)


def scores_of_test_part(out: Path, checkpoint: str | None) -> dict[str, dict]:
    """What `train.validate` says of the test part: by how the hand is found, the content of its scores.json."""
    scores = {}
    for crop in CROPS:
        with tempfile.TemporaryDirectory() as results:
            options = ["--checkpoint", checkpoint] if checkpoint else []
            if validate.main([str(out), "--out", results, "--crop", crop, *options]):
                raise ValueError(f"The network {checkpoint} cannot be measured on {out}: give another --checkpoint.")
            scores[crop] = json.loads(Path(results, "scores.json").read_text())
    shutil.rmtree(out / ".index", ignore_errors=True)  # what reading the set left there
    return scores


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m train.make_dataset", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("out", type=Path, help="the data set's folder")
    add("--count", type=int, default=20_000, help="training pictures (default: %(default)s)")
    add("--test", type=int, default=1000, metavar="N", help="test pictures (default: %(default)s)")
    add("--poses", type=Path, help="bank of real poses, as train.fit_hands writes it (default: invented poses)")
    add("--held-out", nargs="*", default=[], metavar="SET", help="its photo sets whose poses the test part has for "
        "itself")
    add("--backgrounds", nargs="*", type=Path, default=[], metavar="DIR", help="folders of photos without hands, each "
        "with a credits.csv, as train.fetch_backgrounds writes them")
    add("--painted", type=int, default=200, metavar="N", help="painted backgrounds (default: %(default)s)")
    add("--size", type=int, default=192, help="pixels a side (default: %(default)s)")
    add("--checkpoint", metavar="DIR", help="whose scores the card tells (default: the network that ships)")
    add("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args(argv)
    try:
        if args.held_out and not args.poses:
            raise ValueError("Sets can be held out of --poses alone: give a bank, or leave out --held-out.")
        credits, left_out = gather(args.out / "backgrounds", args.backgrounds, args.painted, seed=0)
        if left_out:
            print(f"{left_out} backgrounds were left out: their licences do not go with CC BY-SA.", file=sys.stderr)
        make_training_part(args.out, args.poses, args.held_out, args.count, args.size, args.workers)
        make_test_part(args.out, args.poses, args.held_out, args.test, args.size, args.workers)
        scores = scores_of_test_part(args.out, args.checkpoint)
        with whole_file(args.out / "LICENSE-skin") as temporary:
            shutil.copyfile(SKINS / "LICENSE", temporary)
        with whole_file(args.out / "README.md") as temporary:
            network = f"the network {args.checkpoint}" if args.checkpoint else "the network that ships with handpose"
            temporary.write_text(data_card(args.out, credits, args.poses is not None, args.held_out, network, scores))
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    print(args.out / "README.md")


if __name__ == "__main__":
    main()
