"""Starts the page.

    python app.py [--checkpoint DIR]    (--help tells the options, docs/hosting.md the variables)
"""
from __future__ import annotations

import sys

if __name__ != "__mp_main__":  # a process that helps this one has no page of its own
    from page.network import told_network

    estimator, name = told_network(sys.argv[1:] if __name__ == "__main__" else [])  # before what takes seconds: Gradio
    from page.start import make_page, serve

    demo = make_page(estimator, name)  # under the name that `gradio app.py` looks for

if __name__ == "__main__":
    serve(demo)
