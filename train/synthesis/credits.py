"""Whose photos the backgrounds of renders are, and what of them a data set may show that is passed on.

A folder of photos tells it in its credits.csv, as `train.fetch_backgrounds` writes it.
"""
from __future__ import annotations

import csv
import io
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path

CREDITS = "credits.csv"
# What may be mixed under CC BY-SA 4.0: its own earlier versions from 2.0 on say so, GPL and GFDL do not.
SHARE_ALIKE, FREE = r"CC-BY-SA-(2\.\d|3\.0|4\.0)", r"CC0-1\.0|public-domain|CC-BY-\d\.\d"


@dataclass(frozen=True)
class Credit:
    """Whose picture a background is; `file` is its name in the folder that the credits lie in."""
    file: str
    author: str
    licence: str
    source: str


def read_credits(folder: Path) -> list[Credit]:
    """The credits of a folder of photos. Raises ValueError where there are none, or not these columns."""
    names = [field.name for field in fields(Credit)]
    try:
        with open(folder / CREDITS, newline="") as file:
            rows = [Credit(**{name: row[name].strip() for name in names}) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, AttributeError) as error:
        raise ValueError(f"{folder / CREDITS} does not tell whose photos these are ({error}): a line for each with the "
                         f"columns {', '.join(names)} does.") from error
    for row in rows:
        if Path(row.file).name != row.file or not (folder / row.file).is_file():
            raise ValueError(f"{folder / CREDITS} names {ascii(row.file[:80])}, which is not in that folder: correct "
                             "it.")
    return rows


def credits_text(credits: list[Credit]) -> str:
    """The content of a credits.csv."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [field.name for field in fields(Credit)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, credits))
    return out.getvalue()


def usable(credit: Credit) -> bool:
    return re.fullmatch(f"{SHARE_ALIKE}|{FREE}", credit.licence) is not None


def licence_of(credits: list[Credit]) -> str:
    """The licence of pictures that show these, by its name on the Hub."""
    return "cc-by-sa-4.0" if any(re.fullmatch(SHARE_ALIKE, credit.licence) for credit in credits) else "cc-by-4.0"
