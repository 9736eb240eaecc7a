"""Starts the page.

    python app.py    (GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where it listens; docs/hosting.md has more)
"""
from __future__ import annotations

if __name__ != "__mp_main__":  # a process that helps this one has no page of its own
    from page.start import make_page, serve

    demo = make_page()  # under the name that `gradio app.py` looks for

if __name__ == "__main__":
    serve(demo)
