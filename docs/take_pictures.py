"""Takes pictures of the page in every state: `python docs/take_pictures.py [--only NAME ...]`

Starts the page and a browser whose webcam plays a clip of our own generator; writes docs/pictures/NAME.jpg. What is not
ours to show (photos of people) is in none of them.
"""
from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.browser import launch  # noqa: E402
from benchmarks.running_page import RunningPage  # noqa: E402
from train.make_clip import make_clip  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
EXAMPLES = ROOT / "assets" / "examples"
LAPTOP, PHONE = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
PATIENCE = 120_000  # ms
DRAWN = "document.querySelector('#figure .js-plotly-plot')?._fullLayout"


def upload(page: Page, name: str) -> None:
    before = page.locator("#stage .frame").get_attribute("data-photo")
    page.locator("#photo input[type=file]").set_input_files(EXAMPLES / name)
    page.wait_for_function("(before) => document.querySelector('#stage .frame').dataset.photo !== before", arg=before)
    page.wait_for_timeout(1500)  # the 3D view draws itself in


def photo(page: Page) -> None:
    upload(page, "holding.jpg")


def two_hands(page: Page) -> None:
    upload(page, "two_hands.jpg")
    page.locator("#views .choice").get_by_text("Both", exact=True).click()
    page.get_by_role("button", name="Top", exact=True).click()
    page.wait_for_timeout(1500)


def strip(page: Page) -> None:
    """Several photos at once; one hand is pointed at."""
    names = ("two_hands.jpg", "ok.jpg", "three.jpg", "holding.jpg")
    page.locator("#photo input[type=file]").set_input_files([EXAMPLES / name for name in names])
    page.wait_for_function("(count) => document.querySelectorAll('#strip li:not(.waits)').length === count",
                           arg=len(names))
    page.wait_for_timeout(1500)
    page.locator("#found .hand").last.hover()
    page.wait_for_timeout(500)


def add_hand(page: Page) -> None:
    upload(page, "two_hands.jpg")
    page.locator("#found .hand").first.get_by_role("button", name="Not a hand").click()
    page.get_by_role("button", name="Undo").wait_for()
    page.get_by_role("button", name="Add a hand").click()
    frame = page.locator("#stage .frame").bounding_box()
    page.mouse.move(frame["x"] + .05 * frame["width"], frame["y"] + .2 * frame["height"])
    page.mouse.down()
    page.mouse.move(frame["x"] + .45 * frame["width"], frame["y"] + .9 * frame["height"], steps=3)


def bend(page: Page) -> None:
    upload(page, "open_palm.jpg")
    page.get_by_role("button", name="Side", exact=True).click()
    page.locator("#play summary").click()
    page.get_by_label("Curl").fill("0.7")
    page.wait_for_timeout(2000)


def compare(page: Page) -> None:
    upload(page, "pointing.jpg")
    page.get_by_text("Compare").click()


def options(page: Page) -> None:
    upload(page, "three.jpg")
    page.locator("#options").get_by_role("button", name="Options").click()
    page.get_by_label("Field of view").check()
    page.wait_for_timeout(1500)


def nothing_found(page: Page) -> None:
    page.locator("#photo input[type=file]").set_input_files(
        {"name": "wall.jpg", "mimeType": "image/jpeg", "buffer": _wall()})
    page.locator(".message").wait_for()
    page.wait_for_timeout(500)


def bad_file(page: Page) -> None:
    page.locator("#photo input[type=file]").set_input_files(
        {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"These are no pixels."})
    page.locator(".message").wait_for()
    page.wait_for_timeout(500)


def server_gone(page: Page) -> None:
    page.route("**/app_id", lambda route: route.abort())
    page.locator("#lost").wait_for()


def live(page: Page) -> None:
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start the camera").click()
    page.locator("#live .mesh").wait_for()
    page.wait_for_timeout(5000)


def video(page: Page) -> None:
    page.get_by_role("tab", name="Video").click()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "waving.mp4"
        make_clip(clip, motion="wave", frames=45, hands=1, seed=4)
        page.locator("#video input[type=file]").set_input_files(clip)
        page.locator("#overlay-video video").wait_for()
        page.locator("#playback .js-plotly-plot").wait_for()
        page.wait_for_timeout(2500)


def api(page: Page) -> None:
    page.get_by_role("tab", name="API").click()
    page.wait_for_timeout(500)


def about(page: Page) -> None:
    page.get_by_role("tab", name="About").click()
    page.wait_for_timeout(500)


def as_it_is(page: Page) -> None:
    page.wait_for_timeout(1500)


# Name of the picture -> what is done first, and how the browser's page is.
STATES: dict[str, tuple[Callable[[Page], None], dict]] = {
    "first_visit": (as_it_is, {}), "photo": (photo, {}), "two_hands": (two_hands, {}), "compare": (compare, {}),
    "strip": (strip, {}), "add_hand": (add_hand, {}), "bend": (bend, {}),
    "options": (options, {"viewport": {"width": 1366, "height": 1100}}), "nothing_found": (nothing_found, {}),
    "bad_file": (bad_file, {}), "server_gone": (server_gone, {}), "live": (live, {}), "video": (video, {}),
    "api": (api, {}), "about": (about, {}), "dark": (photo, {"color_scheme": "dark"}),
    "tablet": (photo, {"viewport": {"width": 768, "height": 1024}, "has_touch": True}),
    "phone": (photo, {"viewport": PHONE, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}),
    "phone_live": (live, {"viewport": PHONE, "is_mobile": True, "has_touch": True, "device_scale_factor": 2})}


def take(browser: Browser, address: str, name: str) -> None:
    prepare, how = STATES[name]
    context = browser.new_context(permissions=["camera"], reduced_motion="reduce",
                                  **{"viewport": LAPTOP, **how})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    page.wait_for_function(DRAWN)
    prepare(page)
    page.screenshot(path=PICTURES / f"{name}.jpg", type="jpeg", quality=82)
    context.close()


def _wall() -> bytes:
    import cv2
    import numpy as np
    shade = np.tile(np.linspace(150, 200, 640), (480, 1))
    return cv2.imencode(".jpg", np.dstack([shade + 12, shade + 4, shade]).astype(np.uint8))[1].tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=STATES, default=list(STATES), metavar="NAME")
    args = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, RunningPage(Path(folder)) as running, sync_playwright() as playwright:
        film = Path(folder) / "webcam.y4m"
        make_clip(film, motion="rest", frames=3, hands=1, width=640, height=480, fps=5, seed=2)
        browser = launch(playwright, film)
        for name in args.only:
            take(browser, running.address, name)
            print(PICTURES / f"{name}.jpg", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
