"""Starts the page.

    python app.py [--checkpoint DIR]    (--help tells the options, docs/hosting.md the variables)
"""
from __future__ import annotations

import sys

if __name__ != "__mp_main__":  # a process that helps this one has no page of its own
    from page.network import Network

    network = Network.told(sys.argv[1:] if __name__ == "__main__" else [])
    from page.start import make_page, serve

    demo = make_page(network)  # under the name that `gradio app.py` looks for

if __name__ == "__main__":
    serve(demo)
