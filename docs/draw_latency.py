"""Draws what `python -m benchmarks.latency --json FILE` measured: `python docs/draw_latency.py FILE docs/latency.jpg`

A bar for each way to a result, its stages one after another in milliseconds, the yardstick's beside it.
"""
from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import plotly.graph_objects as go
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.browser import BROWSER  # noqa: E402
from benchmarks.latency import (  # noqa: E402
    ALIGNMENT,
    CROPS,
    FINDING,
    LIVE,
    LIVE_ALONE,
    LIVE_ONLY,
    LIVE_YARDSTICK,
    MESH,
    PHOTO,
    PHOTO_YARDSTICK,
    TOLD,
)

WHOLE, LANDMARKS = "palm detector, landmark passes", "landmark pass"
NETWORK, REST = "network", "tracking, smoothing, all else"
COLORS = {WHOLE: "#9aa5b1", FINDING: "#5b6abf", LANDMARKS: "#8793d6", CROPS: "#4aa3a2", NETWORK: "#e08e45",
          ALIGNMENT: "#c8553d", MESH: "#f2c14e", REST: "#d9dde2"}
# By total: its stages, each named by the time that it takes in the measurement.
WAYS = {PHOTO_YARDSTICK: {WHOLE: PHOTO_YARDSTICK},
        PHOTO: {FINDING: FINDING, CROPS: CROPS, NETWORK: TOLD, ALIGNMENT: ALIGNMENT, MESH: MESH},
        LIVE_YARDSTICK: {WHOLE: LIVE_YARDSTICK},
        LIVE: {LANDMARKS: LIVE_YARDSTICK, CROPS: CROPS, NETWORK: TOLD, ALIGNMENT: ALIGNMENT, MESH: MESH},
        LIVE_ALONE: {CROPS: CROPS, NETWORK: LIVE_ONLY, ALIGNMENT: ALIGNMENT, MESH: MESH}}
NAMES = {PHOTO_YARDSTICK: "photo, MediaPipe's points", PHOTO: "photo, our mesh",
         LIVE_YARDSTICK: "live, MediaPipe's points", LIVE: "live, our mesh", LIVE_ALONE: "live, our network alone"}


def stages(ms: dict[str, list[float]], way: str) -> dict[str, float]:
    """The median milliseconds of a way's stages, and what is left of its total."""
    found = {stage: ms[name.strip()][0] for stage, name in WAYS[way].items()}
    return found | {REST: max(ms[way][0] - sum(found.values()), 0)}


def figure(picture: dict) -> go.Figure:
    """The bars of one of the measurement's pictures."""
    by_way = {way: stages(picture["ms"], way) for way in WAYS}
    bars = [go.Bar(name=stage.strip(), y=[NAMES[way] for way in WAYS], orientation="h", marker_color=color,
                   x=[by_way[way].get(stage, 0) for way in WAYS]) for stage, color in COLORS.items()]
    totals = [dict(x=picture["ms"][way][0], y=NAMES[way], text=f" {picture['ms'][way][0]:.1f} ms", showarrow=False,
                   xanchor="left") for way in WAYS]
    return go.Figure(bars, dict(barmode="stack", template="plotly_white", width=900, height=380, annotations=totals,
                                margin=dict(l=10, r=60, t=40, b=10), yaxis=dict(autorange="reversed"),
                                legend=dict(orientation="h", traceorder="normal"), font_size=13,
                                title=f"One hand, {picture['width']} x {picture['height']}: median ms by stage"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measured", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    picture = next(one for one in json.loads(args.measured.read_text())["pictures"] if one["hands"] == 1)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 900, "height": 380})
        page.set_content(figure(picture).to_html(config={"displayModeBar": False}), wait_until="load")
        page.locator(".js-plotly-plot").screenshot(path=args.out, type="jpeg", quality=85)
        browser.close()


if __name__ == "__main__":
    main()
