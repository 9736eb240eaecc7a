"""What a first visit over a slow line takes: `python -m benchmarks.first_visit [--runs 5] [--root ANOTHER_CHECKOUT]`

A real browser that has kept nothing opens the page at 4 Mbit/s and 80 ms: seconds until the example's overlay is seen,
until a picture stands in the place of the 3D view, until photos are taken, until the hand can be turned; bytes that
came by then, and the layout shift (all that moved without a visitor's doing, as the browser reckons it). `--root`
measures another version of the page.
"""
from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from .browser import launch
from .running_page import ROOT, RunningPage

LIMIT = 120_000  # ms
# Notes when each of these is first seen, in the page itself: looking from outside would cost it time.
WATCH = """(() => {
    const find = (what) => document.querySelector(what), turnable = () => find("#figure .js-plotly-plot")?._fullLayout;
    const looks = {
        "overlay seen": () => find("#first .mesh, #stage .mesh")?.complete,
        "poster seen": () => find("#first .stage:last-child .mesh, #figure .poster .mesh")?.complete || turnable(),
        "takes photos": () => find("#photo input[type=file]"),
        "3D view": turnable,
    };
    const seen = window.seen = {}, look = () => {
        for (const [name, is] of Object.entries(looks))
            if (!(name in seen) && is()) seen[name] = performance.now() / 1000;
        requestAnimationFrame(look);
    };
    look();
    window.shift = 0;
    new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shift += one.value; })
        .observe({type: "layout-shift", buffered: true});
})()"""


def visit(browser: Browser, address: str, kbit: float, latency: float) -> tuple[dict[str, float], Counter]:
    """Seconds by what is seen and "layout shift"; and bytes on the line by file."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    line, names, sizes = context.new_cdp_session(page), {}, Counter()
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", {"offline": False, "latency": latency,
                                                   "downloadThroughput": kbit * 125, "uploadThroughput": kbit * 125})
    line.on("Network.responseReceived", lambda told: names.update(
        {told["requestId"]: told["response"]["url"].removeprefix(address).partition("?")[0]}))
    line.on("Network.loadingFinished", lambda told: sizes.update(
        {names.get(told["requestId"], "?"): int(told["encodedDataLength"])}))
    page.add_init_script(WATCH)
    page.goto(address, wait_until="commit", timeout=LIMIT)
    page.wait_for_function("'3D view' in (window.seen ?? {})", timeout=LIMIT)
    page.wait_for_timeout(1000)
    seen = page.evaluate("({...window.seen, 'layout shift': window.shift})")
    context.close()
    return seen, sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--kbit", type=float, default=4000, help="a second")
    parser.add_argument("--latency", type=float, default=80, help="ms")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the app.py that is visited")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, RunningPage(Path(folder), args.root) as running, \
            sync_playwright() as playwright:
        browser = launch(playwright)
        visits = [visit(browser, running.address, args.kbit, args.latency) for _ in range(args.runs + 1)][1:]
        browser.close()
    print(f"{args.kbit:g} kbit/s, {args.latency:g} ms, medians of {args.runs} first visits")
    for name in visits[0][0]:
        print(f"{name:14s} {np.median([seen[name] for seen, _ in visits]):.3g}")
    sizes = visits[-1][1]
    print(f"{sizes.total() / 1e6:.2f} MB in {len(sizes)} files; the largest: " +
          ", ".join(f"{name} {size / 1000:.0f} kB" for name, size in sizes.most_common(4)))


if __name__ == "__main__":
    main()
