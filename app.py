"""The page: a photo in; its hands drawn over it, and in 3D beside it.

    python app.py    (GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where it listens)
"""
from __future__ import annotations

import os
from html import escape
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported: nothing is reported to anyone

import gradio as gr  # noqa: E402
import numpy as np  # noqa: E402
import plotly.graph_objects as go  # noqa: E402

from handpose import HandEstimator  # noqa: E402
from handpose.camera import Camera  # noqa: E402
from handpose.figure import GLASSY, hand_figure  # noqa: E402
from handpose.hand import Hand  # noqa: E402
from handpose.image import PhotoError, load_photo  # noqa: E402
from handpose.overlay import draw_overlay, shrink  # noqa: E402
from handpose.palette import HAND_COLORS, css  # noqa: E402
from handpose.renderer import warm_up  # noqa: E402

ASSETS = Path(__file__).parent / "assets"
EXAMPLES = sorted(map(str, (ASSETS / "examples").glob("*.jpg")))
LARGEST_OVERLAY = 1600  # pixels; more is not seen on the page
FILES_KEPT = 1800  # seconds until a visitor's photo is deleted

TITLE = """<h1>From a photo to a <em>3D hand</em></h1><p>Drop in a picture and turn the hand around. Your photo stays on
the machine that runs this page and is deleted within the hour.</p>"""
AUTOMATIC, FOV, FOCAL = "Automatic", "Field of view", "Focal length"
NO_HAND = """<div class="message"><b>No hand found</b><p>Try a photo that shows the whole hand, from fingertips to
wrist, sharp and well lit, and not too small: about a tenth of the picture or more.</p></div>"""
SHOW_PARTS = (ASSETS / "page.js").read_text().replace("GLASSY", str(GLASSY))


def estimate(estimator: HandEstimator, file: dict | None, mesh: bool, skeleton: bool, lens: str,
             lens_value: float | None) -> tuple:
    """An uploaded file to (result, overlay, figure, what was found as HTML, photo), the page's outputs."""
    if not (file and file.get("path")):
        return (gr.skip(),) * 5
    try:
        photo = load_photo(file["path"], name=file.get("orig_name"))
        camera = Camera.of_photo(photo.width, photo.height, focal_35mm=photo.focal_35mm,
                                 fov_deg=lens_value if lens == FOV else None,
                                 focal_px=lens_value if lens == FOCAL else None)
    except ValueError as error:
        problem = f'<div class="message problem"><b>That did not work</b><p>{escape(str(error))}</p></div>'
        return None, None, nothing(), problem, None if isinstance(error, PhotoError) else gr.skip()
    hands = estimator(photo.rgb, camera)
    result = shrink(photo.rgb, camera, hands, LARGEST_OVERLAY)
    figure = hand_figure(hands, mesh, skeleton, height=None, message="No hand found")
    found = describe(hands, camera, photo.width, photo.height)
    return result, redraw(result, mesh, skeleton), figure, found, gr.skip()


def nothing() -> go.Figure:
    return hand_figure([], height=None, message="The hand will stand here.<br>Drag to turn it.")


def redraw(result: tuple | None, mesh: bool, skeleton: bool) -> np.ndarray | None:
    """The overlay of (rgb, camera, hands), which are kept while their visitor changes how they are shown."""
    return result and draw_overlay(*result, mesh, skeleton)


def describe(hands: list[Hand], camera: Camera, width: int, height: int) -> str:
    """One card a hand, and where the distances come from, as HTML."""
    if not hands:
        return NO_HAND
    cards = "".join(f"""<li class="hand"><i style="background: {css(HAND_COLORS[hand.side])}"></i>
        <div><b>{hand.side.capitalize()} hand</b><small>{hand.score:.0%} confident</small></div>
        <div><b>{hand.distance * 100:.0f} cm</b><small>away</small></div></li>""" for hand in hands)
    fov = f"{np.degrees(2 * np.arctan(max(width, height) / 2 / camera.fx)):.0f}°"
    source = {"user": f"Distances follow from the lens you gave: a field of view of {fov}.",
              "exif": f"Distances follow from the focal length in the photo's file: a field of view of {fov}.",
              "default": "The photo's file does not tell its focal length, so distances assume a field of view of "
                         f"{fov}. If you know your camera's, set it under Camera."}[camera.source]
    return f'<ul class="hands">{cards}</ul><p class="note">{source}</p>'


def lens_field(lens: str) -> gr.Number:
    value, label = {AUTOMATIC: (None, ""), FOV: (55, "Degrees across the photo's longer side"),
                    FOCAL: (1000, "Pixels of the photo")}[lens]
    return gr.Number(value, label=label, visible=lens != AUTOMATIC)


def build_page(estimator: HandEstimator) -> gr.Blocks:
    with gr.Blocks(title="A 3D hand from one photo", delete_cache=(300, FILES_KEPT)) as page:
        result = gr.State(time_to_live=FILES_KEPT)
        gr.HTML(TITLE, elem_id="title")
        with gr.Row():
            with gr.Column(scale=4, min_width=290):
                # mirror=False: a mirrored webcam shot would turn every right hand into a left one.
                photo = gr.Image(type="filepath", sources=["upload", "webcam", "clipboard"], height=290, buttons=[],
                                 show_label=False, elem_id="photo", webcam_options=gr.WebcamOptions(mirror=False),
                                 placeholder="Drop a photo of a hand\nor click to choose one")
                found = gr.HTML()
                with gr.Row(elem_id="parts"):
                    mesh = gr.Checkbox(True, label="Mesh", min_width=90)
                    skeleton = gr.Checkbox(False, label="Skeleton", min_width=90)
                with gr.Accordion("Camera", open=False, elem_id="camera"):
                    lens = gr.Radio([AUTOMATIC, FOV, FOCAL], value=AUTOMATIC, show_label=False, container=False)
                    lens_value = gr.Number(visible=False)
                if EXAMPLES:
                    gr.Examples(EXAMPLES, photo, label="No photo at hand? Take one of these")
            with gr.Column(min_width=300, scale=5):
                gr.HTML('<div class="view-name">On the photo</div>')
                overlay = gr.Image(format="jpeg", interactive=False, show_label=False, elem_id="overlay",
                                   buttons=["download", "fullscreen"], container=False,
                                   alt_text="The photo with the hands that were found drawn over it")
            with gr.Column(min_width=300, scale=5):
                gr.HTML('<div class="view-name">In 3D <span>drag to turn, scroll to zoom</span></div>')
                figure = gr.Plot(nothing(), show_label=False, elem_id="figure", container=False)
        # preprocess=False: Gradio would open the file itself and answer a broken one without a reason.
        estimation = dict(fn=lambda *inputs: estimate(estimator, *inputs), preprocess=False, show_progress="minimal",
                          inputs=[photo, mesh, skeleton, lens, lens_value], show_progress_on=[overlay, figure],
                          outputs=[result, overlay, figure, found, photo], trigger_mode="always_last")
        gr.on([photo.change, lens_value.input], **estimation, api_name="estimate")
        lens.change(lens_field, lens, lens_value, api_visibility="private").then(**estimation, api_visibility="private")
        photo.clear(lambda: (None, None, nothing(), ""), None, [result, overlay, figure, found],
                    show_progress="hidden", api_visibility="private")
        gr.on([mesh.change, skeleton.change], redraw, [result, mesh, skeleton], overlay, trigger_mode="always_last",
              show_progress="hidden", api_visibility="private")
        gr.on([mesh.change, skeleton.change], None, [mesh, skeleton], None, js=SHOW_PARTS)
    return page


def theme() -> gr.themes.Base:
    clay = gr.themes.Color("#fdf5f1", "#fae7de", "#f5cfbe", "#eeb095", "#e4906c", "#d9774f", "#c4623b", "#a34e2f",
                           "#84412b", "#6d3827", "#3b1b11")
    font = [gr.themes.LocalFont("Montserrat", weights=(400, 700)), "ui-sans-serif", "system-ui", "sans-serif"]
    return gr.themes.Soft(primary_hue=clay, secondary_hue=clay, neutral_hue="stone", radius_size="lg", font=font).set(
        background_fill_primary="*neutral_50", block_shadow="none", body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400", block_title_background_fill="none", block_title_padding="0",
        block_title_text_color="*body_text_color", block_title_text_color_dark="*body_text_color")


def main() -> None:
    try:
        estimator = HandEstimator.load()
    except (OSError, ValueError) as error:  # a file of the repository is missing or damaged; the error says what to do
        raise SystemExit(error) from None
    estimator(np.zeros((256, 256, 3), np.uint8))  # what is slow the first time is done before the first visitor comes
    warm_up()
    build_page(estimator).launch(theme=theme(), css_paths=ASSETS / "page.css", footer_links=[], run_history=False)


if __name__ == "__main__":
    main()
