"""Names of files that come from elsewhere: how a sentence or a log calls them, and what results made from them are
called on any system."""
from __future__ import annotations

import re
import unicodedata

MOST_SHOWN = 200  # letters
MOST_BYTES = 120  # of a stem in UTF-8: file systems take 255 with all endings
DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}


def shown_name(name: str) -> str:
    """The name on one line, without anything that a terminal would obey or a log take for a line of its own."""
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    return name if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]}…"


def safe_stem(name: str, otherwise: str) -> str:
    """What results are called that are made from a file of this name or path, before their endings.

    Letters and digits of all scripts stay; what a shell, a browser or a file system might take otherwise becomes "_".
    `otherwise` is the stem where nothing is left.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    stem = last.rpartition(".")[0] or last
    stem = re.sub(r"[^\w .()-]", "_", stem).encode("utf-8", "ignore")[:MOST_BYTES].decode("utf-8", "ignore").strip(" .")
    return f"_{stem}" if stem.partition(".")[0].strip().upper() in DEVICES else stem or otherwise
