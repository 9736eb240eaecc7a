"""What the photo tab answers to its events; `tabs/photo.py` builds the tab and says which event is which."""
from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio import processing_utils

from handpose import HandEstimator, PhotoError
from handpose.drawing.figure import hand_figure
from handpose.estimator import MIN_SCORE

from . import edits
from .album import Album
from .analysis import FOCAL, FOV, Analysis, Options, ShownResult, analyse, result_of
from .asked import Asked
from .content import files, text
from .content import overlay_layers as stage
from .content.cards import describe
from .content.examples import Examples
from .content.figure import figure
from .content.snippet import snippet_html
from .server.cores import asker
from .server.uploads import UploadError, read_upload

NO_FILE = "Nothing to download"


class PhotoAnswers:
    """`network`: as in `layout.build_page`.

    Inputs are what Gradio passes on unchecked: the options, as `Options.of` takes them, and last what the browser asks
    for (`asked.Asked`). What is shown is answered as stage, figure, what was found, the camera's note and Python code;
    the figure as Plotly's JSON has it, for page/browser/figure.js draws it where the first one stands.
    """

    def __init__(self, estimator: HandEstimator, examples: Examples, album: Album, network: str | None = None):
        self.estimator, self.examples, self.album, self.network = estimator, examples, album, network

    def first(self) -> tuple:
        """What the page shows before anything is asked."""
        example = self.examples.first
        return self._shown(result_of(self.estimator, example, Options()), Asked()) if example else self._nothing()

    def take(self, mirrored: Any, *told: Any) -> tuple:
        """A photo that is given: shown. None at all empties the stage."""
        try:
            asked = Asked.of(told[-1])
            if asked.file is None and asked.example is None:
                return self._nothing()
            analysis = self._taken(asked, mirrored is True)
            return self._shown(result_of(self.estimator, analysis, Options.of(*told[:-1])), asked)
        except (PhotoError, UploadError, ValueError) as error:
            return self._nothing(text.problem(error))

    def glance(self, mirrored: Any, *told: Any) -> dict:
        """A photo that is given beside another: what the strip of photos shows of it."""
        try:
            analysis = self._taken(Asked.of(told[-1]), mirrored is True)
            return strip_entry(analysis, len(analysis.hands(Options.of(*told[:-1]))))
        except (PhotoError, UploadError, ValueError) as error:
            return {"problem": str(error)}

    def show(self, *told: Any) -> tuple:
        """A photo that was given before, or the same under other options."""
        return self._answered(told, lambda analysis, options, asked: analysis)

    def correct(self, *told: Any) -> tuple:
        """The same photo with a hand more, a hand less, or one of the other side."""
        def corrected(analysis: Analysis, options: Options, asked: Asked) -> Analysis:
            after = self._corrected(analysis, options, asked)
            self.album.add(after, asker.get(), before=analysis.key)
            return after

        return self._answered(told, corrected)

    def forget(self, asked: Any) -> None:
        """Photos that the visitor takes out of the strip."""
        asked = Asked.of(asked)
        for key in (asked.photo, *asked.photos):
            self.album.drop(key)

    def download(self, *told: Any) -> str:
        """The path of a file of the result as the page shows it now, or of a zip of several."""
        try:
            asked, options = Asked.of(told[-1]), Options.of(*told[:-1])
            if asked.kind == "all":
                results = [result_of(self.estimator, one, options) for one in map(self.album.get, asked.photos) if one]
                name, content = files.zip_of_all(results, asked.show, asked.opacity)
            else:
                analysis = self._analysis(asked)
                if analysis is None:
                    raise ValueError(text.GONE if asked.photo else text.NO_PHOTO)
                result = result_of(self.estimator, analysis, options)
                name, content = files.file_of(result, asked.kind, asked.show, asked.opacity)
        except ValueError as error:
            raise gr.Error(str(error), title=NO_FILE, print_exception=False) from error
        return processing_utils.save_bytes_to_cache(content, name, os.environ["GRADIO_TEMP_DIR"])

    def lens_field(self, lens: Any, asked: Any) -> gr.Number:
        """The number that goes with a choice of lens, which begins as what is in use."""
        try:
            asked = Asked.of(asked)
            analysis = self._analysis(asked)
            if lens not in (FOV, FOCAL) or analysis is None:
                return gr.Number(visible=False)
            result = result_of(self.estimator, analysis, Options.of(FOCAL, asked.focal, MIN_SCORE, 1))
        except ValueError:
            return gr.Number(visible=False)
        label, bounds = text.lens_words(lens)
        value = round(result.fov_deg, 1) if lens == FOV else round(result.camera.fx)
        return gr.Number(value, label=label, info=bounds, visible=True)

    # ---- what these have in common

    def _taken(self, asked: Asked, mirrored: bool) -> Analysis:
        """The analysis of a file or an example, remembered. Raises PhotoError and UploadError."""
        if asked.example is not None:
            analysis = self.examples.analysis(asked.example, mirrored)
            if analysis is None:
                raise UploadError("This page has no such example: reload it.")
            if not mirrored:
                return analysis
        else:
            analysis = analyse(self.estimator, *read_upload(asked.file), mirrored)
        self.album.add(analysis, asker.get())
        return analysis

    def _analysis(self, asked: Asked) -> Analysis | None:
        return self.album.get(asked.photo) or self.examples.of_key(asked.photo)

    def _answered(self, told: tuple, of: Callable[[Analysis, Options, Asked], Analysis]) -> tuple:
        try:
            asked, options = Asked.of(told[-1]), Options.of(*told[:-1])
            analysis = self._analysis(asked)
            if analysis is None:
                return _only(text.problem(text.GONE) if asked.photo else gr.skip())
            return self._shown(result_of(self.estimator, of(analysis, options, asked), options), asked)
        except ValueError as error:
            return _only(text.problem(error))

    def _corrected(self, analysis: Analysis, options: Options, asked: Asked) -> Analysis:
        """Raises ValueError."""
        if asked.box is not None:
            add = edits.with_hand_in if len(asked.box) == 4 else edits.with_hand_at
            return add(self.estimator, analysis, asked.box)
        hands = analysis.hands(options)
        chosen = asked.swap or asked.remove
        if not chosen or chosen > len(hands):
            raise ValueError("There is no such hand any more: choose one that is shown.")
        if asked.swap:
            return edits.with_other_side(self.estimator, analysis, hands[chosen - 1])
        return edits.without(analysis, hands[chosen - 1])

    def _shown(self, result: ShownResult, asked: Asked) -> tuple:
        return (stage.picture(result), figure(result, asked.show).to_dict(), describe(result), text.camera_note(result),
                snippet_html(result, self.network))

    @staticmethod
    def _nothing(message: str = "") -> tuple:
        return stage.EMPTY, hand_figure(None, height=None, message=text.MODEL_WAITS).to_dict(), message, "", ""


def strip_entry(analysis: Analysis, hands: int) -> dict:
    return {"photo": analysis.key, "name": analysis.name, "hands": hands,
            "thumb": f"data:image/jpeg;base64,{b64encode(analysis.thumb).decode()}"}


def _only(found: Any) -> tuple:
    """Says something and leaves the rest of what is shown."""
    return gr.skip(), None, found, gr.skip(), gr.skip()
