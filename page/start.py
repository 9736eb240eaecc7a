"""Makes the page and serves it. To be imported before Gradio, which reads its surroundings when it is imported."""
from __future__ import annotations

import os
import signal
import sys
import threading

from .server.hosts import told_port
from .server.memory import return_freed_memory
from .server.temporary import use_own_folder

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing is reported to anyone
# Nor are requests remembered and counted anew at each (as a table, by pandas) for a page of Gradio's that is closed.
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"], os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1", str(10**12)
try:
    PORT = told_port()  # Gradio itself would take the next free one after it
except ValueError as problem:
    raise SystemExit(problem) from None
FOLDER = use_own_folder()
return_freed_memory()

import gradio as gr  # noqa: E402

from handpose import HandEstimator  # noqa: E402
from handpose.drawing.renderer import warm_up  # noqa: E402

from .album import KEPT_S  # noqa: E402
from .layout import build_page, launch_options  # noqa: E402
from .server.room import Room  # noqa: E402
from .server.uploads import fetch_nothing  # noqa: E402


def make_page(estimator: HandEstimator, network: str | None = None) -> gr.Blocks:
    """The page of `network.told_network`'s estimator and name."""
    warm_up()
    fetch_nothing()
    return build_page(estimator, network)


def serve(page: gr.Blocks) -> None:
    """Serves the page until the process ends."""
    try:
        room = Room.of_environment(FOLDER)
    except ValueError as error:
        raise SystemExit(error) from None
    room.keep_swept(KEPT_S)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # an end like any other, at which files are deleted
    try:
        page.launch(server_port=PORT, **launch_options(room))
    except OSError as error:
        if PORT is None:
            raise
        raise SystemExit(f"Port {PORT} cannot be listened on: end what uses it, or set GRADIO_SERVER_PORT to another "
                         "one.") from error
