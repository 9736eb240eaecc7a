"""What several test files share: data to train on, and the page in a real browser."""
from urllib.parse import urlsplit

import pytest
from stranger_files import paint_walls

from benchmarks.running_page import RunningPage
from handpose import HandEstimator
from train.make_clip import make_clip
from train.pseudo_label import label_folder
from train.synthesize import Job, synthesize

RENDERS = 24
PATIENCE = 120_000  # ms; a shared machine may be slow


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """A folder with backgrounds/ that were painted, renders/ before them and landmarks.npz, what is seen in them."""
    folder = tmp_path_factory.mktemp("data")
    paint_walls(folder / "backgrounds", 4)
    job = Job(str(folder / "renders"), None, (str(folder / "backgrounds"),), RENDERS, size=160, shard=8)
    synthesize(job, progress=False)
    label_folder(folder / "renders", folder / "landmarks.npz", processes=1, views=2)
    return folder


@pytest.fixture(scope="session")
def estimator():
    """With the models that ship. Shared: copy it before you change it."""
    return HandEstimator.load()


@pytest.fixture(scope="session")
def running_page(tmp_path_factory):
    """`app.py`, running."""
    with RunningPage(tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Chromium, whose webcam sees a right hand of our own generator."""
    from playwright.sync_api import expect, sync_playwright

    from benchmarks.browser import launch

    expect.set_options(timeout=PATIENCE)
    film = tmp_path_factory.mktemp("webcam") / "hand.y4m"
    make_clip(film, motion="rest", frames=3, hands=1, width=320, height=240, fps=5, seed=2)
    with sync_playwright() as playwright:
        browser = launch(playwright, film)
        yield browser
        browser.close()


@pytest.fixture
def page_options():
    """Of the browser's page, which stands still unless it is asked to move; test files override it."""
    return {"viewport": {"width": 1366, "height": 768}}


@pytest.fixture
def page(running_page, browser, page_options):
    """The page, freshly opened. Afterwards: no request went to another host, and nothing broke unseen."""
    context = browser.new_context(permissions=["camera", "clipboard-read", "clipboard-write"],
                                  **{"reduced_motion": "reduce", **page_options})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    hosts, errors = set(), []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).netloc))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(running_page.address)
    page.locator("#photo input[type=file]").wait_for(state="attached")
    page.wait_for_function("document.querySelector('#figure .js-plotly-plot')?._fullLayout")
    yield page
    context.close()
    assert hosts - {""} == {urlsplit(running_page.address).netloc}  # "" is data: and blob:, which leave no machine
    assert not errors
    assert "Traceback" not in running_page.log.read_text()
