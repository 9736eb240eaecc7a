"""What can be known before anything expensive is made. Each raises OSError or ValueError with one sentence."""
from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from .plan import LISTS, Given
from .recipe import Rounds
from .steps import HELD_BACK, sets_in


def check(recipe: Rounds, given: Given, devices: int) -> None:
    """That the recipe can be followed with these folders on so many devices."""
    check_photos(recipe, given.photos)
    if given.backgrounds:
        check_backgrounds(given.backgrounds)
    if given.photos_3d:
        from ..scoring.test_sets import photos_with_joints
        photos_with_joints(given.photos_3d, given.side)
    if given.whole_photos:
        check_whole_photos(recipe, given.whole_photos)
    check_run(recipe, devices)


def check_photos(recipe: Rounds, photos: Path | None) -> None:
    """That the sets which are held out are there and can be measured on, and that others are left."""
    if photos is None:
        sets = set(json.loads((LISTS / "photo_sets.json").read_text()))
    elif photos.is_dir():
        sets = {path.name for path in sets_in(photos)}
    else:
        raise FileNotFoundError(f"There is no folder {photos}: name one that holds a folder of images for each photo "
                                "set.")
    where = photos or "the photos that are fetched"
    absent = [name for name in recipe.held_out if name not in sets]
    if absent:
        raise ValueError(f"{where} lacks the photo sets {', '.join(absent)}, which the recipe holds out: put them "
                         "there, or name others by held_out.")
    if not sets - set(recipe.held_out):
        raise ValueError(f"{where} holds no photo set to train on beside those that are held out: add one, or hold out "
                         "less.")
    if photos and recipe.held_out:
        from ..scoring.test_sets import photo_sets
        photo_sets(photos, list(recipe.held_out))


def check_whole_photos(recipe: Rounds, folder: Path) -> None:
    sources = {path.parent.name for path in folder.glob("*/index.jsonl")} if folder.is_dir() else set()
    if not sources:
        raise FileNotFoundError(f"{folder} holds no source of whole photos: name a folder whose sub-folders hold an "
                                "index.jsonl.")
    absent = [name for name in recipe.whole.sources if name not in sources]
    if absent:
        raise ValueError(f"{folder} lacks the sources {', '.join(absent)}, which whole.sources names: put them there, "
                         "or name others.")


def check_backgrounds(folder: Path) -> None:
    count = len(list(folder.glob("*.jpg")))
    if count < HELD_BACK:
        raise ValueError(f"{folder} holds {count} .jpg files, and every {HELD_BACK}th is for the test renders: name a "
                         f"folder with {HELD_BACK} photos without hands or more.")


def check_run(recipe: Rounds, devices: int) -> None:
    """That there is such a network, the hand whose parameters it answers with, and weights to begin with, and that a
    batch can be shared by the devices."""
    import torch

    from handpose.hand_model.layer import HandLayer
    from handpose.hand_model.mano import hand_model_file
    from handpose.network.hand_network import HandNetwork

    from ..learning.trainer import group_faults
    from ..learning.warm_start import start_faults

    HandLayer.load(hand_model_file(recipe.run.network.hand_model))
    with torch.device("meta"):  # takes no memory
        HandNetwork(recipe.run.network)
    faults = [*group_faults(recipe.run, devices), *start_faults(replace(recipe.run, start_from=recipe.start_from))]
    if faults:
        raise ValueError(f"{'; '.join(faults)}.")


def check_writable(folder: Path) -> None:
    """Makes the folder if there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"Nothing can be written to {folder} ({error.strerror}): name another folder, or make it "
                      "writable.") from error


def check_free(out: Path, files: set[str]) -> None:
    """That a folder is not there yet, or holds nothing but such files."""
    if os.path.lexists(out) and not out.is_dir():
        raise ValueError(f"{out} is no folder: name another one for the checkpoint.")
    others = {path.name for path in out.iterdir()} - files if out.is_dir() else set()
    if others:
        raise ValueError(f"{out} holds other files than a checkpoint's ({min(others)}): name a folder of its own.")
