"""The tab "Live": a webcam's frames, followed one at a time.

The browser sends a frame, draws what comes back over that very frame, and only then sends the next: frames are dropped
rather than queued, whatever the machine's speed. Frames come as the camera sees, so left is left; the mirror that
visitors look into is made by the browser.
"""
from __future__ import annotations

import struct
import threading
import time
from base64 import b64decode
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np

from handpose import HandEstimator
from handpose.gesture import gesture
from handpose.hand import TrackedHand
from handpose.tracker import HandTracker

from ..content import moving
from ..content import overlay_layers as stage
from ..content.text import distance
from ..server.cores import CORES, LIVE, asker
from ..server.turns import Turns

LARGEST_FRAME = 960  # pixels; the page sends 640
LARGEST_MESSAGE = 2_000_000  # characters
MOST_VISITORS = 24  # whose hands are followed; of the address with the most, the one that was quiet longest makes room
AT_ONCE = 2  # frames
MOST_WAITING = 16  # frames, each in a thread of those that answer everything
PATIENCE_S = 2.0  # a frame that has waited so long is dropped
JPEG_START, BASELINE, START_OF_SCAN = b"\xff\xd8", 0xFFC0, b"\xff\xda"
MOST_SEGMENTS = 32  # of a JPEG before its size; browsers write three
NOT_WHOLE = "The camera's picture did not arrive whole: reload the page."

VIEW = f"""<div class="bar" role="group" aria-label="Live view"><div class="when-running">
<button type="button" class="quiet" data-live="stop">Stop</button>
<div class="choice">
<label><input type="radio" name="live-show" value="mesh" checked><span>Mesh</span></label>
<label><input type="radio" name="live-show" value="skeleton"><span>Skeleton</span></label>
<label><input type="radio" name="live-show" value="both"><span>Both</span></label></div>
<label class="toggle"><input type="checkbox" name="mirror" checked><span>Mirror</span></label>
<label class="toggle"><input type="checkbox" name="solid" checked><span>3D</span></label>
<button type="button" class="quiet" data-live="snapshot">Snapshot</button>
<button type="button" class="quiet" data-live="record">Record</button>
<button type="button" class="quiet" data-live="turn" hidden>Other camera</button></div>
<span class="hint" data-live="words" role="status"></span></div>
<div class="live-views"><div class="stage"><div class="frame live mirrored">
<canvas role="img" aria-label="Your camera, with the hands that were found"></canvas>
<div class="drawn"></div><div class="tags"></div>
<div class="before"><button type="button" class="primary" data-live="start">Start the camera</button>
<p>Each picture is used once and forgotten. Snapshots and recordings stay in your browser.</p></div></div></div>
<div class="room"><div class="stage" aria-label="The hands in 3D"></div>
<div class="choice" role="group" aria-label="The 3D view">
{moving.VIEWS}</div></div></div>"""


class Followers:
    """One tracker a visitor."""

    def __init__(self, estimator: HandEstimator):
        self.estimator = estimator
        self._trackers: OrderedDict[tuple[str, str], HandTracker] = OrderedDict()
        self._guard, self._turns = threading.Lock(), Turns(AT_ONCE, MOST_WAITING, PATIENCE_S)

    def __call__(self, message: Any, address: str = "") -> dict:
        """Answers {"visitor", "frame" (JPEG as a data: address)} with {"layers", "tags"}, both HTML, or {"problem"}.

        Where the message's "solid" is "hands", {"solid"} is what page/browser/moving.js shows in 3D; where it is
        "surface", what all hands have in common is with it.

        {"busy"} where the frame's turn did not come. `address` is the visitor's.
        """
        try:
            visitor, jpeg = _read(message)
            with self._turns.turn(address, visitor) as got:  # of a visitor no two at once, as the tracker needs it
                return (self._answer(self._tracker(address, visitor), _decode(jpeg), message.get("solid")) if got
                        else {"busy": True})
        except ValueError as error:
            return {"problem": str(error)}

    def _answer(self, tracker: HandTracker, rgb: np.ndarray, solid: Any = None) -> dict:
        with CORES.work(LIVE):
            height, width = rgb.shape[:2]
            tracked, camera = tracker(rgb, time.monotonic()), tracker.camera
            hands = [one.hand for one in tracked]
            answer = {"layers": stage.layers(hands, camera, width, height),
                      "tags": "".join(_tag(one, width, height) for one in tracked), "hands": len(hands)}
            if solid in ("hands", "surface"):
                answer["solid"] = {"picture": moving.picture_of(camera, width, height),
                                   "hands": list(map(moving.posed_hand, hands))}
                if solid == "surface":
                    answer["solid"]["surface"] = moving.surface(self.estimator.hand_models["right"])
            return answer

    def _tracker(self, address: str, visitor: str) -> HandTracker:
        with self._guard:
            tracker = self._trackers.pop((address, visitor), None) or HandTracker(self.estimator)
            self._trackers[address, visitor] = tracker
            if len(self._trackers) > MOST_VISITORS:
                crowded, _ = Counter(one for one, _ in self._trackers).most_common(1)[0]
                del self._trackers[next(key for key in self._trackers if key[0] == crowded)]
            return tracker


def _read(message: Any) -> tuple[str, bytes]:
    """Visitor and JPEG of what a browser sent; no pixel is decoded. Raises ValueError."""
    visitor, frame = (message.get(key) if isinstance(message, dict) else None for key in ("visitor", "frame"))
    if not (isinstance(visitor, str) and 8 <= len(visitor) <= 64 and isinstance(frame, str)
            and frame.startswith("data:image/jpeg;base64,") and len(frame) <= LARGEST_MESSAGE):
        raise ValueError(NOT_WHOLE)
    try:
        return visitor, b64decode(frame.split(",", 1)[1], validate=True)
    except ValueError as error:  # no base64, or letters that are not ASCII
        raise ValueError(NOT_WHOLE) from error


def _decode(jpeg: bytes) -> np.ndarray:
    """The frame, (H, W, 3) uint8. Raises ValueError."""
    width, height = _jpeg_size(jpeg)
    if not 32 <= min(width, height) <= max(width, height) <= LARGEST_FRAME:
        raise ValueError(f"The camera's pictures must be between 32 and {LARGEST_FRAME} pixels a side.")
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if bgr is None:
        raise ValueError(NOT_WHOLE)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height that a JPEG's header tells, before anything is decoded. Raises ValueError.

    Only JPEGs as browsers' canvases write them are taken: baseline, in one scan. A small file may hold thousands of
    scans, each of which goes over the whole picture.
    """
    at = len(JPEG_START)
    try:
        for _ in range(MOST_SEGMENTS):
            marker, length = struct.unpack_from(">HH", data, at)
            if marker == BASELINE and data.startswith(JPEG_START) and data.count(START_OF_SCAN) == 1:
                height, width = struct.unpack_from(">HH", data, at + 5)
                return width, height
            if not 0xFF00 < marker < 0xFFFF:
                break
            at += 2 + length
    except struct.error:  # the file ends before
        pass
    raise ValueError(NOT_WHOLE)


def _tag(one: TrackedHand, width: int, height: int) -> str:
    """What a hand is, in words beside its wrist; placed by CSS from the left or, in the mirror, from the right."""
    hand = one.hand
    u, v = hand.joints_2d[0]
    name = gesture(hand) if hand.certainty == "sure" else hand.certainty
    return (f'<span style="--u: {100 * np.clip(u / width, 0.06, 0.94):.2f}%; '
            f'--v: {100 * np.clip(v / height, 0.04, 0.96):.2f}%"><b>{hand.side.capitalize()}</b> '
            f'{name or ""} <i>{distance(hand.distance)}</i></span>')


def live_tab(estimator: HandEstimator, scripts: Path) -> None:
    """Builds the tab inside the current Blocks."""
    followers = Followers(estimator)

    def follow(message: Any) -> dict:
        return followers(message, asker.get())

    gr.HTML(VIEW, js_on_load=(scripts / "live.js").read_text(), server_functions=[follow], elem_id="live",
            apply_default_css=False)
