"""The browser that visits the page in benchmarks, tests and pictures."""
from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import Browser, Playwright

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Drawing without a graphics card; Chromium itself asks no server for updates; a film instead of a webcam.
ARGS = ["--no-sandbox", "--use-gl=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking",
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


def launch(playwright: Playwright, film: Path | None = None) -> Browser:
    """Chromium, or Playwright's own where there is none, whose webcam shows a .y4m film again and again."""
    webcam = [f"--use-file-for-fake-video-capture={film}"] if film else []
    return playwright.chromium.launch(executable_path=BROWSER, args=[*ARGS, *webcam])
