"""The tab "Photo": a photo in; its hands over it, in 3D, in words, and as files."""
from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import plotly.graph_objects as go
from gradio import processing_utils

from handpose import HandEstimator, PhotoError
from handpose.drawing.figure import hand_figure
from handpose.estimator import MIN_SCORE

from ..analysis import AUTOMATIC, FOCAL, FOV, MOST_HANDS, Analysis, Options, ShownResult, analyse, number, result_of
from ..content import files
from ..content import overlay_layers as stage
from ..content import text as words
from ..content.play import SLIDERS, Play, playthings
from ..server.uploads import UploadError, read_upload

BROWSER = Path(__file__).parent.parent / "browser"
KEPT_S = 1800  # seconds until a visitor's photo is deleted
EXAMPLE_KEY, FIRST_EXAMPLE = "example", "open_palm"
MODEL_WAITS = "The hand is shown here in 3D."
# Runs in the browser before an event: the last input says how the result is displayed at this moment.
WITH_DISPLAY = "(...inputs) => [...inputs.slice(0, -1), handpose.display()]"

CONTROLS = """<div class="bar" role="group" aria-label="What is drawn over the photo">
<div class="choice">
<label><input type="radio" name="show" value="mesh" checked><span>Mesh</span></label>
<label><input type="radio" name="show" value="skeleton"><span>Skeleton</span></label>
<label><input type="radio" name="show" value="both"><span>Both</span></label></div>
<label class="opacity">Opacity <input type="range" name="opacity" min="0" max="100" value="85"></label>
<label class="toggle"><input type="checkbox" name="compare"><span>Compare</span></label></div>"""
VIEWS = """<div class="bar" role="group" aria-label="The 3D view"><div class="choice">
<button type="button" data-view="camera" title="From where the photo was taken">Camera</button>
<button type="button" data-view="front" title="Into the palm">Front</button>
<button type="button" data-view="side" title="From the thumb's side">Side</button>
<button type="button" data-view="top" title="Down on the fingertips">Top</button></div>
<div class="choice" data-hands role="group" aria-label="Hands in the 3D view" hidden></div>
<span class="hint">drag to turn, scroll to zoom</span></div>"""


class PhotoTab:
    """Builds the tab inside the current Blocks and answers its events."""

    def __init__(self, estimator: HandEstimator, examples: list[str], network: str | None = None):
        self.estimator, self.network = estimator, network  # as in `layout.build_page`
        first_photo = next((path for path in examples if Path(path).stem == FIRST_EXAMPLE), None)
        self.example = analyse(estimator, first_photo, key=EXAMPLE_KEY) if first_photo else None
        first = self._shown(result_of(estimator, self.example, Options())) if self.example else self._nothing()
        self.analysis = gr.State(time_to_live=KEPT_S)
        self.display = gr.JSON(visible=False)
        self.file = gr.File(visible=False)
        with gr.Row(elem_id="photo-tab"):
            with gr.Column(scale=4, min_width=290, elem_id="inputs"):
                # mirror=False: a mirrored webcam shot would turn every right hand into a left one.
                self.photo = gr.Image(
                    type="filepath", sources=["upload", "webcam", "clipboard"], height=230, buttons=[],
                    show_label=False, elem_id="photo", webcam_options=gr.WebcamOptions(mirror=False),
                    placeholder="Drop a photo of a hand\nor click to choose one")
                if examples:
                    gr.Examples(examples, self.photo, label="No photo at hand? Take one of these")
                self.options, self.mirrored = self._options_panel(first[3])
            with gr.Column(scale=10, min_width=300, elem_id="views"):
                with gr.Row():
                    with gr.Column(min_width=300):
                        gr.HTML(CONTROLS, apply_default_css=False)
                        self.stage = gr.HTML(first[0], elem_id="stage", apply_default_css=False)
                    with gr.Column(min_width=300):
                        gr.HTML(VIEWS, apply_default_css=False)
                        self.figure = gr.Plot(first[1], show_label=False, elem_id="figure", container=False)
                        self._play()
                self.found = gr.HTML((words.EXAMPLE if self.example else "") + first[2], elem_id="found",
                                     html_template='<div aria-live="polite">${value}</div>', apply_default_css=False)
                self._downloads(first[4])
        self._events()

    # ---- layout

    def _options_panel(self, note: str) -> tuple[list[gr.components.Component], gr.Checkbox]:
        with gr.Accordion("Options", open=False, elem_id="options"):
            self.lens = gr.Radio([AUTOMATIC, FOV, FOCAL], value=AUTOMATIC, label="Camera")
            self.lens_value = gr.Number(visible=False)
            self.note = gr.HTML(note, apply_default_css=False)
            least = gr.Slider(MIN_SCORE, 0.95, MIN_SCORE, step=0.05, label="Least confidence", buttons=[])
            most = gr.Slider(1, MOST_HANDS, MOST_HANDS, step=1, label="Most hands", buttons=[])
            left = gr.Checkbox(True, label="Left hands, too")
            mirrored = gr.Checkbox(False, label="The photo is mirrored (a selfie)",
                                   info="It is turned back first, so that left is left.")
        return [self.lens, self.lens_value, least, most, left], mirrored

    def _downloads(self, snippet: str) -> None:
        with gr.Row(elem_id="downloads"):
            gr.HTML('<div class="label">Download</div>')
            self.downloads = {"zip": gr.Button("Everything (ZIP)", size="sm", variant="primary", min_width=90)}
            for kind in files.KINDS:
                self.downloads[kind] = gr.Button(kind.upper(), size="sm", min_width=60)
        with gr.Accordion("Python code", open=False, elem_id="in-python"):
            self.snippet = gr.HTML(snippet, apply_default_css=False)

    def _play(self) -> None:
        bend = Play(self.estimator.hand_models)

        def play(message: Any, request: gr.Request) -> dict:
            return bend(message, request.client.host if request.client else "")

        gr.HTML(SLIDERS, js_on_load=(BROWSER / "play.js").read_text(), server_functions=[play], elem_id="play",
                apply_default_css=False)

    def _events(self) -> None:
        results = [self.analysis, self.stage, self.figure, self.found, self.note, self.snippet]
        shown = results[1:]
        # preprocess=False: Gradio would open the file itself and answer a broken one without a reason.
        gr.on([self.photo.change, self.mirrored.input], self.estimate, preprocess=False, js=WITH_DISPLAY,
              inputs=[self.photo, self.mirrored, *self.options, self.display], outputs=[*results, self.photo],
              show_progress="minimal", show_progress_on=[self.stage], trigger_mode="always_last",
              api_name="photo", api_visibility="private", concurrency_id="estimate", concurrency_limit=2
              ).then(None, None, None, js="() => handpose.lookHere()")
        self.photo.clear(lambda: (None, *self._nothing()), None, results, show_progress="hidden",
                         api_visibility="private")
        again = dict(fn=self.show, inputs=[self.analysis, *self.options, self.display], outputs=shown, js=WITH_DISPLAY,
                     show_progress="hidden", trigger_mode="always_last", api_visibility="private",
                     concurrency_limit=4)
        self.lens.change(self.lens_field, [self.lens, self.analysis, self.display], self.lens_value, js=WITH_DISPLAY,
                         show_progress="hidden", api_visibility="private").then(**again)
        gr.on([self.lens_value.input, *(option.change for option in self.options[2:])], **again)
        for kind, button in self.downloads.items():
            button.click(partial(self.download, kind), [self.analysis, *self.options, self.display], self.file,
                         js=WITH_DISPLAY, show_progress="hidden", api_visibility="private", concurrency_limit=2
                         ).success(None, self.file, None, js="(file) => handpose.download(file)")

    # ---- answers

    def estimate(self, file: dict | None, mirrored: bool, *options_and_display) -> tuple:
        """A newly given photo to what the page shows of it."""
        if not file:
            return (gr.skip(),) * 7
        *options, display = options_and_display
        try:
            analysis = analyse(self.estimator, *read_upload(file), bool(mirrored))
        except (PhotoError, UploadError) as error:
            return None, *self._nothing(words.problem(error)), None
        return analysis, *self._updates(analysis, options, display), gr.skip()

    def show(self, analysis: Analysis | None, *options_and_display) -> tuple:
        """The same photo under other options."""
        *options, display = options_and_display
        analysis = self._analysis_of(analysis, display)
        if analysis is None:
            return (gr.skip(),) * 5
        return self._updates(analysis, options, display)

    def download(self, kind: str, analysis: Analysis | None, *options_and_display) -> str:
        """A file of the result as the page shows it now."""
        *options, display = options_and_display
        display = display if isinstance(display, dict) else {}
        analysis = self._analysis_of(analysis, display)
        if analysis is None:
            raise gr.Error(words.GONE if display.get("photo") else "There is no photo yet: drop one in first.",
                           title="Nothing to download", print_exception=False)
        try:
            result = result_of(self.estimator, analysis, Options.of(*options))
            opacity = number("The opacity", display.get("opacity", 0.85), 0, 1)
            name, content = files.file_of(result, kind, str(display.get("show")), opacity)
        except ValueError as error:
            raise gr.Error(str(error), title="Nothing to download", print_exception=False) from error
        return processing_utils.save_bytes_to_cache(content, name, self.file.GRADIO_CACHE)

    def lens_field(self, lens: str, analysis: Analysis | None, display: dict | None) -> gr.Number:
        """The number that goes with a choice of lens, which begins as what is in use."""
        analysis = self._analysis_of(analysis, display)
        if lens not in (FOV, FOCAL) or analysis is None:
            return gr.Number(visible=False)
        try:
            in_use = Options.of(FOCAL, display.get("focal") if isinstance(display, dict) else None, MIN_SCORE, 1)
            result = result_of(self.estimator, analysis, in_use)
        except ValueError:
            result = result_of(self.estimator, analysis, Options())
        label, bounds = words.lens_words(lens)
        value = round(result.fov_deg, 1) if lens == FOV else round(result.camera.fx)
        return gr.Number(value, label=label, info=bounds, visible=True)

    # ---- what these have in common

    def _analysis_of(self, analysis: Analysis | None, display: dict | None) -> Analysis | None:
        """The visitor's photo, or the example where that is what stands on the page."""
        shown = display.get("photo") if isinstance(display, dict) else None
        return analysis or (self.example if shown == EXAMPLE_KEY else None)

    def _updates(self, analysis: Analysis, options: list, display: dict | None) -> tuple:
        try:
            return self._shown(result_of(self.estimator, analysis, Options.of(*options)), display)
        except ValueError as error:
            return gr.skip(), gr.skip(), words.problem(error), gr.skip(), gr.skip()

    def _shown(self, result: ShownResult, display: dict | None = None) -> tuple:
        """Stage, figure, cards, the camera's note and the snippet."""
        display = display if isinstance(display, dict) else {}
        return (stage.picture(result), figure(result, display.get("show")), words.describe(result),
                words.camera_note(result), words.snippet_html(result, self.network))

    @staticmethod
    def _nothing(message: str = "") -> tuple:
        return stage.EMPTY, hand_figure(None, height=None, message=MODEL_WAITS), message, "", ""


def figure(result: ShownResult, show: str | None = None) -> go.Figure:
    """The hands in 3D; `layout.meta["key"]` tells the browser which photo they are of."""
    shown = hand_figure(result, mesh=show != "skeleton", skeleton=show in ("skeleton", "both"), height=None,
                        message="No hand found")
    return shown.update_layout(meta={**(shown.layout.meta or {}), "key": result.analysis.key,
                                     "play": playthings(result)})


def example_photos(folder: Path) -> list[str]:
    return sorted(map(str, folder.glob("*.jpg")))
