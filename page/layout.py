"""The whole page."""
from __future__ import annotations

from pathlib import Path

import gradio as gr

from handpose import HandEstimator
from handpose.shipped import shipped

from .api import add_endpoints
from .content.theme import theme
from .server.fair_queue import MOST_WAITING, share_fairly
from .server.faults import refuse_in_sentences
from .server.gate import guard
from .server.hosts import Hosts
from .server.room import Room
from .server.unfetched import forget_unfetched
from .server.uploads import LARGEST_CLIP
from .tabs.about import about_tab, programs_tab
from .tabs.live import live_tab
from .tabs.photo import KEPT_S, PhotoTab, example_photos
from .tabs.video import VideoTab

SCRIPTS = Path(__file__).parent / "browser"  # what runs in the browser, and its style sheet
TITLE = """<h1>From a photo to a <em>3D hand</em></h1><p>Drop in a picture and turn the hand around. Your photo stays on
the machine that runs this page and is deleted after 30 minutes.</p>"""
MOST_REMEMBERED = 300  # visitors; one whom many have followed drops the photo in again


def build_page(estimator: HandEstimator, network: str | None = None) -> gr.Blocks:
    """`network`: what visitors are told that the estimator runs, where that is not the network that ships."""
    with gr.Blocks(title="A 3D hand from one photo", delete_cache=(300, KEPT_S)) as page:
        gr.HTML(TITLE, elem_id="title")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Photo", id="photo"):
                PhotoTab(estimator, example_photos(shipped("assets") / "examples"), network)
            with gr.Tab("Live", id="live-tab"):
                live_tab(estimator, SCRIPTS)
            with gr.Tab("Video", id="video-tab"):
                video = VideoTab(estimator, SCRIPTS)
            with gr.Tab("For programs", id="programs-tab"):
                programs_tab()
            with gr.Tab("About", id="about-tab"):
                about_tab(network)
        add_endpoints(estimator)
        page.unload(video.call_off)
    page.queue(max_size=MOST_WAITING, api_open=False)  # which would let calls go past the queue
    share_fairly(page)
    refuse_in_sentences(page)
    forget_unfetched(page)
    return page


def launch_options(room: Room) -> dict:
    """Options of `launch`: theme and scripts, the gate before the server, and nothing that reports or remembers."""
    script = "\n".join((SCRIPTS / f"{name}.js").read_text() for name in ("turns", "backdrop", "view", "figure", "page"))
    return dict(app_kwargs={"lifespan": guard(Hosts.of_environment(), room)}, ssr_mode=False, share=False,
                theme=theme(), css_paths=SCRIPTS / "page.css", head=f"<script>{script}</script>", footer_links=[],
                run_history=False, max_file_size=LARGEST_CLIP, state_session_capacity=MOST_REMEMBERED)
