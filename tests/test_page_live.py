"""The live tab in a real browser, whose webcam plays a film of a right hand."""
import re
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from handpose import Camera
from handpose.clips.reading import read_clip
from page.tabs import live as live_tab

TAG = "#live .tags span"
# Where the hand's tag stands across the view, and the mesh as it is drawn, both as shares of the frame's width.
PLACES = """() => {
    const middle = (one) => { const box = one.getBoundingClientRect(); return box.left + box.width / 2; };
    const frame = document.querySelector("#live .frame").getBoundingClientRect();
    return ["#live .tags span", "#live .mesh"].map(
        (name) => (middle(document.querySelector(name)) - frame.left) / frame.width);
}"""
# The camera that a page holds, to see whether its light is out.
WATCH = """() => {
    const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
    window.tracks = [];
    media.getUserMedia = async (what) => {
        const stream = await open(what);
        window.tracks.push(...stream.getTracks());
        return stream;
    };
}"""
LIGHT_IS_ON = "() => window.tracks.some((track) => track.readyState === 'live')"


@pytest.fixture
def live(page):
    """The page with its camera running and a hand in view."""
    page.evaluate(WATCH)
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start the camera").click()
    page.locator(TAG).wait_for()
    return page


def test_the_hand_is_followed_with_its_side_and_the_rate_is_told(live):
    expect(live.locator(TAG)).to_have_count(1)
    expect(live.locator(TAG)).to_contain_text("Right")
    expect(live.locator("#live [data-live=words]")).to_have_text(re.compile(r"^[\d.]+ pictures a second"))
    assert live.evaluate(LIGHT_IS_ON)
    for choice, layer, other in (("Skeleton", "skeleton", "mesh"), ("Mesh", "mesh", "skeleton")):
        live.locator("#live .choice").get_by_text(choice, exact=True).click()
        expect(live.locator(f"#live .{layer}")).to_be_visible()
        expect(live.locator(f"#live .{other}")).to_be_hidden()


def test_the_mirror_moves_the_hand_but_not_its_side(live):
    mirrored = live.evaluate(PLACES)
    live.get_by_text("Mirror", exact=True).click()
    plain = live.evaluate(PLACES)
    assert plain == pytest.approx([1 - place for place in mirrored], abs=0.05)
    expect(live.locator(TAG)).to_contain_text("Right")


def blue(picture: np.ndarray) -> np.ndarray:
    """Where the colour of a right hand's mesh is, in which the film behind it has nothing."""
    red, _, blue = np.moveaxis(picture.astype(int), -1, 0)
    return blue - red > 70


def test_snapshots_and_recordings_hold_what_is_seen_and_never_leave_the_browser(live):
    sent = []
    live.on("request", lambda request: sent.append(request.url) if "upload" in request.url else None)
    with live.expect_download() as download:
        live.get_by_role("button", name="Snapshot").click()
    assert download.value.suggested_filename == "hands.png"
    picture = np.asarray(Image.open(download.value.path()).convert("RGB"))
    assert picture.shape == (240, 320, 3) and 0.01 < blue(picture).mean() < 0.5
    columns = np.nonzero(blue(picture))[1]
    assert columns.mean() / 320 == pytest.approx(live.evaluate(PLACES)[1], abs=0.06)  # as in the mirror

    live.get_by_role("button", name="Record").click()
    live.wait_for_timeout(1500)
    with live.expect_download() as download:
        live.get_by_role("button", name="Stop recording").click()
    assert download.value.suggested_filename.startswith("hands.")
    film = [rgb for _, rgb in read_clip(download.value.path())]
    assert film[-1].shape == (240, 320, 3)
    assert (blue(film[-1]) == blue(picture)).mean() > 0.9
    expect(live.get_by_role("button", name="Record", exact=True)).to_be_visible()
    assert not sent


@pytest.mark.parametrize("way", ["button", "another tab of the page"])
def test_it_stops_and_lets_the_camera_go(live, way):
    if way == "button":
        live.get_by_role("button", name="Stop", exact=True).click()
    else:
        live.get_by_role("tab", name="Photo").click()
    live.wait_for_function(f"!({LIGHT_IS_ON})()")
    live.get_by_role("tab", name="Live").click()
    expect(live.get_by_role("button", name="Start the camera")).to_be_visible()
    expect(live.locator("#live .frame canvas")).to_be_hidden()
    requests = []
    live.on("request", lambda request: requests.append(request.url) if "app_id" not in request.url else None)
    live.wait_for_timeout(800)
    assert not requests
    live.get_by_role("button", name="Start the camera").click()
    expect(live.locator(TAG)).to_contain_text("Right")


def test_a_camera_that_may_not_be_used_is_explained(page):
    page.evaluate("""() => { navigator.mediaDevices.getUserMedia =
        () => Promise.reject(new DOMException("no", "NotAllowedError")); }""")
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#live [data-live=words]")).to_contain_text("allow it in the browser's address bar")


def test_hands_are_drawn_before_the_camera_that_the_tracker_guesses(estimator, monkeypatch):
    """Without a browser: a hand that fills the picture narrows the lens, and what is drawn lies on it."""
    drawn = []
    monkeypatch.setattr(live_tab.stage, "layers", lambda hands, camera, width, height: drawn.append((hands, camera)))
    followers = live_tab.Followers(estimator)
    jpeg = (Path(__file__).parent / "photos" / "open_light.jpg").read_bytes()
    message = {"visitor": "visitor-1", "frame": "data:image/jpeg;base64," + b64encode(jpeg).decode()}
    answer = followers(message)
    assert answer["hands"] == 1 and "solid" not in answer
    ((hand,), camera), = drawn
    assert camera.source == "default" and camera.fx > 1.3 * Camera.of_photo(512, 512).fx
    assert np.allclose(camera.project(hand.joints_3d), hand.joints_2d)


def test_the_3d_view_gets_its_hands_in_the_same_answer_when_it_asks(estimator):
    followers = live_tab.Followers(estimator)
    jpeg = (Path(__file__).parent / "photos" / "open_light.jpg").read_bytes()
    message = {"visitor": "visitor-2", "frame": "data:image/jpeg;base64," + b64encode(jpeg).decode()}
    first, second, odd = (followers({**message, "solid": solid}) for solid in ("surface", "hands", {"x": 1}))
    assert set(first["solid"]) == {"picture", "hands", "surface"} and set(second["solid"]) == {"picture", "hands"}
    assert "solid" not in odd
    picture = second["solid"]["picture"]
    assert [picture["width"], picture["height"]] == [512, 512]
    (hand,) = second["solid"]["hands"]
    right, down, away = hand["wrist"]  # lies in the picture, before its camera
    assert away > 0 and 0 < right / away * picture["fx"] + picture["cx"] < 512
    assert 0 < down / away * picture["fy"] + picture["cy"] < 512
