"""The whole page."""
from __future__ import annotations

from pathlib import Path

import gradio as gr

from handpose import HandEstimator
from handpose.shipped import shipped

from .album import KEPT_S, Album
from .answers import PhotoAnswers
from .api import add_endpoints
from .content.examples import Examples
from .content.theme import theme
from .server.fair_queue import MOST_WAITING, share_fairly
from .server.faults import refuse_in_sentences
from .server.gate import guard
from .server.hosts import Hosts
from .server.room import Room
from .server.shell import site_routes, use_own_shell
from .server.unfetched import forget_unfetched
from .server.uploads import LARGEST_CLIP
from .tabs.about import about_tab, api_tab
from .tabs.live import live_tab
from .tabs.photo import PhotoTab
from .tabs.video import VideoTab

BROWSER = Path(__file__).parent / "browser"  # what runs in the browser, and its style sheets
SCRIPTS = ("page", "tabs", "turns", "backdrop", "view", "figure", "moving", "film", "display", "intake", "camera",
           "waiting", "strip", "boxes", "marks", "picture", "options")  # those of the whole page, in their order
STYLES = ("page", "photo", "view", "live", "video")
NAME = "A 3D hand from one photo"
DESCRIPTION = "Drop in a photo, see the 3D hand over it, and turn it around. No sign-up, openly licensed."
PICTURE = "A hand in a photo, and the same hand as a 3D mesh"
TITLE = """<h1>A <em>3D hand</em> from one photo</h1><p>Drop in a photo and turn the hand around. It stays on the
machine that runs this page and is deleted after 30 minutes.</p>"""
MOST_SESSIONS = 200  # whose components Gradio remembers; photos are remembered by the album


def build_page(estimator: HandEstimator, network: str | None = None) -> gr.Blocks:
    """`network`: what visitors are told that the estimator runs, where that is not the network that ships."""
    album = Album()
    album.keep_swept()
    with gr.Blocks(title=NAME, delete_cache=(300, int(KEPT_S))) as page:
        gr.HTML(TITLE, elem_id="title")
        with gr.Tabs(elem_id="tabs"):  # page/browser/tabs.js knows their labels
            with gr.Tab("Photo", id="photo"):
                examples = Examples(estimator, shipped("assets"))
                photo = PhotoTab(PhotoAnswers(estimator, examples, album, network))
            with gr.Tab("Live", id="live-tab"):
                live_tab(estimator, BROWSER)
            with gr.Tab("Video", id="video-tab"):
                video = VideoTab(estimator, BROWSER)
            with gr.Tab("API", id="api-tab"):
                api_tab()
            with gr.Tab("About", id="about-tab"):
                about_tab(network)
        add_endpoints(estimator, video)
        photo.begin_with(page)
        page.unload(video.call_off)
    page.queue(max_size=MOST_WAITING, api_open=False)  # which would let calls go past the queue
    share_fairly(page)
    refuse_in_sentences(page)
    forget_unfetched(page)
    return page


def launch_options(room: Room) -> dict:
    """Options of `launch`: the page's own shell, the gate before the server, and nothing that reports or remembers."""
    styles, scripts = ("\n".join((BROWSER / f"{name}.{kind}").read_text() for name in names)
                       for names, kind in ((STYLES, "css"), (SCRIPTS, "js")))
    use_own_shell(NAME, DESCRIPTION, PICTURE, styles, scripts, (BROWSER / "first.js").read_text())
    return dict(app_kwargs={"lifespan": guard(Hosts.of_environment(), room), "routes": site_routes()}, ssr_mode=False,
                share=False, theme=theme(), footer_links=[], run_history=False, max_file_size=LARGEST_CLIP,
                state_session_capacity=MOST_SESSIONS)
