"""The tab "Video": a clip in; the clip with its hands drawn over it, the hands in 3D beside it, and arrays out."""
from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import gradio as gr
import numpy as np

from handpose import Camera, Hand, HandEstimator
from handpose.clips.reading import ClipError, read_clip
from handpose.clips.track_clip import Cancelled, write_overlay
from handpose.drawing.overlay import draw_overlay
from handpose.export import write_contents, zip_bytes
from handpose.file_names import safe_stem
from handpose.hand import TrackedHand
from handpose.rig.files import GLB_ENDING, bvh_contents
from handpose.rig.motion import HandMotion, motions_of_clip
from handpose.rig.rigged_glb import rigged_glb
from handpose.tracker import HandTracker

from ..content import text as words
from ..content.moving import VIEWS, playback
from ..server.cores import CLIP, CORES
from ..server.uploads import LARGEST_CLIP, UploadError, in_use, open_upload

LONGEST_S, MOST_FRAMES = 60, 3600
# Of events whose work is a clip: three at once, of which one address has two at most.
CLIP_WORK = {"concurrency_id": "clip", "concurrency_limit": 3}
LARGEST = 1280  # pixels of the longer side; larger clips are made smaller first
MESH, SKELETON, BOTH = "Mesh", "Skeleton", "Both"
LIMITS = (f"Up to {LONGEST_S} seconds; pictures larger than {LARGEST} pixels are made smaller. The clip stays on the "
          "machine that runs this page and is deleted after 30 minutes.")


class InTurn:
    """A tracker that takes turns with the page's other work, picture by picture: nobody waits for a whole clip."""

    def __init__(self, tracker: HandTracker, cancelled: Callable[[], bool]):
        self._tracker, self._cancelled = tracker, cancelled
        self.guess_camera, self.reset, self.hand_models = tracker.guess_camera, tracker.reset, tracker.hand_models

    def __call__(self, rgb: np.ndarray, time_s: float, camera: Camera) -> list[TrackedHand]:
        """As the tracker. Raises Cancelled."""
        with CORES.work(CLIP):
            if self._cancelled():
                raise Cancelled
            return self._tracker(rgb, time_s, camera)


class Followed(NamedTuple):
    """What became of a clip."""
    overlay: Path  # MP4
    npz: Path
    arrays: dict[str, np.ndarray]  # that the latter holds, see handpose/clips/arrays.py
    motions: list[HandMotion]
    rig: Path | None = None  # GLB of the moving hands with their skeletons; None without any
    bvh: Path | None = None  # zip of their motion, a BVH for each


class VideoTab:
    """Builds the tab inside the current Blocks and answers its events."""

    def __init__(self, estimator: HandEstimator, scripts: Path):
        self.estimator = estimator
        self._calls_off: dict[str, threading.Event] = {}  # of the visitors whose clip is being worked on
        self.asked = gr.JSON(visible=False)
        with gr.Row(elem_id="video-tab"):
            with gr.Column(scale=4, min_width=290, elem_id="clip-in"):
                # No gr.Video: it would bring a player of streams along, 160 kB, to everyone who opens the page.
                self.intake = gr.HTML(INTAKE, elem_id="video", apply_default_css=False,
                                      js_on_load=(scripts / "clip.js").read_text())
                self.said = gr.HTML(elem_id="video-said", apply_default_css=False)
                gr.HTML(f'<p class="note">{LIMITS}</p>', apply_default_css=False)
            with gr.Column(scale=10, min_width=300):
                with gr.Row():
                    with gr.Column(min_width=300):
                        gr.HTML('<div class="bar"><b>On the clip</b></div>', apply_default_css=False)
                        self.overlay = gr.HTML(NO_CLIP, elem_id="overlay-video", apply_default_css=False,
                                               html_template='<div class="stage">${value}</div>')
                    with gr.Column(min_width=300):
                        self.playback = gr.HTML(elem_id="playback", apply_default_css=False, html_template=PLAYBACK,
                                                js_on_load=(scripts / "playback.js").read_text())
                self.files = gr.HTML(elem_id="clip-files", apply_default_css=False)
        own = dict(show_progress="hidden", api_visibility="private", queue=False)
        self.intake.upload(
            self.video, self.asked, [self.overlay, self.playback, self.said, self.files], preprocess=False,
            js="() => [handpose.clip.asked()]", api_name="clip", api_visibility="private", show_progress="full",
            show_progress_on=[self.overlay], **CLIP_WORK).then(
            None, None, None, js="() => handpose.clip.answered()")
        self.intake.clear(self.call_off, None, None, **own)

    def video(self, asked: Any, request: gr.Request, progress=gr.Progress()) -> tuple:  # noqa: B008
        """What the page shows of a clip, or why it shows nothing; `asked` is what page/browser/clip.js says."""
        told = asked if isinstance(asked, dict) else {}
        began = time.monotonic()

        def tell(done: int, frames: int) -> None:
            left = (time.monotonic() - began) / done * (frames - done)
            if done % 5 == 1:
                progress(done / frames, desc=f"Picture {done} of {frames}, {_duration(left)} left")

        try:
            followed = self.follow(told.get("clip"), told.get("parts"), request, tell)
        except (ClipError, UploadError) as error:
            return NO_CLIP, None, words.problem(error), ""
        except Cancelled:
            return NO_CLIP, None, '<p class="note">Cancelled.</p>', ""
        return (f'<video controls autoplay loop muted playsinline src="{address_of(followed.overlay)}"></video>',
                playback(followed.arrays, followed.motions), summary(followed.arrays, time.monotonic() - began),
                files(followed))

    def follow(self, clip: Any, parts: Any, request: gr.Request, tell: Callable[[int, int], None] | None = None
               ) -> Followed:
        """Follows the hands through an uploaded clip; `tell` hears of frames done and frames that there should be.

        Raises ClipError or UploadError, and Cancelled where the visitor called it off or left.
        """
        if not (clip.get("video", clip) if isinstance(clip, dict) else clip):
            raise ClipError("There is no clip yet: drop one in first.")
        if parts not in (MESH, SKELETON, BOTH):
            raise ClipError(f"What is drawn (parts) is {MESH!r}, {SKELETON!r} or {BOTH!r}, not {str(parts)[:40]!r}.")
        calls_off = self._calls_off[request.session_hash or ""] = threading.Event()
        tracker = InTurn(HandTracker(self.estimator), calls_off.is_set)
        try:
            folder = Path(self.overlay.GRADIO_CACHE) / f"clip-{secrets.token_hex(16)}"
            with open_upload(clip, LARGEST_CLIP) as upload, in_use(folder):
                source = read_clip(upload.path, upload.name, largest=LARGEST, max_seconds=LONGEST_S,
                                   max_frames=MOST_FRAMES, cancelled=calls_off.is_set)
                folder.mkdir(parents=True)
                stem = safe_stem(upload.name, "clip")
                overlay, npz = folder / f"{stem}.overlay.mp4", folder / f"{stem}.npz"
                arrays = write_overlay(
                    source, tracker, overlay, npz, progress=tell, cancelled=calls_off.is_set,
                    draw=lambda rgb, camera, hands: draw(rgb, camera, hands, parts)).arrays()
                motions = motions_of_clip(arrays, self.estimator.hand_models)
                rigs = write_rigs(folder, stem, motions)
        except OSError as error:
            raise ClipError(f"The result cannot be written ({error.strerror}): try again later, or with a shorter "
                            "clip.") from error
        finally:
            self._calls_off.pop(request.session_hash or "", None)
        return Followed(overlay, npz, arrays, motions, *rigs)

    def call_off(self, request: gr.Request) -> None:
        """Ends the work on a visitor's clip, whether they said so or left."""
        if calls_off := self._calls_off.get(request.session_hash or ""):
            calls_off.set()


def draw(rgb: np.ndarray, camera: Camera, hands: list[Hand], parts: str) -> np.ndarray:
    return draw_overlay(rgb, camera, hands, mesh=parts != SKELETON, skeleton=parts in (SKELETON, BOTH))


def write_rigs(folder: Path, stem: str, motions: list[HandMotion]) -> tuple[Path, ...]:
    """Writes a clip's hands with their skeletons: a GLB, and a zip of each hand's BVH; neither without any hand."""
    if not motions:
        return ()
    with CORES.work(CLIP):
        motion_capture = {f"{stem}{ending}": content for ending, content in bvh_contents(motions).items()}
        contents = {GLB_ENDING: rigged_glb(motions), ".bvh.zip": zip_bytes(motion_capture)}
    return tuple(folder / f"{stem}{ending}" for ending in write_contents(folder, stem, contents))


def summary(arrays: dict[str, np.ndarray], seconds: float) -> str:
    """What was found, in a sentence."""
    track, frames = arrays["track"], len(arrays["times_s"])
    hands = len(set(track[track > 0].tolist()))
    if not hands:
        return words.NO_HAND.replace("in the picture", "in view")
    seen = (track > 0).any(1).mean() if track.size else 0
    return (f'<p class="note">{frames} pictures, {hands} hand{"s" if hands > 1 else ""}, in view in {seen:.0%} of '
            f"them; done in {_duration(seconds)}.</p>")


def address_of(file: Path) -> str:
    """Where browsers find a result, from the page on."""
    return f"gradio_api/file={quote(str(file))}"


def files(followed: Followed) -> str:
    """Links to what there is to download of a clip."""
    links = "".join(f'<a class="quiet" id="clip-{name}" href="{address_of(file)}" download="{escape(file.name)}" '
                    f'title="{what}">{label}</a>'
                    for name, file, label, what in (
                        ("overlay", followed.overlay, "Clip (MP4)", "The clip with its hands drawn over it"),
                        ("arrays", followed.npz, "Joints (NPZ)", "Joints and MANO parameters of every picture"),
                        ("rig", followed.rig, "Moving hands (GLB)", "With a skeleton, for Blender and games"),
                        ("bvh", followed.bvh, "Motion capture (BVH)", "A file for each hand, in a ZIP"))
                    if file is not None)
    return f'<div class="bar"><b>Download</b>{links}</div>'


INTAKE = """<label class="field"><input type="file" accept="video/*,.mkv,.gif,.webp,.apng" aria-label="Choose a clip">
<b>Drop a clip of hands here</b><span>or choose one</span></label>
<video controls muted loop playsinline hidden aria-label="Your clip"></video>
<div class="bar"><div class="choice" role="group" aria-label="What is drawn over the clip">
<label><input type="radio" name="parts" value="Mesh" checked><span>Mesh</span></label>
<label><input type="radio" name="parts" value="Skeleton"><span>Skeleton</span></label>
<label><input type="radio" name="parts" value="Both"><span>Both</span></label></div>
<button type="button" class="quiet" data-clip="again" hidden>Follow again</button>
<button type="button" class="quiet" data-clip="cancel" hidden>Cancel</button></div>
<p class="said" role="status"></p>"""
NO_CLIP = "<p>The clip is shown here with the hands over it.</p>"
PLAYBACK = f"""<div class="bar" role="group" aria-label="The 3D view"><b>In 3D</b><div class="choice">
{VIEWS}</div></div>
<div class="plot"><p>The hands move here in 3D.</p></div>
<div class="timeline"></div><p class="note">How sure each hand is over time: click to go there.</p>"""


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
