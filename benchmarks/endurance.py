"""Whether the live view stays as it is: `python -m benchmarks.endurance [--minutes 30]`

A real browser whose webcam plays a film again and again, the page and the browser on the same cores. Each minute's
pictures a second, how old a picture was at most when it was drawn (from the moment it was taken off the video), and the
memory of the page's process and of the visitor's scripts; at the end, how much memory has grown from the first fifth of
the minutes to the last, and the oldest picture of all.
"""
from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from train.make_clip import make_clip

from .browser import launch
from .running_page import RunningPage

SETTLE_S = 10  # not counted: the first frames compile and load
# A picture is taken when the video is drawn onto a canvas, and shown when that canvas is drawn onto another.
WATCH = """() => {
    const draw = CanvasRenderingContext2D.prototype.drawImage, taken = new WeakMap();
    window.ages = [];
    CanvasRenderingContext2D.prototype.drawImage = function (source, ...place) {
        if (source instanceof HTMLVideoElement) taken.set(this.canvas, performance.now());
        else if (taken.has(source)) window.ages.push(performance.now() - taken.get(source));
        return draw.call(this, source, ...place);
    };
}"""
TAKE = "() => [window.ages.splice(0), performance.memory?.usedJSHeapSize ?? NaN]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=30)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, RunningPage(Path(folder)) as running, sync_playwright() as playwright:
        film = Path(folder) / "webcam.y4m"
        make_clip(film, motion="wave", frames=90, hands=1, width=640, height=480, fps=30, seed=2)
        browser = launch(playwright, film)
        page = browser.new_context(permissions=["camera"], viewport={"width": 1366, "height": 768}).new_page()
        page.goto(running.address)
        page.evaluate(WATCH)
        page.get_by_role("tab", name="Live").click()
        page.get_by_role("button", name="Start the camera").click()
        page.locator("#live .mesh").wait_for()
        page.wait_for_timeout(1000 * SETTLE_S)
        page.evaluate(TAKE)
        print("minute  pictures/s  oldest s  page MB  scripts MB", flush=True)
        for minute in range(1, args.minutes + 1):
            page.wait_for_timeout(60_000)
            ages, scripts = page.evaluate(TAKE)
            rows.append((len(ages) / 60, max(ages, default=np.inf) / 1000, running.memory() / 1e6, scripts / 1e6))
            print("{:6d}{:12.1f}{:10.2f}{:9.0f}{:12.0f}".format(minute, *rows[-1]), flush=True)
        browser.close()
    part = max(1, len(rows) // 5)
    first, last = np.mean(rows[:part], 0), np.mean(rows[-part:], 0)
    print(f"{np.mean(rows, 0)[0]:.1f} pictures/s; the oldest {np.max(rows, 0)[1]:.2f} s; the page's memory grew by "
          f"{last[2] - first[2]:.0f} MB, the scripts' by {last[3] - first[3]:.0f}")


if __name__ == "__main__":
    main()
