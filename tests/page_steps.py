"""Steps on the photo tab that several tests take, and what they look for there."""
import asyncio
import base64
import io
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / "tests" / "data" / "hand_right.jpg"
TWO_HANDS = ROOT / "assets" / "examples" / "both_hands.jpg"

# What the page's 3D figure really holds, after Plotly has read it.
FIGURE = """() => {
    const plot = document.querySelector("#figure .js-plotly-plot");
    return {traces: plot.data.map((trace, index) => ({type: trace.type, visible: trace.visible,
                                                      triangles: (plot._fullData[index].i ?? []).length})),
            eye: plot._fullLayout.scene?.camera.eye, key: plot.layout.meta?.key, words: plot.textContent};
}"""
# Where Plotly draws the skeletons' joints, in pixels of the window, by the matrices that it draws with.
DRAWN_JOINTS = """() => {
    const plot = document.querySelector("#figure .js-plotly-plot"), scene = plot._fullLayout.scene._scene;
    const {view, projection, model} = scene.glplot.cameraParams, box = plot.getBoundingClientRect();
    const times = (m, p) => [0, 1, 2, 3].map((row) => p.reduce((sum, value, k) => sum + m[row + 4 * k] * value, 0));
    return plot._fullData.filter((trace) => trace.type === "scatter3d").map((trace) => [...trace.x].flatMap((x, k) => {
        if (!Number.isFinite(x)) return [];
        const point = [x, trace.y[k], trace.z[k]].map((value, axis) => value * scene.dataScale[axis]);
        const [right, up, , w] = times(projection, times(view, times(model, [...point, 1])));
        return [[box.x + (1 + right / w) * box.width / 2, box.y + (1 - up / w) * box.height / 2]];
    }));
}"""
IN_3D = "document.querySelector('#figure .js-plotly-plot')?.layout?.meta?.key"
SHOWN = "document.querySelector('#stage .frame')?.dataset.photo"


def upload(page: Page, name: str, data: bytes) -> None:
    """Gives a photo to the page and waits until it shows the result, or says why there is none."""
    before = page.evaluate(SHOWN)
    page.locator("#photo input[type=file]").set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": data})
    settled(page, before)


def settled(page: Page, before: str | None) -> None:
    page.wait_for_function(f"(before) => {SHOWN} !== before || document.querySelector('.message')", arg=before)
    page.wait_for_function(f"document.querySelector('.message') || {IN_3D} === {SHOWN}")
    page.wait_for_timeout(300)  # what the figure's coming sets off


def hand_lines(page: Page) -> list[str]:
    """What the page says of each hand after its number, once it says something."""
    page.locator(".hand").first.wait_for()
    return [" ".join(line.split()[1:]) for line in page.locator(".hand").all_inner_texts()]


def shown_photo(page: Page) -> np.ndarray:
    """The pixels on the stage, without their layers."""
    data = page.locator("#stage .photo").get_attribute("src").split(",", 1)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), int)


def with_exif(focal_35mm: int) -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = focal_35mm
    Image.open(PHOTO).convert("RGB").save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


def jpeg(rgb: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=95)
    return file.getvalue()


def mirrored_photo() -> bytes:
    return jpeg(np.asarray(Image.open(PHOTO).convert("RGB"))[:, ::-1])


def delete(page: Page) -> None:
    """Takes the photo that was given last out of the strip."""
    page.locator("#strip li").first.hover()
    page.locator("#strip .out").first.click()


def message(page: Page) -> str:
    page.locator(".message").wait_for()
    assert "Traceback" not in page.content()
    return page.locator(".message").inner_text()


def options(page: Page) -> None:
    page.locator("#options").get_by_role("button", name="Options").click()
    page.locator("#options input").first.wait_for()
    page.wait_for_timeout(1000)  # Gradio sets the values of what it has just mounted once more: no hand is as fast


def visible_layers(page: Page) -> set[str]:
    return {layer for layer in ("mesh", "skeleton") if page.locator(f"#stage .{layer}").first.is_visible()}


def run_apart(work: Coroutine) -> Any:
    """What a coroutine returns, run in a thread of its own: Playwright's loop may be running in this one."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, work).result()
