"""The tab "Photo": a photo in; its hands over it, in 3D, in words, and as files."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from handpose.estimator import MIN_SCORE

from ..analysis import AUTOMATIC, FOCAL, FOV, MOST_HANDS, PHOTO_WORK
from ..answers import PhotoAnswers
from ..content import controls, text
from ..content.play import SLIDERS, Play
from ..server.cores import asker

BROWSER = Path(__file__).parent.parent / "browser"

# Runs in the browser before an event: the last input says what is asked for, and how the result is displayed.
ASKED = "(...inputs) => [...inputs.slice(0, -1), handpose.asked('{}', inputs.slice(0, -1))]"


class PhotoTab:
    """Builds the tab inside the current Blocks."""

    def __init__(self, answers: PhotoAnswers):
        self.answers = answers
        stage, figure, found, note, snippet = answers.first()
        self.asked = gr.JSON(visible=False)
        self.glanced, self.file = gr.JSON(visible=False), gr.File(visible=False)
        self.redrawn = gr.JSON(visible=False)  # each figure after the first
        with gr.Row(elem_id="photo-tab"):
            with gr.Column(scale=4, min_width=290, elem_id="inputs"):
                # Whatever its scripts ask for, they ask for by events of this one.
                self.intake = gr.HTML(controls.INTAKE, elem_id="photo", apply_default_css=False,
                                      js_on_load="handpose.connect(element, trigger);")
                gr.HTML(controls.STRIP, elem_id="strip", apply_default_css=False)
                gr.HTML(answers.examples.html(), elem_id="examples", apply_default_css=False)
                self.options, self.mirrored = self._options_panel(note)
            with gr.Column(scale=10, min_width=300, elem_id="views"):
                with gr.Row():
                    with gr.Column(min_width=300, elem_id="over-photo"):
                        gr.HTML(controls.OVERLAY_BAR, apply_default_css=False)
                        self.stage = gr.HTML(stage, elem_id="stage", apply_default_css=False)
                        gr.HTML(controls.TOOLS, elem_id="tools", apply_default_css=False)
                    with gr.Column(min_width=300):
                        gr.HTML(controls.VIEW_BAR, apply_default_css=False)
                        gr.Plot(go.Figure(figure), show_label=False, elem_id="figure", container=False)
                        self._play()
                self.found = gr.HTML((text.EXAMPLE if answers.examples.first else "") + found, elem_id="found",
                                     html_template='<div aria-live="polite">${value}</div>', apply_default_css=False)
                gr.HTML(controls.downloads(), elem_id="downloads", apply_default_css=False)
                with gr.Accordion("Python code", open=False, elem_id="in-python"):
                    self.snippet = gr.HTML(snippet, apply_default_css=False)
        self._events()

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

    def _play(self) -> None:
        bend = Play(self.answers.estimator.hand_models)

        def play(message: Any) -> dict:
            return bend(message, asker.get())

        gr.HTML(SLIDERS, js_on_load=(BROWSER / "play.js").read_text(), server_functions=[play], elem_id="play",
                apply_default_css=False)

    def begin_with(self, page: gr.Blocks) -> None:
        """Has a reload of the page bring back the options and then the photo that was shown."""
        page.load(None, None, self.options, js="() => handpose.keptOptions()").then(
            self.answers.lens_field, [self.lens, self.asked], self.lens_value, js=ASKED.format("show"),
            preprocess=False, show_progress="hidden", api_visibility="private").then(
            None, None, None, js="() => handpose.restore()")

    def _events(self) -> None:
        answers, told = self.answers, [*self.options, self.asked]
        shown = [self.stage, self.redrawn, self.found, self.note, self.snippet]
        common = dict(preprocess=False, show_progress="hidden", api_visibility="private")
        look = dict(common, **PHOTO_WORK)

        def answered(event, name: str) -> None:
            event.then(None, self.redrawn, None,
                       js=f"(figure) => {{ handpose.figure.redraw(figure); handpose.answered('{name}'); }}")

        answered(self.intake.upload(answers.take, [self.mirrored, *told], shown, js=ASKED.format("take"),
                                    trigger_mode="always_last", api_name="photo", **look), "take")
        self.mirrored.input(None, None, None, js="() => handpose.takeAgain()")
        self.intake.submit(answers.glance, [self.mirrored, *told], self.glanced, js=ASKED.format("glance"),
                           api_name="glance", **look).then(
            None, self.glanced, None, js="(glanced) => handpose.glanced(glanced)")
        answered(self.intake.edit(answers.correct, told, shown, js=ASKED.format("correct"), trigger_mode="once",
                                  api_name="correct", **look), "correct")
        again = dict(fn=answers.show, inputs=told, outputs=shown, js=ASKED.format("show"), trigger_mode="always_last",
                     concurrency_limit=4, **common)
        # A visitor's input alone: a reload sets the options, too, and shows its photo itself (`begin_with`).
        answered(gr.on([self.intake.select, self.lens_value.input, *(one.input for one in self.options[2:])], **again),
                 "show")
        self.lens.input(answers.lens_field, [self.lens, self.asked], self.lens_value, js=ASKED.format("show"),
                         **common).then(**again)
        self.intake.delete(answers.forget, self.asked, None, js=ASKED.format("forget"), trigger_mode="multiple",
                           **common)
        self.intake.download(answers.download, told, self.file, js=ASKED.format("download"), concurrency_limit=2,
                             trigger_mode="multiple", **common).success(
            None, self.file, None, js="(file) => handpose.save(file)")
