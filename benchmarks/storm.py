"""Honest visitors of all kinds beside one who floods: `python -m benchmarks.storm [--seconds 60] [--pause 3]` (Linux)

Ten visitors with photos, three in the live view and two with clips, each from an address of its own, ask again as soon
as they have looked at an answer: for half to one and a half times `--pause` seconds at a photo or clip, not at all at a
live picture. Each knows the right answer from the library itself, and how long it takes when nobody else is there. The
load comes once alone and once beside a flooder, who sends from one address all that it can: photos that are slow to
decode, clips, live pictures under many names, calls whose answers it does not fetch, bodies and connections. What asks
runs on the same machine, the flooder at a lower priority, for in life it computes elsewhere. Exit code 1 if an answer
was wrong or missing, or took longer than ten times the lone one.
"""
from __future__ import annotations

import argparse
import io
import os
import random
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from handpose import HandEstimator, load_photo
from handpose.clips.reading import read_clip
from handpose.clips.track_clip import track_clip
from handpose.tracker import HandTracker
from page.tabs.video import LARGEST
from train.make_clip import make_clip

from .attacks import COSTLY, FRAME, OPTIONS, PHOTO, PHOTO_OPTIONS, live_view
from .running_page import JSON, ROOT, RunningPage, Visitor
from .visitors import SAME, photo

PHOTOS, LIVES, CLIPS = 10, 3, 2
LONE = 5  # answers of each visitor alone, the first of which does not count
SLOWER = 10  # times the lone time
CLIP_FRAMES = 30
FLOODER = "127.0.0.2"


class Honest(threading.Thread):
    """One visitor. `answers` are what became of its requests, `seconds` how long each took, but for busy ones."""

    kind = ""
    pause = 0.0

    def __init__(self, number: int, address: str):
        super().__init__(daemon=True)
        self.visitor = Visitor(address, own=f"127.0.{1 + len(self.kind)}.{number + 1}")
        self.answers: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.until = 0.0
        self.looks = random.Random(f"{self.kind} {number}")

    def ask(self) -> str:
        """"right", "busy" or what else came."""
        raise NotImplementedError

    def once(self) -> None:
        start = time.monotonic()
        try:
            said = self.ask()
        except httpx.HTTPError as error:
            said = f"missing ({error!r})"[:100]
        self.answers[said] += 1
        if said != "busy":
            self.seconds.append(time.monotonic() - start)

    def run(self) -> None:
        time.sleep(self.looks.uniform(0, self.pause))  # people do not ask in step
        while time.monotonic() < self.until:
            self.once()
            time.sleep(self.looks.uniform(0.5, 1.5) * self.pause)


class PhotoVisitor(Honest):
    kind = "photo"

    def __init__(self, number: int, address: str, estimator: HandEstimator, pause: float):
        super().__init__(number, address)
        self.pause, self.name, self.data = pause, f"visitor{number:02d}.jpg", photo(number)
        self.right = estimator(load_photo(self.data, self.name)).to_dict(self.name)

    def ask(self) -> str:
        event, answer = self.visitor.estimate(self.name, self.data, min_score=.3)
        if event != "complete":
            return f"missing ({answer})"[:100]
        ours, theirs = ([hand["joints_2d"] for hand in one["hands"]] for one in (answer, self.right))
        right = (all(answer[key] == self.right[key] for key in ("image", "width", "height"))
                 and len(ours) == len(theirs) and np.allclose(ours, theirs, rtol=0, atol=SAME))
        return "right" if right else "wrong"


class LiveVisitor(Honest):
    """Sends the same picture again and again, in which a hand is where it is from the first answer on."""

    kind = "live"

    def __init__(self, number: int, address: str, estimator: HandEstimator, component: int):
        super().__init__(number, address)
        self.component, self.name = component, secrets.token_hex(8)
        jpeg = cv2.imencode(".jpg", cv2.resize(cv2.imread(str(PHOTO)), (480 + 16 * number, 480)))[1].tobytes()
        self.frame = FRAME + b64encode(jpeg).decode()
        rgb, tracker = load_photo(jpeg, "frame.jpg").rgb, HandTracker(estimator)
        self.right = [[one.hand.side for one in tracker(rgb, .1 * number)] for number in range(10)]

    def ask(self) -> str:
        event, answer = self.visitor.follow(self.component, {"visitor": self.name, "frame": self.frame})
        if event != "complete" or "problem" in answer:
            return f"missing ({answer})"[:100]
        if "busy" in answer:
            time.sleep(.3)  # as the page's script does
            return "busy"
        sides = [side.lower() for side in re.findall("<b>(Left|Right)</b>", answer["tags"])]
        return "right" if sides in self.right and answer["layers"] else f"wrong ({answer['tags']})"[:200]


class ClipVisitor(Honest):
    kind = "clip"

    def __init__(self, number: int, address: str, estimator: HandEstimator, pause: float, folder: Path):
        super().__init__(number, address)
        self.pause, path = pause, folder / f"clip{number}.mp4"
        make_clip(path, frames=CLIP_FRAMES, width=320, height=240, seed=3 + number)
        self.name, self.data = path.name, path.read_bytes()
        arrays = track_clip(read_clip(path, largest=LARGEST), HandTracker(estimator)).arrays()
        self.right = arrays["joints_3d"]  # metres

    def ask(self) -> str:
        event, answer = self.visitor.call("video", self.visitor.upload(self.name, self.data), "Mesh")
        if event != "complete":
            return f"missing ({answer})"[:100]
        path = _path_of(answer, ".npz")
        if path is None:
            return f"missing ({answer})"[:200]
        with np.load(io.BytesIO(self.visitor.http.get(f"/file={path}").raise_for_status().content)) as arrays:
            joints = arrays["joints_3d"]
        same = joints.shape == self.right.shape and np.allclose(joints, self.right, rtol=0, atol=.001, equal_nan=True)
        return "right" if same else "wrong"


def _path_of(answer: Any, ending: str) -> str | None:
    """The first path with this ending in an answer."""
    if isinstance(answer, dict):
        path = answer.get("path")
        if isinstance(path, str) and path.endswith(ending):
            return path
        answer = list(answer.values())
    return next(filter(None, (_path_of(one, ending) for one in answer)), None) if isinstance(answer, list) else None


# ---- the flooder

def flood(address: str) -> None:
    """Sends all that it can, for ever."""
    visitor = Visitor(address, own=FLOODER)
    config = visitor.config()
    live, event = live_view(config), next(one["id"] for one in config["dependencies"] if one["api_name"] == "photo")
    data, slow = PHOTO.read_bytes(), COSTLY["scans.jpg"]()
    frame = FRAME + b64encode(data).decode()
    with tempfile.TemporaryDirectory() as folder:
        make_clip(Path(folder, "long.mp4"), frames=300, width=320, height=240)
        clip = Path(folder, "long.mp4").read_bytes()
    file = visitor.upload("hand.jpg", data)
    open_for_ever: list[socket.socket] = []

    def connect(_: Visitor) -> None:
        host, port = address.removeprefix("http://").split(":")
        if len(open_for_ever) < 200:
            open_for_ever.append(socket.create_connection((host, int(port)), source_address=(FLOODER, 0)))
            open_for_ever[-1].sendall(f"GET /gradio_api/heartbeat/{secrets.token_hex(4)} HTTP/1.1\r\n"
                                      f"Host: {host}:{port}\r\n\r\n".encode())
        time.sleep(.05)

    def call(one: Visitor) -> None:
        said = one.http.post("/queue/join", json={"data": [*PHOTO_OPTIONS, {"file": file}],
                                                  "fn_index": event, "session_hash": secrets.token_hex(6)})
        time.sleep(.05 if said.is_error else 0)

    works: list[tuple[int, Callable[[Visitor], Any]]] = [
        (4, lambda one: one.upload(f"{secrets.token_hex(3)}.jpg", secrets.token_bytes(100))),
        (2, lambda one: one.upload(f"{secrets.token_hex(3)}.mp4", secrets.token_bytes(5_000_000))),
        (4, lambda one: one.estimate("scans.jpg", slow)), (4, lambda one: one.call("estimate", file, *OPTIONS)),
        (2, lambda one: one.call("files", file, "zip", *OPTIONS)),
        (3, lambda one: one.call("video", one.upload("long.mp4", clip), "Both")),
        (6, lambda one: one.follow(live, {"visitor": secrets.token_hex(8), "frame": frame})), (2, call), (1, connect),
        (2, lambda one: one.http.post("/queue/join", content=b'{"data": [' + b"{}," * 30_000, headers=JSON)),
        (2, lambda one: one.http.get(f"{address}/config")), (1, lambda one: one.http.get("/info"))]

    def for_ever(work: Callable[[Visitor], Any]) -> None:
        one = Visitor(address, own=FLOODER)
        while True:
            with suppress(httpx.HTTPError, OSError):
                work(one)

    threads = [threading.Thread(target=for_ever, args=[work], daemon=True)
               for times, work in works for _ in range(times)]
    for thread in threads:
        thread.start()
    threads[0].join()


# ---- the measurement

def load(guests: list[Honest], seconds: float) -> None:
    """All of them at once, for so long."""
    threads = []
    for guest in guests:
        guest.until, guest.answers, guest.seconds = time.monotonic() + seconds, Counter(), []
        threads.append(threading.Thread(target=guest.run, daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()


def report(what: str, guests: list[Honest], lone: dict[str, float]) -> bool:
    """Prints a line for each kind; whether all was as it must be."""
    good = True
    for kind, alone in lone.items():
        of_kind = [guest for guest in guests if guest.kind == kind]
        answers = sum((guest.answers for guest in of_kind), Counter())
        times = np.array(sum((guest.seconds for guest in of_kind), [])) / alone
        median, late, most = (np.median(times), np.percentile(times, 95), times.max()) if len(times) else [np.inf] * 3
        print(f"{what:18} {kind:6} {len(times):5} answers, in {median:5.1f} | {late:5.1f} | {most:5.1f} times the lone "
              f"{alone:.2f} s (median | 95 % | longest); {dict(answers)}", flush=True)
        good &= set(answers) <= {"right", "busy"} and most <= SLOWER
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=3, help="mean seconds for which a visitor looks at a result")
    parser.add_argument("--flood", metavar="ADDRESS", help=argparse.SUPPRESS)  # this process is the flooder
    args = parser.parse_args()
    if args.flood:
        os.nice(10)
        flood(args.flood)
    estimator = HandEstimator.load()
    with tempfile.TemporaryDirectory() as folder, RunningPage(Path(folder)) as page:
        component = live_view(Visitor(page.address).config())
        guests = [PhotoVisitor(number, page.address, estimator, args.pause) for number in range(PHOTOS)]
        guests += [LiveVisitor(number, page.address, estimator, component) for number in range(LIVES)]
        guests += [ClipVisitor(number, page.address, estimator, args.pause, Path(folder)) for number in range(CLIPS)]
        lone = {}
        for guest in guests:
            for _ in range(LONE):
                guest.once()
            lone.setdefault(guest.kind, []).extend(guest.seconds[1:])
        lone = {kind: float(np.median(seconds)) for kind, seconds in lone.items()}
        print(f"alone: {dict(sum((guest.answers for guest in guests), Counter()))}", flush=True)
        load(guests, args.seconds)
        good = report("together", guests, lone)
        flooder = subprocess.Popen([sys.executable, "-m", "benchmarks.storm", "--flood", page.address], cwd=ROOT)
        try:
            time.sleep(15)  # until it is at work
            load(guests, args.seconds)
        finally:
            flooder.kill()
            flooder.wait()
        good &= report("beside a flooder", guests, lone)
        print(f"alive: {page.alive}; tracebacks in the log: {page.log.read_text().count('Traceback')}")
        return not (good and page.alive)


if __name__ == "__main__":
    sys.exit(main())
