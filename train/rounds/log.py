"""How long each stage took, on what machine, in how many sittings: a line of JSON for each start, minute and end.

A stage that was killed in between has taken as long as its last line says, to the minute.
"""
from __future__ import annotations

import json
import os
import platform
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

NOTED_EVERY = 60.0  # s
DONE = "done"


@contextmanager
def sitting(log: Path, stage: str) -> Iterator[None]:
    """Notes in the log when a stage, named by its folder, is begun, that it is still at work, and how it ends."""
    began, start, over = datetime.now(timezone.utc).isoformat(), time.monotonic(), threading.Event()

    def note(state: str) -> None:
        entry = {"stage": stage, "began": began, "seconds": round(time.monotonic() - start, 1), "state": state,
                 "cores": os.cpu_count(), "processor": processor(), "gpus": gpus()}
        with open(log, "a") as file:
            file.write(json.dumps(entry) + "\n")

    def keep_noting() -> None:
        while not over.wait(NOTED_EVERY):
            note("at work")

    note("begun")
    thread = threading.Thread(target=keep_noting, daemon=True)
    thread.start()
    state = "stopped"
    try:
        yield
        state = DONE
    finally:
        over.set()
        thread.join()
        note(state)


def sittings(log: Path, stages: Iterable[str]) -> list[dict]:
    """The last line of each sitting of these stages, the stages in their order."""
    last: dict[str, dict[str, dict]] = {stage: {} for stage in stages}
    for line in log.read_text().splitlines() if log.is_file() else ():
        entry = json.loads(line) if line.endswith("}") else {}  # a power failure may have cut one
        if entry.get("stage") in last:
            last[entry["stage"]][entry["began"]] = entry
    return [entry for of_stage in last.values() for entry in of_stage.values()]


def table(entries: list[dict]) -> str:
    """Hours, sittings and machines of each stage, and in all: Markdown that reads well on a terminal, too."""
    stages = dict.fromkeys(entry["stage"] for entry in entries)
    rows = [("stage", "hours", "sittings", "machine")]
    for stage in stages:
        mine = [entry for entry in entries if entry["stage"] == stage]
        machines = dict.fromkeys(", ".join([f"{entry['cores']} cores", entry["processor"], *entry["gpus"]])
                                 for entry in mine)
        name = stage.rpartition("-")[0] + ("" if any(entry["state"] == DONE for entry in mine) else " (unfinished)")
        rows.append((name, _hours(mine), str(len(mine)), "; ".join(machines)))
    rows.append(("in all", _hours(entries), str(len(entries)), ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *body = (f"| {a.ljust(widths[0])} | {b.rjust(widths[1])} | {c.rjust(widths[2])} | {d.ljust(widths[3])} |"
                   for a, b, c, d in rows)
    rule = f"|{'-' * (widths[0] + 2)}|{'-' * (widths[1] + 1)}:|{'-' * (widths[2] + 1)}:|{'-' * (widths[3] + 2)}|"
    return "\n".join([head, rule, *body])


def _hours(entries: list[dict]) -> str:
    return f"{sum(entry['seconds'] for entry in entries) / 3600:.2f}"


def gpus() -> list[str]:
    """Their names, where PyTorch is in use and sees some."""
    cuda = sys.modules["torch"].cuda if "torch" in sys.modules else None
    return [cuda.get_device_name(number) for number in range(cuda.device_count())] if cuda else []


def processor() -> str:
    """The CPU's name, such as AMD EPYC 9B45."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # macOS, ARM
        return platform.processor() or platform.machine()
