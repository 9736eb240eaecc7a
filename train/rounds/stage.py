"""Stages: folders whose names say what they were made from.

A stage's folder is NAME-KEY, where KEY are the first digits of a SHA-256 over the stage's name, its options, the keys
of the stages and the digests of the files that it is made from. So whatever differs in any of these lies in another
folder, and what depends on it does, too. A folder is whole when its `made_from.json`, which lists all of that, is
there.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Union

from handpose.whole_file import remove_temporaries, whole_file

NOTE = "made_from.json"
DIGITS = 10  # of a key

Source = Union["Stage", Path]


@dataclass(frozen=True)
class Machine:
    """What a stage may use that changes nothing of what it makes."""
    workers: int  # processes that label and render
    devices: int  # that train, a process each
    reports: Mapping[str, Any] = field(default_factory=dict)  # options of a run: what it logs, saves and reads ahead
    keep_open: tuple[int, ...] = ()  # files that the process which trains holds open, too


@dataclass(frozen=True, eq=False)
class Stage:
    """A folder in `work`, filled by `function(folder, machine, **of, **options)` with a path for each stage in `of`.

    What a function is given beside the machine is in the key, so that nothing else can have a part in what it makes. It
    may find the folder half-filled by one that was stopped, and goes on.
    """
    work: Path
    name: str
    function: Callable[..., None]
    of: Mapping[str, Source | tuple[Source, ...] | None]  # None: there is no such thing
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def made_from(self) -> dict[str, Any]:
        """What JSON says of it. Raises OSError for files that cannot be read."""
        return {"stage": self.name, "options": dict(self.options), "of": self._each(
            lambda source: source.folder.name if isinstance(source, Stage) else digest(source))}

    @cached_property
    def folder(self) -> Path:
        text = json.dumps(self.made_from, sort_keys=True)
        return self.work / f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:DIGITS]}"

    @property
    def done(self) -> bool:
        return (self.folder / NOTE).is_file()

    @property
    def stages(self) -> Iterator[Stage]:
        """Those that it is made from."""
        for source in self.of.values():
            yield from (one for one in (source if isinstance(source, tuple) else (source,)) if isinstance(one, Stage))

    def make(self, machine: Machine) -> None:
        """Fills the folder. Raises what the function does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_temporaries(self.folder)
        self.function(self.folder, machine, **self._each(
            lambda source: source.folder if isinstance(source, Stage) else source), **self.options)
        with whole_file(self.folder / NOTE) as temporary:
            temporary.write_text(json.dumps(self.made_from, indent=1) + "\n")

    def _each(self, seen_as: Callable[[Source], Any]) -> dict[str, Any]:
        return {name: [seen_as(one) for one in source] if isinstance(source, tuple) else seen_as(source)
                for name, source in self.of.items() if source is not None}


def in_order(goals: Iterable[Stage], wanted: Callable[[Stage], bool] = lambda stage: True) -> list[Stage]:
    """The goals and all that is behind them, each once and after what it is made from; unwanted ones hide what is
    behind them."""
    found: dict[Path, Stage] = {}

    def visit(stage: Stage) -> None:
        if stage.folder not in found and wanted(stage):
            for other in stage.stages:
                visit(other)
            found[stage.folder] = stage

    for goal in goals:
        visit(goal)
    return list(found.values())


def digest(path: Path) -> str:
    """Of a file's content; of a folder, the names of the files in it and in its folders, the sizes of all and the
    content of `.npz` files: photos are told apart well enough by that, and thousands are not read each time."""
    if path.is_file():
        return _hash(path.read_bytes())
    files = sorted(file for pattern in ("*", "*/*") for file in path.glob(pattern)
                   if file.is_file() and not file.name.startswith("."))
    listed = [[file.relative_to(path).as_posix(), file.stat().st_size,
               _hash(file.read_bytes()) if file.suffix == ".npz" else ""] for file in files]
    return f"{len(files)} files {_hash(json.dumps(listed).encode())}"


def _hash(content: bytes) -> str:
    return f"sha256 {hashlib.sha256(content).hexdigest()}"
