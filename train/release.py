"""Makes a checkpoint the repository's own: copies its files, and writes its numbers and hours into the model card.

    python -m train.release runs/handpose

The folder is one that `train.make_checkpoint` wrote. In the card (README.md), what stands between the lines

    <!-- numbers:begin Renders; Renders by skin tone -->    and    <!-- numbers:end -->
    <!-- log:begin -->                                      and    <!-- log:end -->

becomes the tables of these names in evaluation.json, and the hours of log.jsonl. The rest of the card is written by
hand. All is checked before anything is written.
"""
from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from handpose.estimator import HandEstimator
from handpose.network.checkpoint import CHECKPOINT, CONFIG, GRAPH, WEIGHTS
from handpose.whole_file import whole_file

from .evaluate import DECIMALS
from .make_checkpoint import DETECTOR, FILES, LOG, NUMBERS, SHEET
from .rounds.log import table
from .rounds.steps import copy_files
from .scoring.measure import IMAGE_UNALIGNED, UNALIGNED
from .scoring.tables import Column, Table

CARD = "README.md"
SHIPPED = (WEIGHTS, CONFIG, GRAPH, SHEET)  # and the detector's, where one was made
PLACE = re.compile(r"(<!-- (numbers|log):begin([^\n]*) -->\n).*?(<!-- \2:end -->)", re.DOTALL)
LEFT_OUT = (UNALIGNED, IMAGE_UNALIGNED)  # of tables by groups, for a card's width


def new_card(card: str, numbers: dict[str, dict], log: list[dict]) -> str:
    """The card with other tables in their places. Raises ValueError where it names a table that was not measured."""
    def written(place: re.Match) -> str:
        begin, kind, titles, end = place.groups()
        tables = [table(log)] if kind == "log" else [markdown(title.strip(), numbers) for title in titles.split(";")]
        return begin + "\n\n".join(tables) + "\n" + end
    if not PLACE.search(card):
        raise ValueError("The model card has no place for numbers: put <!-- numbers:begin TITLE --> and "
                         "<!-- numbers:end --> where they belong.")
    return PLACE.sub(written, card)


def markdown(title: str, numbers: dict[str, dict]) -> str:
    """A table of `train.evaluate --json`."""
    if title not in numbers:
        raise ValueError(f"{NUMBERS} lacks the table {title!r} that the model card names: measure it when the "
                         "checkpoint is made (`make checkpoint PHOTOS_3D=...`), or take its place out of the card.")

    def column(key: str) -> Column:
        over, _, metric = key.rpartition(": ")
        decimals = 2 if title.endswith("worst over best") else DECIMALS.get(metric, 0 if metric == "hands" else 1)
        return Column(over, metric, decimals)
    return Table(title, {name: {column(key): float("nan") if value is None else value for key, value in row.items()
                                if column(key).over not in LEFT_OUT}
                         for name, row in numbers[title].items()}).markdown()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m train.release", description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, help="folder that train.make_checkpoint wrote")
    parser.add_argument("--to", type=Path, default=CHECKPOINT, help="(default: %(default)s)")
    args = parser.parse_args(argv)
    try:
        absent = sorted(name for name in FILES if not (args.checkpoint / name).is_file())
        if absent:
            raise FileNotFoundError(f"{args.checkpoint} lacks {', '.join(absent)}: name a folder that "
                                    "train.make_checkpoint wrote.")
        HandEstimator.load(args.checkpoint)
        numbers = json.loads((args.checkpoint / NUMBERS).read_text())
        log = [json.loads(line) for line in (args.checkpoint / LOG).read_text().splitlines()]
        card = new_card((args.to / CARD).read_text(), numbers, log)
        shipped = [*SHIPPED, *(name for name in DETECTOR if (args.checkpoint / name).is_file())]
        copy_files({name: args.checkpoint / name for name in shipped}, args.to)
        with whole_file(args.to / CARD) as temporary:
            temporary.write_text(card)
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    print(f"{args.to / CARD} has new tables: read what is written around them, it may no longer be true.")


if __name__ == "__main__":
    main()
