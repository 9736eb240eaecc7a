"""Attacks on a running page: `python -m benchmarks.hostile [--quick] [--only KIND ...]` (Linux, with strace)

Some 2,000 uploads, calls and connections, one after another, of every kind in `attacks.py` and `raw_attacks.py`. Each
must be answered in time, with hands, a sentence or a refusal; a photo may take 5 s of computing and 1 GB over the page
at rest. Afterwards the page must be alive, give the same answer as at first and have its memory back; its log must hold
no traceback, and nothing may have been opened, connected to or run that lies outside. Exit code 1 if it was not so.
"""
from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path

import httpx

from page.server.faults import NOT_UNDERSTOOD

from . import attacks
from .attacks import PHOTO, Attack
from .raw_attacks import raw_requests, standing_connections
from .running_page import RunningPage, Visitor
from .watched_page import PeakMemory, WatchedPage

PHOTO_S, PHOTO_MEMORY = 5.0, 1_000_000_000  # seconds of computing, bytes over the page at rest
MEMORY_KEPT = 100_000_000  # bytes by which the page may be larger afterwards
IDLE_S = 70  # after which it must be so: answers that nobody fetches are kept for a minute
MOST_KEPT = 4_000_000_000  # bytes of files, the page's quota
PATIENCE_S = {"odd clip": 60.0, "costly clip": 60.0, "standing": 60.0, "crowd": 600.0}  # seconds for an answer
USUAL_PATIENCE_S = 20.0
LEAKS = ("Traceback", 'File "', "Error:", "Exception", "site-packages", "errno", "NoneType")  # of Python's to a visitor
CANARY = secrets.token_hex(16)  # in the private file
QUICK = 12  # as many times fewer attacks


@dataclass(frozen=True)
class Outcome:
    attack: Attack
    kind: str  # "hands", "sentence", "refused", or what went wrong: "leak", "slow", "silent", "broken", "let in"
    seconds: float
    said: str
    computed: float = 0.0  # seconds
    memory: int = 0  # bytes, the most over the page at rest

    @property
    def good(self) -> bool:
        photo = "photo" not in self.attack.kind or (self.computed <= PHOTO_S and self.memory <= PHOTO_MEMORY)
        return self.kind in ("hands", "sentence", "refused") and photo


def judge(attack: Attack, patience: float | None = None) -> Outcome:
    """What came of an attack."""
    start = time.monotonic()
    try:
        event, answer = attack.ask()
    except httpx.HTTPStatusError as error:
        event, answer = "http", f"{error.response.status_code} {error.response.text}"
    except httpx.TimeoutException as error:
        event, answer = "slow", repr(error)
    except (httpx.LocalProtocolError, httpx.InvalidURL) as error:  # it could not even be sent
        event, answer = "http", f"400 {error}"
    except (httpx.HTTPError, OSError) as error:
        event, answer = "broken", repr(error)
    seconds, said = time.monotonic() - start, str(answer)
    if event == "complete":
        kind = "hands"
    elif event == "http":
        kind = "refused" if said.startswith(("4", "503", "507")) else "broken"
        if NOT_UNDERSTOOD in said:  # which Gradio sends with status 500, as all that an event raises
            kind = "sentence"
    elif event == "error":
        said = answer.get("error") if isinstance(answer, dict) else answer
        kind = "sentence" if said else "refused" if attack.forged else "silent"
    else:
        kind = event
    own = str(said).replace(attack.what, "")  # a file may be called like an error, and sentences name files
    if CANARY in str(answer) or (kind != "hands" and any(leak in own for leak in LEAKS)):
        kind = "leak"
    if seconds > (patience or PATIENCE_S.get(attack.kind, USUAL_PATIENCE_S)):
        kind = "slow"
    return Outcome(attack, kind, seconds, str(said)[:200])


def all_attacks(visitor: Visitor, private: Path, upload_folder: Path) -> Iterator[Attack]:
    config = visitor.config()
    return chain(attacks.photos(visitor), attacks.costly_photos(visitor), attacks.clips(visitor, private),
                 attacks.names(visitor), attacks.calls(visitor), attacks.files(visitor, private, upload_folder),
                 attacks.live_frames(visitor, config), attacks.server_functions(visitor, config),
                 attacks.events(visitor, config, private), attacks.asked(visitor, config),
                 attacks.bodies(visitor, config),
                 attacks.sessions(visitor, config), raw_requests(visitor), standing_connections(visitor),
                 attacks.crowds(visitor, config))


def some(all_of_them: Iterable[Attack], every: int) -> Iterator[Attack]:
    """Every so many-th attack of each kind."""
    for _, kind in groupby(all_of_them, key=lambda attack: attack.kind):
        for number, attack in enumerate(kind):
            if number % every == 0:
                yield attack


def measured(page: WatchedPage, listed: Iterable[Attack], rest: int) -> Iterator[Outcome]:
    """What came of each, and what it took; ends when the page does."""
    with PeakMemory(page) as peak:
        for attack in listed:
            before = page.computed()
            peak.take()
            outcome = judge(attack)
            if not page.alive:
                yield outcome
                return
            yield Outcome(attack, outcome.kind, outcome.seconds, outcome.said, page.computed() - before,
                          peak.take() - rest)


def table(outcomes: list[Outcome]) -> str:
    lines = [f"{'attack':18}{'count':>7}{'hands':>7}{'said':>7}{'refused':>9}{'slowest s':>11}{'computed s':>12}"
             f"{'MB over rest':>14}{'bad':>6}"]
    for kind in dict.fromkeys(outcome.attack.kind for outcome in outcomes):
        of_kind = [outcome for outcome in outcomes if outcome.attack.kind == kind]
        hands, said, refused = (sum(one.kind == word for one in of_kind) for word in ("hands", "sentence", "refused"))
        lines.append(f"{kind:18}{len(of_kind):7}{hands:7}{said:7}{refused:9}{max(one.seconds for one in of_kind):11.1f}"
                     f"{max(one.computed for one in of_kind):12.1f}{max(one.memory for one in of_kind) / 1e6:14.0f}"
                     f"{sum(not one.good for one in of_kind):6}")
    return "\n".join(lines)


def tracebacks(page: RunningPage) -> int:
    return page.log.read_text(errors="replace").count("Traceback (most recent call last)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"only one attack of {QUICK}")
    parser.add_argument("--only", nargs="+", metavar="KIND", help="only these kinds of the table")
    args = parser.parse_args()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder, WatchedPage(Path(folder, "page")) as page:
        private = Path(folder, "private.png")
        private.write_bytes(PHOTO.read_bytes() + CANARY.encode())
        visitor = Visitor(page.address, timeout=120)
        attacks.warm_up(visitor, visitor.config())
        first = visitor.estimate("hand.jpg", PHOTO.read_bytes())
        upload_folder = next(page.files.glob("handpose-page-*")).resolve()
        rest, begun = page.memory(), page.trace.stat().st_size
        listed = some(all_attacks(visitor, private, upload_folder), QUICK if args.quick else 1)
        if args.only:
            listed = (attack for attack in listed if attack.kind in args.only)
        for outcome in measured(page, listed, rest):
            outcomes.append(outcome)
            if not outcome.good:
                print(f"{outcome.kind:8} {outcome.seconds:5.1f} s, computed {outcome.computed:.1f} s, "
                      f"{outcome.memory / 1e6:.0f} MB: {outcome.attack.kind} {outcome.attack.what[:150]!r}: "
                      f"{outcome.said}", flush=True)
        alive = page.alive
        same = alive and visitor.estimate("hand.jpg", PHOTO.read_bytes()) == first
        time.sleep(IDLE_S if alive else 0)
        kept = page.memory() - rest if alive else 0
        left = sum(path.stat().st_size for path in page.files.rglob("*") if path.is_file())
        traces, outside = tracebacks(page), page.outside(page.seen(begun))
        log = page.log.read_text(errors="replace")
    if traces:
        print(log[log.index("Traceback (most recent call last)"):][:5000])
    for line in outside[:20]:
        print("opened outside:", line)
    print(table(outcomes))
    bad = sum(not outcome.good for outcome in outcomes)
    verdicts = {
        f"{len(outcomes)} uploads, calls and connections": args.quick or bool(args.only) or len(outcomes) >= 1000,
        f"{bad} not answered as they must be": not bad, "alive, with the same answer as before": same,
        f"{traces} tracebacks in the log": not traces, f"{len(outside)} opened outside": not outside,
        f"memory at rest {rest / 1e6:.0f} MB, kept {kept / 1e6:+.0f} MB": kept <= MEMORY_KEPT,
        f"{left / 1e6:.0f} MB of files left": left <= MOST_KEPT}
    for verdict, good in verdicts.items():
        print("good" if good else "BAD ", verdict)
    return not all(verdicts.values())


if __name__ == "__main__":
    sys.exit(main())
