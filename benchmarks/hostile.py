"""Odd and hostile uploads and calls against a running page: `python -m benchmarks.hostile [--limit N] [--patience S]`

Each must be answered in time with hands or with a sentence; afterwards the page must be alive, give the same answer as
at first, and have its memory back. Exit code 1 if anything was not so.
"""
from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import httpx

from .running_page import ROOT, RunningPage, Visitor

PHOTO = ROOT / "tests" / "data" / "hand_right.jpg"
MEMORY_KEPT = 400_000_000  # bytes by which the page may be larger afterwards: caches of models and allocators
LEAKS = ("Traceback", 'File "', "Error:", "Exception", "site-packages", "errno", "NoneType")  # of Python's to a visitor

# What is sent in the place of numbers and switches.
WRONG_VALUES = (None, "", "wide", "1e999", -1, 0, 1e-300, 1e300, 10**400, -10**18, 2**63, float("nan"), float("inf"),
                [], [1, 2], {}, {"path": "/etc/passwd"}, True, "\0", "x" * 100_000, "<script>alert(1)</script>")
# What is sent in the place of an uploaded photo.
WRONG_PHOTOS = (None, 1, "", "photo.jpg", "/etc/passwd", [], {}, {"path": None}, {"path": ""}, {"path": 5},
                *({"path": path, "meta": {"_type": "gradio.FileData"}} for path in (
                    "/etc/passwd", "../../etc/passwd", "/dev/zero", "/proc/self/environ", "x" * 10_000, "a\0b",
                    "http://127.0.0.1:1/photo.jpg", "file:///etc/passwd", str(PHOTO))),
                {"path": str(PHOTO)},
                {"url": "http://169.254.169.254/latest/meta-data/", "meta": {"_type": "gradio.FileData"}})
NUMBERS = ("focal_px", "fov_deg", "most_hands", "min_score", "mirrored")


@dataclass(frozen=True)
class Outcome:
    what: str
    kind: str  # "hands", "sentence", "refused" by Gradio, or what went wrong: "leak", "slow", "silent", "broken"
    seconds: float
    said: str

    @property
    def good(self) -> bool:
        return self.kind in ("hands", "sentence", "refused")


def judge(what: str, patience: float, ask, forged: bool = False) -> Outcome:
    """What came of a request; `ask` makes it and returns what `Visitor.call` does.

    What no visitor can do with the page alone is `forged`: Gradio refuses much of that itself, without a reason.
    """
    start = time.monotonic()
    try:
        event, answer = ask()
    except httpx.HTTPStatusError as error:
        event, answer = "http", f"{error.response.status_code} {error.response.text}"
    except httpx.TimeoutException as error:
        event, answer = "slow", repr(error)
    except httpx.HTTPError as error:
        event, answer = "broken", repr(error)
    seconds, said = time.monotonic() - start, str(answer)
    if event == "complete":
        kind = "hands"
    elif event == "http":
        kind = "refused" if said.startswith("4") else "broken"
    elif event == "error":
        said = answer.get("error") if isinstance(answer, dict) else answer
        kind = "sentence" if said else "refused" if forged else "silent"
    else:
        kind = event
    if kind != "hands" and any(leak in str(said) for leak in LEAKS):
        kind = "leak"
    if seconds > patience:
        kind = "slow"
    return Outcome(what, kind, seconds, str(said)[:200])


def attack_with_files(visitor: Visitor, files: Iterable[tuple[str, bytes]], patience: float) -> Iterator[Outcome]:
    """Uploads each file as a photo, and each film as a clip, too."""
    for name, data in files:
        hidden = name.startswith(".")  # a name that Gradio takes for a hidden file, and refuses
        yield judge(f"photo {name!r}", patience, lambda name=name, data=data: visitor.estimate(name, data), hidden)
        if "mp4" in name:
            yield judge(f"clip {name!r}", patience,
                        lambda name=name, data=data: visitor.call("video", visitor.upload(name, data), "Mesh"))


def attack_with_calls(visitor: Visitor, patience: float) -> Iterator[Outcome]:
    """Calls with inputs of wrong types, sizes and numbers."""
    photo = PHOTO.read_bytes()
    calls: list[tuple[str, tuple[Any, ...]]] = []
    for wrong in WRONG_PHOTOS:
        calls += [("estimate", (wrong, None, None, 10, .5, False)), ("video", (wrong, "Mesh")),
                  ("files", (wrong, "zip", None, None, 10, .5, False))]
    calls += [("estimate", ()), ("estimate", (None,) * 50), ("files", ({},))]
    uploaded = visitor.upload("hand.jpg", photo)
    calls += [("files", (uploaded, wrong, None, None, 10, .5, False)) for wrong in WRONG_VALUES]
    for endpoint, inputs in calls:
        yield judge(f"{endpoint}{inputs}"[:120], patience, lambda e=endpoint, i=inputs: visitor.call(e, *i),
                    forged=True)
    for name in NUMBERS:
        for wrong in WRONG_VALUES:
            yield judge(f"{name}={wrong!r}"[:120], patience,
                        lambda name=name, wrong=wrong: visitor.estimate("hand.jpg", photo, **{name: wrong}))


def own_tracebacks(page: RunningPage) -> int:
    """Tracebacks in the page's log that go through its own code: Gradio logs its refusals as tracebacks, too."""
    traces = page.log.read_text(errors="replace").split("Traceback (most recent call last)")[1:]
    return sum(f"{page.root / part}{os.sep}" in trace for trace in traces for part in ("page", "handpose"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, help="only so many files, evenly chosen")
    parser.add_argument("--patience", type=float, default=10, help="seconds for an answer")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    from odd_uploads import odd_uploads
    files = list(odd_uploads())
    files = files[::max(1, len(files) // args.limit)] if args.limit else files
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder, RunningPage(Path(folder)) as page:
        visitor = Visitor(page.address, timeout=max(60, 2 * args.patience))
        first = [visitor.estimate("hand.jpg", PHOTO.read_bytes()) for _ in range(5)][0]
        before, most = page.memory(), 0
        attacks = attack_with_files(visitor, files, args.patience), attack_with_calls(visitor, args.patience)
        for outcome in chain(*attacks):
            outcomes.append(outcome)
            if not outcome.good:
                print(f"{outcome.kind:8} {outcome.seconds:5.1f} s  {outcome.what}: {outcome.said}", flush=True)
            if not page.alive:
                break
            most = max(most, page.memory())
        alive = page.alive
        same = alive and visitor.estimate("hand.jpg", PHOTO.read_bytes()) == first
        time.sleep(2 if alive else 0)
        kept = page.memory() - before if alive else 0
        own_errors = own_tracebacks(page)
    print(f"{len(outcomes)} requests: {dict(Counter(outcome.kind for outcome in outcomes))}; "
          f"slowest {max(outcome.seconds for outcome in outcomes):.1f} s")
    print(f"alive: {alive}; same answer as before: {same}; own errors in the log: {own_errors}; memory before "
          f"{before / 1e6:.0f} MB, most seen {most / 1e6:.0f} MB, kept {kept / 1e6:+.0f} MB")
    return not (alive and same and own_errors == 0 and kept < MEMORY_KEPT and all(outcome.good for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
