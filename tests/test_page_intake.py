"""What comes into the photo tab, one photo or several, and what is none: app.py as a server, in a real browser."""
import base64
import json
import re
import zipfile

import numpy as np
import pytest
from page_steps import (
    FIGURE,
    PHOTO,
    ROOT,
    SHOWN,
    TWO_HANDS,
    delete,
    hand_lines,
    jpeg,
    message,
    options,
    settled,
    shown_photo,
    upload,
)
from PIL import Image
from playwright.sync_api import expect

from page.content.examples import EXAMPLES

# ---- first visit, and a photo of one's own

def test_the_first_visit_shows_an_example_already_solved(page):
    assert page.evaluate(SHOWN).startswith("example-")
    assert page.locator(".hand").count() >= 1
    figure = page.evaluate(FIGURE)
    assert sum(trace["type"] == "mesh3d" for trace in figure["traces"]) == page.locator(".hand").count()
    expect(page.locator("#found")).to_contain_text("This is an example")
    assert page.locator("#examples button").count() == len(EXAMPLES)


def test_a_photo_becomes_an_overlay_a_turnable_hand_and_a_card(page):
    upload(page, "holiday.jpg", PHOTO.read_bytes())
    lines = hand_lines(page)
    assert len(lines) == 1
    assert re.match(r"Right hand (\w+ )*Sure it is a hand, \d+% · pose known to about \d+ mm", lines[0])
    assert 10 < float(re.search(r"(\d+) cm away", lines[0])[1]) < 300
    assert "thumb" in page.locator(".bends").get_attribute("aria-label")

    photo = np.asarray(Image.open(PHOTO).convert("RGB"), int)
    assert shown_photo(page).shape == photo.shape
    assert np.abs(shown_photo(page) - photo).mean() < 3  # a JPEG of it
    mesh, frame = (page.locator(f"#stage {part}").bounding_box() for part in (".mesh", ".frame"))
    truth = np.array(json.loads((ROOT / "tests" / "data" / "hand_right.json").read_text())["joints_2d"])
    low, high = truth.min(0) / photo.shape[1::-1], truth.max(0) / photo.shape[1::-1]
    box = np.array([(mesh["x"] - frame["x"]) / frame["width"], (mesh["y"] - frame["y"]) / frame["height"],
                    (mesh["x"] + mesh["width"] - frame["x"]) / frame["width"],
                    (mesh["y"] + mesh["height"] - frame["y"]) / frame["height"]])
    assert np.abs(box - [*low, *high]).max() < 0.15  # the mesh is a little larger than its joints

    faces, rim = np.load(ROOT / "assets" / "open_hand.npz")["f"], 20
    figure = page.evaluate(FIGURE)
    closed_and_divided = 4 * (len(faces) + rim)
    assert [trace["triangles"] for trace in figure["traces"] if trace["type"] == "mesh3d"] == [closed_and_divided]


GIVE = """([name, data, way]) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, {type: way === "drop" ? "" : "image/jpeg"}));
    const target = document.querySelector(way === "drop" ? "#stage" : "body");
    target.dispatchEvent(way === "drop"
        ? new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true})
        : new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true}));
}"""


@pytest.mark.parametrize(("way", "name"), [("paste", "pasted.jpg"), ("drop", "dropped.heic")])
def test_photos_are_taken_wherever_they_are_pasted_or_dropped(page, way, name):
    """A browser may not know a file's kind (HEIC on Windows): what it is, the server finds out."""
    before = page.evaluate(SHOWN)
    page.evaluate(GIVE, [name, base64.b64encode(PHOTO.read_bytes()).decode(), way])
    settled(page, before)
    assert len(hand_lines(page)) == 1
    page.get_by_role("button", name="Python code").click()
    expect(page.locator(".snippet code")).to_contain_text(name)


def test_a_webcam_shot_is_not_mirrored(page):
    """The browser's webcam sees a right hand."""
    before = page.evaluate(SHOWN)
    page.get_by_role("button", name="Take a photo").click()
    page.wait_for_function("document.querySelector('#photo video').videoWidth > 0")
    assert "-1" in page.evaluate("getComputedStyle(document.querySelector('#photo video')).transform")  # as in a mirror
    assert page.evaluate(SHOWN) == before and page.locator(".hand").count()  # nothing is lost yet
    page.get_by_role("button", name="Take it").click()
    settled(page, before)
    assert [line.split(" hand")[0] for line in hand_lines(page)] == ["Right"]


def test_deleting_the_only_photo_clears_the_result(page):
    upload(page, "hand.jpg", PHOTO.read_bytes())
    delete(page)
    expect(page.locator(".hand")).to_have_count(0)
    expect(page.locator("#stage .photo")).to_have_count(0)
    page.wait_for_function("!document.querySelector('#figure .js-plotly-plot')?.data?.length")


def test_a_picture_without_a_hand_gets_advice_and_a_bad_file_a_reason(page):
    ramp = np.linspace(90, 160, 320).astype(np.uint8)
    upload(page, "wall.jpg", jpeg(np.dstack([np.tile(ramp, (240, 1))] * 3)))
    assert message(page).startswith("No hand found") and "What helps" in message(page)
    assert "No hand" in page.evaluate(FIGURE)["words"]

    expect(page.locator("#downloads")).to_be_hidden()
    delete(page)
    expect(page.locator(".message")).to_have_count(0)
    upload(page, "notes.jpg", b"These are no pixels.")
    assert "notes.jpg is not an image" in message(page)

    upload(page, "hand.jpg", PHOTO.read_bytes())  # and the page works on
    expect(page.locator(".message")).to_have_count(0)
    assert len(hand_lines(page)) == 1


# ---- many photos, and what is none

def test_several_photos_become_a_strip_that_outlives_a_reload_and_one_zip(page):
    photos = ROOT / "tests" / "photos"
    page.locator("#photo input[type=file]").set_input_files([photos / "two_fists.jpg", photos / "open_dark.jpg", PHOTO])
    expect(page.locator("#strip li:not(.waits)")).to_have_count(3)
    expect(page.locator("#strip [aria-current=true]")).to_have_attribute("title", "two_fists.jpg, 2 hands")
    page.get_by_role("button", name="open_dark.jpg, 1 hand", exact=True).click()
    expect(page.locator(".hand")).to_have_count(1)
    options(page)
    page.get_by_label("Focal length").check()
    expect(page.locator("#options .note")).to_contain_text("you gave")  # its number is there, too
    page.locator("#options input[type=number]").first.fill("900")
    expect(page.locator("#options .note")).to_contain_text("focal length 900 pixels")
    line = hand_lines(page)
    page.reload()
    expect(page.locator("#strip [aria-current=true]")).to_have_attribute("title", "open_dark.jpg, 1 hand")
    expect(page.locator(".hand")).to_have_count(1)
    assert hand_lines(page)[0].split(" Angles")[0] == line[0].split(" Angles")[0]  # the distance is the told lens's
    options(page)
    expect(page.locator("#options input[type=number]").first).to_have_value("900")
    with page.expect_download() as download:
        page.get_by_role("button", name="All as one ZIP").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        folders = {name.split("/")[0] for name in archive.namelist()}
        assert folders == {"two_fists", "open_dark", "hand_right"} and "open_dark/open_dark.glb" in archive.namelist()
    delete(page)
    expect(page.locator("#strip li")).to_have_count(2)


def test_a_clip_goes_to_its_tab_and_what_is_neither_gets_a_sentence(page):
    give = """([name, type]) => handpose.give([new File(["x"], name, {type})])"""
    page.evaluate(give, ["notes.txt", "text/plain"])
    expect(page.locator("#photo .said")).to_have_text("notes.txt is neither a photo nor a clip.")
    page.evaluate(give, ["waving.mp4", "video/mp4"])
    expect(page.get_by_role("tab", name="Video")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#video-said")).to_contain_text("waving.mp4 is no video")  # it was sent there


def test_while_a_photo_is_looked_at_it_stands_on_the_stage_and_the_rest_steps_back(page):
    upload(page, "hand.jpg", PHOTO.read_bytes())
    held = []
    page.route("**/upload", lambda route: held.append(route))
    page.locator("#photo input[type=file]").set_input_files(TWO_HANDS)
    expect(page.locator("#stage .coming p")).to_have_text("Looking for hands…")
    assert page.locator("#stage .coming img").evaluate("(image) => image.naturalWidth") == Image.open(TWO_HANDS).width
    expect(page.locator("#downloads").get_by_role("button", name="GLB")).to_be_disabled()
    assert float(page.locator("#found").evaluate("(one) => getComputedStyle(one).opacity")) < .6
    before = page.evaluate(SHOWN)
    held[0].continue_()
    settled(page, before)
    expect(page.locator("#stage .coming")).to_have_count(0)
    expect(page.locator("#downloads").get_by_role("button", name="GLB")).to_be_enabled()
