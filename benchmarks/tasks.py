"""Ten things that who comes for the first time may want, tried: `python -m benchmarks.tasks`

A real browser does each as a visitor would, by what can be read on the page, and counts what the hand does (clicks,
taps, drags, files given) and the seconds until it is done, of which none is for thinking. Each begins with the page
freshly opened. Prints the table of docs/tasks.md, with the seconds for a clip of 1.5 s.
"""
from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from train.make_clip import make_clip

from .browser import launch
from .running_page import ROOT, RunningPage

PHOTO, TWO_HANDS = ROOT / "tests" / "data" / "hand_right.jpg", ROOT / "assets" / "examples" / "two_hands.jpg"
DESK = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
SHOWN = "document.querySelector('#stage .frame')?.dataset.photo"
TURNABLE = "document.querySelector('#figure .js-plotly-plot')?._fullLayout?.meta?.photo"
KEY = "document.querySelector('#figure .js-plotly-plot').layout.meta.key"  # of the photo whose hands stand there
EYE = "JSON.stringify(document.querySelector('#figure .js-plotly-plot')._fullLayout.scene.camera.eye)"


class Visitor:
    """One visit: the page, and how often its visitor's hand has done something."""

    def __init__(self, page: Page, folder: Path):
        self.page, self.folder, self.acts = page, folder, 0

    def click(self, target: Locator) -> None:
        self.acts += 1
        target.click()

    def tap(self, target: Locator) -> None:
        self.acts += 1
        target.tap()

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.acts += 1
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=5)
        self.page.mouse.up()

    def give(self, field: str, file: Path) -> None:
        """Chooses a file, or drops it."""
        self.acts += 1
        self.page.locator(f"{field} input[type=file]").set_input_files(file)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def open_tab(self, name: str) -> None:
        self.click(self.page.get_by_role("tab", name=name))

    def sees_another(self, before: str) -> None:
        """Waits for the result of another photo, flat and in 3D."""
        self.page.wait_for_function(f"(before) => {SHOWN} !== before && {TURNABLE} && {KEY} === {SHOWN}", arg=before,
                                    polling="raf")

    def saves(self, target: Locator) -> Path:
        with self.page.expect_download() as download:
            self.click(target)
        file = self.folder / download.value.suggested_filename
        download.value.save_as(file)
        return file


def see(visitor: Visitor) -> None:
    visitor.page.wait_for_function(TURNABLE)


def give_photo(visitor: Visitor) -> None:
    before = visitor.page.evaluate(SHOWN)
    visitor.give("#photo", PHOTO)
    visitor.sees_another(before)


def turn(visitor: Visitor) -> None:
    page, before = visitor.page, visitor.page.evaluate(EYE)
    box = page.locator("#figure").bounding_box()
    middle = box["y"] + box["height"] / 2
    visitor.drag((box["x"] + 0.5 * box["width"], middle), (box["x"] + 0.8 * box["width"], middle))
    page.wait_for_function(f"(before) => {EYE} !== before", arg=before)


def missed(page: Page) -> None:
    """Before the task begins: a photo of two hands of which one is shown."""
    page.locator("[data-example=two_hands]").click()
    page.locator("#found .hand").nth(1).wait_for()
    page.locator("#found .hand").nth(1).get_by_role("button", name="Not a hand").click()
    page.wait_for_function("document.querySelectorAll('#found .hand').length === 1")


def add_hand(visitor: Visitor) -> None:
    visitor.click(visitor.button("Add a hand"))
    box = visitor.page.locator("#stage .drawing").bounding_box()
    visitor.acts += 1
    visitor.page.mouse.click(box["x"] + 0.76 * box["width"], box["y"] + 0.6 * box["height"])
    visitor.page.wait_for_function("document.querySelectorAll('#found .hand').length === 2")


def glb(visitor: Visitor) -> None:
    assert visitor.saves(visitor.button("GLB")).read_bytes().startswith(b"glTF")


def film(visitor: Visitor) -> None:
    assert b"ftyp" in visitor.saves(visitor.button("MP4")).read_bytes()[:12]


def on_phone(visitor: Visitor) -> None:
    before = visitor.page.evaluate(SHOWN)
    visitor.give("#photo", PHOTO)
    visitor.sees_another(before)
    visitor.page.wait_for_function("""() => {
        const {top, bottom} = document.querySelector("#stage").getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
    }""")
    visitor.tap(visitor.button("Side"))
    visitor.page.wait_for_function("document.querySelector('[data-view=side]').ariaPressed === 'true'")


def live(visitor: Visitor) -> None:
    visitor.open_tab("Live")
    visitor.click(visitor.button("Start the camera"))
    visitor.page.locator("#live .tags span").wait_for()


def clip(visitor: Visitor) -> None:
    visitor.open_tab("Video")
    visitor.give("#video", visitor.folder / "waving.mp4")
    visitor.page.wait_for_function("document.querySelector('#overlay-video video')?.readyState > 1")
    visitor.page.locator("#playback .js-plotly-plot").wait_for()


def api(visitor: Visitor) -> None:
    """The first example as it stands there, run where a photo.jpg lies."""
    visitor.open_tab("API")
    code = visitor.page.locator("#api pre").first
    visitor.acts += 1  # its button that copies
    shutil.copy(PHOTO, visitor.folder / "photo.jpg")
    answer = subprocess.run([sys.executable, "-c", code.inner_text()], cwd=visitor.folder, capture_output=True,
                            text=True, check=True)
    assert "right" in answer.stdout and ".glb" in answer.stdout


def nothing(page: Page) -> None:
    pass


# What somebody wants, on which screen, what is there before, and how it is done.
TASKS: list[tuple[str, dict, Callable[[Page], None], Callable[[Visitor], None]]] = [
    ("see what the page does", DESK, nothing, see),
    ("see the hand of my photo in 3D", DESK, nothing, give_photo),
    ("look at it from aside", DESK, nothing, turn),
    ("add a hand that was missed", DESK, missed, add_hand),
    ("take it to Blender (GLB)", DESK, nothing, glb),
    ("send a film of the turning hand (MP4)", DESK, nothing, film),
    ("see my photo's hand on a phone, and from aside", PHONE, nothing, on_phone),
    ("see my own hand live", DESK, nothing, live),
    ("follow the hands of a clip", DESK, nothing, clip),
    ("use it from a program", DESK, nothing, api)]


def attempt(browser: Browser, address: str, folder: Path, screen: dict, before: Callable, task: Callable
            ) -> tuple[int, float]:
    """What the hand did, and seconds."""
    context = browser.new_context(permissions=["camera"], reduced_motion="reduce", **screen)
    context.set_default_timeout(180_000)
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    if task is not see:
        page.wait_for_function(TURNABLE)
        before(page)
        start = time.perf_counter()
    visitor = Visitor(page, folder)
    task(visitor)
    took = time.perf_counter() - start
    context.close()
    return visitor.acts, took


def main() -> None:
    with tempfile.TemporaryDirectory() as name, RunningPage(Path(name)) as running, sync_playwright() as playwright:
        folder = Path(name)
        make_clip(folder / "waving.mp4", motion="wave", frames=45, hands=1, seed=4)
        make_clip(folder / "webcam.y4m", motion="rest", frames=3, hands=1, width=640, height=480, fps=5, seed=2)
        browser = launch(playwright, folder / "webcam.y4m")
        print("| I want to | clicks | seconds |\n|---|---|---|")
        for words, screen, before, task in TASKS:
            acts, took = attempt(browser, running.address, folder, screen, before, task)
            print(f"| {words} | {acts} | {took:.1f} |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
