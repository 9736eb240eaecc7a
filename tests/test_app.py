"""The page as a visitor has it: app.py as a server, in a real browser."""
import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / "tests" / "data" / "hand_right.jpg"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Drawing without a graphics card; and Chromium itself asks no server for updates.
BROWSER_ARGS = ["--no-sandbox", "--use-gl=swiftshader", "--enable-unsafe-swiftshader",
                "--disable-background-networking"]
PATIENCE = 60_000  # ms; a shared machine may be slow

# What the page's 3D figure really holds, after Plotly has read it.
FIGURE = """() => {
    const plot = document.querySelector("#figure .js-plotly-plot");
    return {traces: plot.data.map((trace, index) => ({type: trace.type, visible: trace.visible,
                                                      triangles: (plot._fullData[index].i ?? []).length})),
            eye: plot._fullLayout.scene?.camera.eye, words: plot.textContent};
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a running app.py, and the file its output goes to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    log = folder / "log.txt"
    environment = dict(os.environ, GRADIO_SERVER_NAME="127.0.0.1", GRADIO_SERVER_PORT=str(port),
                       GRADIO_TEMP_DIR=str(folder / "files"))
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, ROOT / "app.py"], cwd=folder, env=environment, stdout=out,
                                   stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 180
        while True:
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
        yield address, log
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=BROWSER_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(server, browser):
    """The page, freshly opened. Afterwards: no request went to another host, and nothing broke unseen."""
    address, log = server
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    hosts, errors = set(), []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).netloc))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.locator("#photo input[type=file]").wait_for(state="attached", timeout=PATIENCE)
    page.wait_for_function("document.querySelector('#figure .js-plotly-plot')?._fullLayout", timeout=PATIENCE)
    yield page
    page.close()
    assert hosts - {""} == {urlsplit(address).netloc}  # "" is data: and blob:, which leave no machine
    assert not errors
    assert "Traceback" not in log.read_text()


def upload(page: Page, name: str, data: bytes) -> None:
    page.locator("#photo input[type=file]").set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": data})


def hand_lines(page: Page) -> list[str]:
    """What the page says of each hand, once it says something."""
    page.locator(".hand").first.wait_for(timeout=PATIENCE)
    return [" ".join(line.split()) for line in page.locator(".hand").all_inner_texts()]


def overlay(page: Page, other_than: str | None = None) -> tuple[str, np.ndarray]:
    """Address and pixels of the picture under "On the photo", once there is one (`other_than` that address)."""
    image = page.locator("#overlay img")
    expect(image).to_have_count(1, timeout=PATIENCE)
    if other_than is not None:
        expect(image).not_to_have_attribute("src", other_than, timeout=PATIENCE)
    source = image.get_attribute("src")
    with urllib.request.urlopen(source) as response:
        return source, np.asarray(Image.open(io.BytesIO(response.read())).convert("RGB"), int)


def photo_with_exif(focal_35mm: int) -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = focal_35mm
    Image.open(PHOTO).convert("RGB").save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


def jpeg(rgb: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG")
    return file.getvalue()


def plain_message(page: Page) -> str:
    page.locator(".message").wait_for(timeout=PATIENCE)
    assert "Traceback" not in page.content()
    return page.locator(".message").inner_text()


def test_a_photo_becomes_an_overlay_a_turnable_hand_and_a_line_about_it(page):
    upload(page, "holiday.jpg", PHOTO.read_bytes())
    lines = hand_lines(page)
    assert len(lines) == 1
    assert lines[0].startswith("Right hand")
    assert "% confident" in lines[0] and " cm away" in lines[0]
    assert 10 < float(lines[0].split(" cm away")[0].split()[-1]) < 300

    _, shown = overlay(page)
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))
    scale = min(1, max(shown.shape) / max(photo.shape))
    if scale < 1:
        photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    assert photo.shape == shown.shape
    changed = np.abs(shown - photo).max(-1) > 40
    assert 0.01 < changed.mean() < 0.7  # the hand and not the whole picture

    figure = page.evaluate(FIGURE)
    faces = np.load(ROOT / "assets" / "open_hand.npz")["f"]
    assert [trace["triangles"] for trace in figure["traces"] if trace["type"] == "mesh3d"] == [len(faces)]


def test_the_focal_length_comes_from_the_file_unless_the_visitor_gives_one(page):
    width, height = Image.open(PHOTO).size
    focal = 26 * np.hypot(width, height) / np.hypot(36, 24)
    field_of_view = f"{np.degrees(2 * np.arctan(max(width, height) / 2 / focal)):.0f}°"
    upload(page, "phone.jpg", photo_with_exif(26))
    hand_lines(page)
    note = page.locator(".note")
    expect(note).to_contain_text("the photo's file")
    expect(note).to_contain_text(field_of_view)

    page.locator("#camera").get_by_role("button", name="Camera").click()
    page.get_by_label("Field of view").check()
    expect(note).to_contain_text("you gave", timeout=PATIENCE)
    page.locator("#camera input[type=number]").fill("40")
    expect(note).to_contain_text("40°", timeout=PATIENCE)
    page.locator("#camera input[type=number]").fill("200")
    assert "between 0 and 180" in plain_message(page)
    page.get_by_label("Automatic").check()
    expect(note).to_contain_text(field_of_view, timeout=PATIENCE)


def test_parts_are_shown_and_hidden_without_losing_the_visitors_angle(page):
    upload(page, "hand.jpg", PHOTO.read_bytes())
    hand_lines(page)
    first, with_mesh = overlay(page)
    eye = {"x": 1.1, "y": 0.3, "z": 0.6}
    page.evaluate("""(eye) => window.Plotly.relayout(document.querySelector("#figure .js-plotly-plot"),
                                                    {"scene.camera.eye": eye})""", eye)
    page.get_by_label("Skeleton").check()
    second, with_both = overlay(page, other_than=first)
    page.get_by_label("Mesh").uncheck()
    _, with_skeleton = overlay(page, other_than=second)
    assert np.abs(with_mesh - with_both).max() > 100
    assert np.abs(with_both - with_skeleton).max() > 40
    figure = page.evaluate(FIGURE)
    assert {trace["type"]: trace["visible"] for trace in figure["traces"]} == {"mesh3d": False, "scatter3d": True}
    assert figure["eye"] == eye


def test_a_picture_without_a_hand_gets_advice_and_a_bad_file_a_reason(page):
    ramp = np.linspace(90, 160, 320).astype(np.uint8)
    upload(page, "wall.jpg", jpeg(np.dstack([np.tile(ramp, (240, 1))] * 3)))
    message = plain_message(page)
    assert message.startswith("No hand found") and "Try a photo" in message
    assert "No hand" in page.evaluate(FIGURE)["words"]

    page.locator("#photo").get_by_role("button", name="Remove Image").click()
    expect(page.locator(".message")).to_have_count(0, timeout=PATIENCE)
    upload(page, "notes.jpg", b"These are no pixels.")
    assert "notes.jpg is not an image" in plain_message(page)

    upload(page, "hand.jpg", PHOTO.read_bytes())  # and the page works on
    assert len(hand_lines(page)) == 1
    expect(page.locator(".message")).to_have_count(0)


def test_clearing_the_photo_clears_the_result(page):
    upload(page, "hand.jpg", PHOTO.read_bytes())
    hand_lines(page)
    page.locator("#photo").get_by_role("button", name="Remove Image").click()
    expect(page.locator(".hand")).to_have_count(0, timeout=PATIENCE)
    expect(page.locator("#overlay img")).to_have_count(0, timeout=PATIENCE)
    page.wait_for_function("!document.querySelector('#figure .js-plotly-plot')?.data?.length", timeout=PATIENCE)


def test_it_fits_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 844})
    upload(page, "hand.jpg", PHOTO.read_bytes())
    hand_lines(page)
    page.wait_for_function("document.querySelector('#figure .js-plotly-plot')?.data?.length", timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for view in ("#overlay", "#figure .js-plotly-plot"):
        box = page.locator(view).bounding_box()
        assert 250 < box["width"] <= 390 and 250 < box["height"] <= 500
