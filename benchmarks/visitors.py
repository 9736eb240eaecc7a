"""Many visitors at once on few cores: `python -m benchmarks.visitors [--visitors 20] [--seconds 60] [--cores 2]`

Every visitor has a photo of a size of its own, asks again as soon as it is answered, and knows the right answer from
having asked alone before. Reported are the answers (missing, wrong, another visitor's), how long they took, the page's
memory over time, and what of the photos lies on the disk after the page was killed and started again. Exit code 1 if an
answer was missing or wrong, or a photo left. What asks runs on the same machine.
"""
from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from threading import Thread

import httpx
import numpy as np
from PIL import Image

from .running_page import ROOT, RunningPage, Visitor

EXAMPLES = sorted((ROOT / "assets" / "examples").glob("*.jpg"))
SAME = 1.0  # pixels by which a joint may differ between two answers


def photo(number: int) -> bytes:
    """The visitor's photo: one to three of the examples before grey, in a size that no other visitor's has."""
    hands = 1 + number % 3
    picture = Image.new("RGB", (320 * hands + 8 * number, 400 + 2 * number), (120, 125, 130))
    for place in range(hands):
        example = Image.open(EXAMPLES[(number + place) % len(EXAMPLES)]).convert("RGB")
        scale = min(300 / example.width, 380 / example.height)
        size = round(example.width * scale), round(example.height * scale)
        picture.paste(example.resize(size, Image.Resampling.LANCZOS), (320 * place + 8, 8))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class Guest(Thread):
    """One visitor. `counts` are its answers by kind, `seconds` how long each took."""

    def __init__(self, number: int, address: str):
        super().__init__(name=f"visitor {number}", daemon=True)
        self.file, self.data = f"visitor{number:02d}.jpg", photo(number)
        self.visitor = Visitor(address)
        self.counts: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.until = 0.0
        event, self.right = self.visitor.estimate(self.file, self.data)
        if event != "complete":
            raise RuntimeError(f"{self.file} alone was not answered: {self.right}")

    def run(self) -> None:
        while time.monotonic() < self.until:
            start = time.monotonic()
            try:
                event, answer = self.visitor.estimate(self.file, self.data)
            except httpx.HTTPError as error:
                event, answer = "none", repr(error)
            self.seconds.append(time.monotonic() - start)
            self.counts[self.judge(event, answer)] += 1

    def judge(self, event: str, answer) -> str:
        if event != "complete":
            return f"missing ({answer})"
        if any(answer[key] != self.right[key] for key in ("image", "width", "height")):
            return "another's"
        ours, theirs = ([hand["joints_2d"] for hand in one["hands"]] for one in (answer, self.right))
        same = len(ours) == len(theirs) and np.allclose(ours, theirs, rtol=0, atol=SAME)
        return "right" if same else "wrong"


def load(page: RunningPage, visitors: int, seconds: float) -> tuple[list[Guest], list[int]]:
    """The visitors after their time, and the page's memory at 20 moments of it, bytes."""
    guests = [Guest(number, page.address) for number in range(visitors)]
    end = time.monotonic() + seconds
    for guest in guests:
        guest.until = end
        guest.start()
    memory = []
    for _ in range(20):
        time.sleep(seconds / 20)
        memory.append(page.memory())
    for guest in guests:
        guest.join()
    return guests, memory


def photos_in(folder: Path) -> int:
    """How many files in a folder, temporary ones included, hold a visitor's photo."""
    known = {photo(number) for number in range(64)}
    return sum(path.is_file() and path.read_bytes() in known for path in folder.rglob("*"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--cores", type=int, default=2, help="that the page may use (Linux)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = RunningPage(Path(folder))
        if hasattr(os, "sched_setaffinity"):
            page.cores = sorted(os.sched_getaffinity(0))[:args.cores]
        with page:
            guests, memory = load(page, args.visitors, args.seconds)
            on_disk = photos_in(page.files)
            page.kill()
        killed = photos_in(page.files)
        with page:
            restarted = photos_in(page.files)
            guests[0].visitor = Visitor(page.address)
            guests[0].visitor.upload(guests[0].file, guests[0].data)
        ended = photos_in(page.files)
    counts = sum((guest.counts for guest in guests), Counter())
    seconds = np.array(sum((guest.seconds for guest in guests), []))
    print(f"{len(seconds)} requests of {args.visitors} visitors in {args.seconds:.0f} s: {dict(counts)}")
    print(f"hands in their photos: {[len(guest.right['hands']) for guest in guests]}")
    print(f"seconds to the answer: p50 {np.median(seconds):.2f}, p95 {np.percentile(seconds, 95):.2f}, "
          f"longest {seconds.max():.2f}; fewest answers to one visitor: {min(len(guest.seconds) for guest in guests)}")
    print(f"memory over time, MB: {[round(size / 1e6) for size in memory]}")
    print(f"photos on disk: {on_disk} while running, {killed} after a kill, {restarted} after the restart, "
          f"{ended} after an orderly end")
    return set(counts) != {"right"} or restarted + ended > 0


if __name__ == "__main__":
    sys.exit(main())
