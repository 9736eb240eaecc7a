"""The data card of a set of renders, a README.md as the Hub reads it."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from .credits import Credit, licence_of
from .subjects import KINDS

TONES = ("very light", "light", "intermediate", "tan", "brown", "dark")
LICENCES = {"cc-by-4.0": "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)",
            "cc-by-sa-4.0": "[CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/)"}
CARD = Path(__file__).with_suffix(".md")  # with places for what is told
PAINTED = ("Labels and pictures: {name}, by the authors of handpose. The rooms behind the hands were painted by its "
           "code and may be used without any condition (CC0).")
WITH_PHOTOS = ("Labels: CC BY 4.0, by the authors of handpose. Pictures: {name}, for behind the hands, and as cloth "
               "and on objects, they show parts of these authors' photos, changed; `backgrounds/credits.csv` has each "
               "photo's source. Photos whose licences do not go with that were not used.")


def data_card(folder: Path, credits: list[Credit], real_poses: bool, held_out: list[str], network: str,
              scores: dict[str, dict]) -> str:
    """The card of the set in a folder; `scores`: what `train.validate` says of the network on its test part, by --crop.
    """
    counts, kinds = {}, {}
    for part, name in (("training", "labels.npz"), ("test", "evaluation_labels.npz")):
        with np.load(folder / name) as labels:
            counts[part] = np.bincount(labels["tone"], minlength=len(TONES))
            kinds[part] = [int((labels["kind"] == kind).sum()) for kind in KINDS]
            size = round(2 * float(labels["K"][0, 0, 2]) + 1)
    licence, photos = licence_of(credits), any(credit.author != "handpose" for credit in credits)
    poses = "invented ones, other ones in the test part"
    if real_poses:
        poses = ("half of them invented, the others those that fits to real photos have, mixed and changed; in the "
                 "test part those of "
                 + (f"the photo sets {', '.join(held_out)}, which training has none of" if held_out else
                    "the same photos"))
    owners: dict[tuple[str, str], int] = {}
    for credit in credits:
        owners[credit.author, credit.licence] = owners.get((credit.author, credit.licence), 0) + 1
    rows = [f"| {by} | " + " | ".join(f"{of[row][key]:.{digits}f}" for row, key, digits in (
        ("aligned", "joints mm", 1), ("aligned", "vertices mm", 1), ("aligned", "F@5", 3), ("aligned", "F@15", 3),
        ("not aligned", "joints mm", 1), ("not aligned", "vertices mm", 1))) + " |"
        for by, of in (("the detector", scores["detector"]), ("the network, from the image alone", scores["image"]))]
    return CARD.read_text().format(
        licence=licence, training=counts["training"].sum(), test=counts["test"].sum(), size=size, poses=poses,
        network=network,
        tones=" | ".join(TONES), lines="---|" * (len(TONES) - 1) + "---",
        training_tones=" | ".join(map(str, counts["training"])), test_tones=" | ".join(map(str, counts["test"])),
        kinds=" | ".join(KINDS), kind_lines="---|" * (len(KINDS) - 1) + "---",
        training_kinds=" | ".join(map(str, kinds["training"])), test_kinds=" | ".join(map(str, kinds["test"])),
        scores="\n".join(rows), licence_text=(WITH_PHOTOS if photos else PAINTED).format(name=LICENCES[licence]),
        authors="\n".join(f"| {_cell(author)} | {_cell(licence)} | {count} |"
                          for (author, licence), count in owners.items()))


def _cell(text: str) -> str:
    """A text of somebody else's as a cell of a table."""
    return " ".join(text.replace("|", "/").split())
