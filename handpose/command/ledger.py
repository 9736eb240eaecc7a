"""What earlier runs have done, so that a run after an interruption, or with new photos, does only the rest.

The ledger is a file in the output folder with a line of JSON for each photo or clip that was done:

    {"stem": "sub/a", "path": "/photos/sub/a.jpg", "source": [bytes, ns], "options": "9f2c..", "hands": 1,
     "endings": [".overlay.jpg", ".glb", ".json"]}

A job counts as done where the last line of its stem speaks of the same file in the same state and of the same options,
and all files that were written are still there. A line of the stem alone takes earlier ones back.
"""
from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from ..foreign_file import read_bytes
from .jobs import Job, Outcome, source_state

NAME = ".handpose.jsonl"
MOST_BYTES = 1 << 30  # a million photos' lines have 0.2 GB


def options_digest(options: dict, files: Iterable[Path] = ()) -> str:
    """What tells one set of options, and the state of the files that they speak of, from another."""
    states = [(file.name, source_state(file)) for file in files]
    return hashlib.sha256(json.dumps([options, states], default=str, sort_keys=True).encode()).hexdigest()[:16]


class Ledger:
    """The ledger of an output folder, for a run with options of this digest. Reading and writing raise OSError."""

    def __init__(self, folder: Path, options: str):
        self.folder, self.options = folder, options
        self._file = folder / NAME
        self._done: dict[str, dict] = {}
        self._cut = False  # whether the last line was not ended, as a power failure leaves it
        if self._file.exists() and not (self._file.is_file() and self._file.stat().st_size == 0):
            try:
                text = read_bytes(self._file, MOST_BYTES).decode("utf-8", errors="replace")
            except ValueError as error:
                raise OSError(errno.EINVAL, f"no ledger of earlier runs: {error}") from error
            self._cut = not text.endswith("\n")
            for line in text.splitlines():
                entry = _entry(line)
                if entry:
                    self._done[entry["stem"]] = entry

    def has(self, job: Job) -> bool:
        """Whether this run or an earlier one has done this job and its results are all there."""
        entry = self._done.get(job.stem, {})
        return (entry.get("path") == str(job.path.resolve()) and entry.get("options") == self.options
                and tuple(entry["source"] or ()) == job.source()
                and all((self.folder / (job.stem + ending)).is_file() for ending in entry["endings"]))

    def hands(self, job: Job) -> int:
        """How many hands an earlier run found."""
        return self._done[job.stem]["hands"]

    def forget(self, jobs: list[Job]) -> None:
        """Takes back what is about to be done anew, for an interruption might leave results of both runs."""
        self._append([{"stem": job.stem} for job in jobs if self._done.pop(job.stem, None)])

    def add(self, job: Job, outcome: Outcome) -> None:
        """Notes that a job was done."""
        entry = {"stem": job.stem, "path": str(job.path.resolve()), "source": outcome.source,
                 "options": self.options, "hands": outcome.hands, "endings": outcome.endings}
        self._append([entry])
        self._done[job.stem] = entry

    def _append(self, entries: Iterable[dict]) -> None:
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        if lines:
            with open(self._file, "a", encoding="utf-8") as file:
                file.write(("\n" if self._cut else "") + lines)
            self._cut = False


def _entry(line: str) -> dict | None:
    """What a line says, with all its parts or with its stem alone; None where it is half a line or no ledger's: what it
    spoke of is done again."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("stem"), str):
        return None
    texts = [entry.get("path"), entry.get("options"), *_list(entry.get("endings"))]
    numbers = [entry.get("hands"), *_list(entry.get("source"))]
    whole = all(isinstance(text, str) for text in texts) and all(type(number) is int for number in numbers)
    return entry if whole and len(numbers) == 3 else {"stem": entry["stem"]}


def _list(value: object) -> list:
    """The list itself; [None] for anything else."""
    return value if isinstance(value, list) else [None]
