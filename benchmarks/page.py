"""How long a visitor of the page waits: `python -m benchmarks.page [--runs 10]`

In a real browser on this machine (drawing without a graphics card): from opening the page to the example's result with
its 3D view; from giving a photo to the same; from a change of opacity, of what is drawn, of the view, and of an option
that stands the hands anew, to the picture that shows it; pictures a second of the live view, flat and in 3D.
"""
from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from train.make_clip import make_clip

from .browser import launch
from .running_page import ROOT, RunningPage

EXAMPLES = sorted((ROOT / "assets" / "examples").glob("*.jpg"))
DRAWN = "document.querySelector('#stage .mesh')?.complete"
READY = f"{DRAWN} && document.querySelector('#figure .js-plotly-plot')?._fullLayout"
# Whether the hands in 3D stand before the camera of those on the photo.
STANDS = ("Math.abs(document.querySelector('#figure .js-plotly-plot').layout.meta.photo.fx / "
          "document.querySelector('#stage .frame').dataset.focal - 1) < 1e-3")
# Does something in the page, and answers when the second frame after it is painted: milliseconds.
PAINTED = """async (act) => {
    const start = performance.now();
    eval(act);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    return performance.now() - start;
}"""
SET = ("const one = document.querySelector('input[name=%s]%s'); one.%s;"
       "one.dispatchEvent(new Event('input', {bubbles: true}))")


def clock(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def give(page: Page, photo: Path) -> None:
    """Gives a photo and waits for its result, flat and in 3D."""
    before = page.locator("#stage .frame").get_attribute("data-photo")
    page.locator("#photo input[type=file]").set_input_files(photo)
    page.wait_for_function(f"(before) => document.querySelector('#stage .frame').dataset.photo !== before && {READY}",
                           arg=before, polling="raf")


def change_lens(page: Page, degrees: int) -> None:
    page.locator("#options input[type=number]").first.fill(str(degrees))
    page.wait_for_function(f"(said) => document.querySelector('#options .note').textContent.includes(said) && {STANDS}",
                           arg=f"view {degrees}°", polling="raf")


def live_rates(page: Page, seconds: float = 15) -> list[float]:
    """Pictures a second that the page draws of the answers: over the camera's picture, and of the hands in 3D."""
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start the camera").click()
    page.locator("#live .mesh").wait_for()
    page.wait_for_timeout(3000)
    page.locator("#live .solid.js-plotly-plot").wait_for()
    page.evaluate("""() => { window.drawn = [0, 0]; new MutationObserver(() => window.drawn[0]++).observe(
        document.querySelector("#live .tags"), {childList: true});
        document.querySelector("#live .solid").on("plotly_restyle", () => window.drawn[1]++); }""")
    page.wait_for_timeout(1000 * seconds)
    return [count / seconds for count in page.evaluate("window.drawn")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    args = parser.parse_args()
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, RunningPage(Path(folder)) as running, sync_playwright() as playwright:
        film = Path(folder) / "webcam.y4m"
        make_clip(film, motion="wave", frames=30, hands=1, width=640, height=480, fps=30, seed=2)
        browser = launch(playwright, film)

        for run in range(args.runs + 3):
            page = browser.new_context(permissions=["camera"], viewport={"width": 1366, "height": 768},
                                       reduced_motion="reduce").new_page()
            start = time.perf_counter()
            page.goto(running.address, wait_until="commit")
            for name, ready in (("page opened, example's overlay", DRAWN), ("page opened, 3D view too", READY)):
                page.wait_for_function(ready, polling="raf")
                times.setdefault(name, []).append(1000 * (time.perf_counter() - start))
            if run == 0:
                rates = live_rates(page)
            if run < args.runs + 2:  # the last one stays for what follows
                page.context.close()
        for run in range(args.runs + 1):
            for name, work in {
                    "photo given": lambda run=run: give(page, EXAMPLES[run % len(EXAMPLES)]),
                    "opacity": SET % ("opacity", "", f"value = {20 + run}"),
                    "skeleton": SET % ("show", "[value=skeleton]", "checked = true"),
                    "mesh": SET % ("show", "[value=mesh]", "checked = true"),
                    "view": f"document.querySelector('[data-view={('side', 'top')[run % 2]}]').click()"}.items():
                took = clock(work) if callable(work) else page.evaluate(PAINTED, work)
                times.setdefault(name, []).append(took)
        page.locator("#options").get_by_role("button", name="Options").click()
        page.get_by_label("Field of view").check()
        page.locator("#options .note").filter(has_text="you gave").wait_for()  # its number is there, too
        times["field of view"] = [clock(lambda run=run: change_lens(page, 40 + run)) for run in range(args.runs + 1)]
        browser.close()
    print(f"{os.cpu_count()} cores, {args.runs} runs; ms")
    for name, values in times.items():
        p50, p95 = np.percentile(values[1:], [50, 95])
        print(f"{name:30s} p50 {p50:7.0f}   p95 {p95:7.0f}")
    print(f"live view, 640 x 480: {rates[0]:.1f} pictures a second over the camera's, {rates[1]:.1f} in 3D")


if __name__ == "__main__":
    main()
