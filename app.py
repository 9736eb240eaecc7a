"""Starts the page.

    python app.py    (GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where it listens)
"""
from __future__ import annotations

import os
import signal
import sys

from page.server.memory import return_freed_memory
from page.server.temporary import keep_swept, use_own_folder

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported: nothing is reported to anyone
FOLDER = use_own_folder()
return_freed_memory()

import numpy as np  # noqa: E402

from handpose import HandEstimator  # noqa: E402
from handpose.drawing.renderer import warm_up  # noqa: E402
from page.layout import build_page, launch_options  # noqa: E402
from page.tabs.photo import KEPT  # noqa: E402


def main() -> None:
    try:
        estimator = HandEstimator.load()
    except (OSError, ValueError) as error:  # a file of the repository is missing or damaged; the error says what to do
        raise SystemExit(error) from None
    estimator(np.zeros((256, 256, 3), np.uint8))  # what is slow the first time is done before the first visitor comes
    warm_up()
    page = build_page(estimator)
    keep_swept(FOLDER, KEPT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # an end like any other, at which files are deleted
    page.launch(**launch_options())


if __name__ == "__main__":
    main()
