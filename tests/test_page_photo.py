"""The photo tab as a visitor has it: app.py as a server, in a real browser."""
import base64
import io
import json
import re
import zipfile

import numpy as np
import pytest
from page_steps import (
    DRAWN_JOINTS,
    FIGURE,
    PHOTO,
    ROOT,
    SHOWN,
    TWO_HANDS,
    delete,
    hand_lines,
    jpeg,
    message,
    mirrored_photo,
    options,
    settled,
    shown_photo,
    upload,
    visible_layers,
    with_exif,
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
    assert lines[0].startswith("Right hand Sure, ")
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


# ---- how it is shown: by the browser alone

def test_parts_opacity_and_comparison_change_at_once_and_ask_the_server_nothing(page):
    upload(page, "hand.jpg", PHOTO.read_bytes())
    page.wait_for_timeout(1000)
    requests = []
    page.on("request", lambda request: requests.append(request.url) if "app_id" not in request.url else None)
    assert visible_layers(page) == {"mesh"}
    for choice, layers in (("Skeleton", {"skeleton"}), ("Both", {"mesh", "skeleton"}), ("Mesh", {"mesh"})):
        page.locator("#views .choice").get_by_text(choice, exact=True).click()
        assert visible_layers(page) == layers
        visible = {trace["type"]: trace["visible"] for trace in page.evaluate(FIGURE)["traces"]}
        assert visible == {"mesh3d": "mesh" in layers, "scatter3d": "skeleton" in layers}
    page.locator("input[name=opacity]").fill("30")
    expect(page.locator("#stage .mesh")).to_have_css("opacity", "0.3")

    drawn = page.locator("#stage .drawn")
    page.get_by_text("Compare").click()
    expect(drawn).to_have_css("clip-path", "inset(0px 0px 0px 50%)")
    swipe = page.get_by_role("slider", name=re.compile("Compare"))
    swipe.focus()
    page.keyboard.press("Home")
    expect(drawn).to_have_css("clip-path", re.compile(r"inset\(0px( 0px 0px 0%)?\)"))
    box = swipe.bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"])
    assert float(re.search(r"([\d.]+)%", drawn.evaluate("one => getComputedStyle(one).clipPath"))[1]) > 70
    assert not requests


DOTS = """() => [...document.querySelectorAll("#stage .skeleton circle")].map((dot) => {
    const {x, y, width, height} = dot.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
})"""
BACKDROP = """() => {
    const photo = document.querySelector("#figure .backdrop canvas");
    const {x, y, width, height} = photo.getBoundingClientRect();
    return {box: [x, y, width, height], seen: Number(getComputedStyle(photo).opacity)};
}"""


def places(page, what: str) -> np.ndarray:
    """Where points are (.., 2), in shares of the photo's height from its upper left corner, in either view."""
    frame = page.locator("#stage .frame").bounding_box() if what == DOTS else None
    x, y, _, height = [frame[key] for key in ("x", "y", "width", "height")] if frame else page.evaluate(BACKDROP)["box"]
    points = page.evaluate(what)
    return (np.array(points if what == DOTS else sum(points, [])) - [x, y]) / height


def test_the_3d_view_starts_as_the_photos_camera_saw_it_and_turns_out_of_it(page):
    upload(page, "two.jpg", TWO_HANDS.read_bytes())
    page.locator("#views .choice").get_by_text("Both", exact=True).click()
    stage, started = places(page, DOTS), places(page, DRAWN_JOINTS)
    apart = np.linalg.norm(stage[:, None] - started, axis=2)
    assert len(started) == 2 * 25 and apart.min(0).max() < 0.008 and apart.min(1).max() < 0.008  # 2 of 240 pixels
    assert page.evaluate(BACKDROP)["seen"] == 1
    camera = page.get_by_role("button", name="Camera", exact=True)
    expect(camera).to_have_attribute("aria-pressed", "true")

    middle = started.mean(0)
    box = page.locator("#figure").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    expect(camera).to_have_attribute("aria-pressed", "false")
    turned = page.evaluate(BACKDROP)
    assert turned["seen"] < 1  # the photo fades as it is seen from aside
    assert np.linalg.norm(places(page, DRAWN_JOINTS).mean(0) - middle) > 0.01 or turned["box"][2] < box["width"]
    camera.click()
    np.testing.assert_allclose(places(page, DRAWN_JOINTS), started, atol=0.005)


def test_named_views_are_kept_by_options_and_end_with_the_photo(page):
    upload(page, "hand.jpg", PHOTO.read_bytes())
    page.locator("#views .choice").get_by_text("Both", exact=True).click()
    joints = {}
    for name in ("Front", "Side", "Top"):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "true")
        joints[name] = np.array(page.evaluate(DRAWN_JOINTS)[0])
        assert page.evaluate(BACKDROP)["seen"] == 0
    wrist, knuckle = 10, 11  # of the middle finger: the trace runs from the wrist through one after the other
    for name in ("Front", "Side"):
        assert joints[name][wrist, 1] - joints[name][knuckle, 1] > 60  # pixels: the fingers stand upright
    palm = {name: np.linalg.norm(seen[wrist] - seen[knuckle]) for name, seen in joints.items()}
    assert palm["Top"] < 0.5 * palm["Front"]  # seen from its end

    page.locator("#figure").focus()
    page.keyboard.press("ArrowLeft")
    eye = page.evaluate(FIGURE)["eye"]
    options(page)
    page.get_by_label("Field of view").check()
    expect(page.locator("#options .note")).to_contain_text("you gave")
    assert page.evaluate(FIGURE)["eye"] == pytest.approx(eye, rel=0.01)  # in units of what the hands need
    upload(page, "other.jpg", mirrored_photo())
    expect(page.get_by_role("button", name="Camera", exact=True)).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(BACKDROP)["seen"] == 1


def test_one_hand_can_be_looked_at_alone(page):
    upload(page, "two.jpg", TWO_HANDS.read_bytes())
    visible = "() => document.querySelector('#figure .js-plotly-plot').data.map((trace) => trace.visible)"
    page.get_by_role("button", name="Hand 2 alone").click()
    assert page.evaluate(visible) == [False, True, False, False]
    page.locator("#views .choice").get_by_text("Both", exact=True).click()
    assert page.evaluate(visible) == [False, True, False, True]
    page.get_by_role("button", name="All hands").click()
    assert page.evaluate(visible) == [True] * 4


# ---- options

def test_the_focal_length_comes_from_the_file_unless_the_visitor_gives_one(page):
    width, height = Image.open(PHOTO).size
    focal = 26 * np.hypot(width, height) / np.hypot(36, 24)
    field_of_view = f"{np.degrees(2 * np.arctan(max(width, height) / 2 / focal)):.0f}°"
    upload(page, "phone.jpg", with_exif(26))
    options(page)
    note = page.locator("#options .note")
    expect(note).to_contain_text("the photo's file")
    expect(note).to_contain_text(field_of_view)
    page.get_by_label("Field of view").check()
    expect(note).to_contain_text("you gave")
    number = page.locator("#options input[type=number]").first
    number.fill("40")
    expect(note).to_contain_text("field of view 40°")
    near = hand_lines(page)[0]
    number.fill("20")
    expect(note).to_contain_text("field of view 20°")
    expect(page.locator(".hand").first).not_to_have_text(near)
    number.fill("200")
    assert "between 1 and 179" in message(page)
    in_use = round(max(width, height) / 2 / np.tan(np.radians(10)))
    page.get_by_label("Focal length").check()
    expect(number).to_have_value(str(in_use))
    expect(note).to_contain_text(f"focal length {in_use} pixels")
    page.get_by_label("Automatic").check()
    expect(note).to_contain_text(field_of_view)


def test_most_hands_left_hands_and_least_confidence_choose_among_the_hands(page):
    upload(page, "two.jpg", TWO_HANDS.read_bytes())
    both = hand_lines(page)
    assert sorted(line.split()[0] for line in both) == ["Left", "Right"]
    options(page)
    cards = page.locator(".hand")
    page.get_by_label("number input for Most hands").fill("1")
    expect(cards).to_have_count(1)
    assert hand_lines(page) == both[:1]  # the surer one
    page.get_by_label("number input for Most hands").fill("10")
    expect(cards).to_have_count(2)
    page.get_by_label("Left hands, too").uncheck()
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("Right hand")
    page.get_by_label("Left hands, too").check()
    expect(cards).to_have_count(2)
    scores = sorted(float(re.search(r"(\d+)%", line)[1]) for line in both)
    if scores[1] < 95 - 1:
        pytest.fail("The example's hands are expected to be sure ones.")
    page.get_by_label("number input for Least confidence").fill("0.95")
    expect(cards).to_have_count(sum(score >= 95 for score in scores))


def test_a_mirrored_photo_is_turned_back_first(page):
    upload(page, "selfie.jpg", mirrored_photo())
    assert hand_lines(page)[0].startswith("Left hand")
    options(page)
    before = page.evaluate(SHOWN)
    page.get_by_label("The photo is mirrored").check()
    settled(page, before)
    assert hand_lines(page)[0].startswith("Right hand")
    assert np.abs(shown_photo(page) - np.asarray(Image.open(PHOTO).convert("RGB"), int)).mean() < 4


# ---- which hand is which, and what the page got wrong

def test_a_hand_is_the_same_in_photo_cards_and_numbers(page):
    upload(page, "two.jpg", TWO_HANDS.read_bytes())
    for number, card in enumerate(page.locator("#found .hand").all(), 1):
        mark = page.locator(f"#stage .mark[data-hand='{number}']")
        assert mark.inner_text() == card.locator(".number").inner_text() == str(number)
        card.hover()
        expect(mark).to_have_class(re.compile("lit"))
        assert page.locator("#stage .mark.lit").count() == 1
        mark.focus()
        expect(card).to_have_class(re.compile("lit"))
        assert card.locator("tbody tr").count() == 5
        assert re.fullmatch(r"−?\d+°", card.locator(".bends b").first.inner_text())


def test_a_missed_hand_is_drawn_in_tapped_or_moved_to_and_each_step_can_be_undone(page):
    upload(page, "two.jpg", TWO_HANDS.read_bytes())
    cards, stage = page.locator("#found .hand"), page.locator("#stage .frame")
    whole = hand_lines(page)
    place = page.locator("#stage .mark[data-hand='1']").evaluate("""(mark) => {
        const [frame, box] = [mark.closest(".frame"), mark].map((one) => one.getBoundingClientRect());
        return [box.left - frame.left, box.top - frame.top, box.right - frame.left, box.bottom - frame.top];
    }""")
    side = whole[0].split()[0]
    for way in ("box", "tap"):
        cards.first.get_by_role("button", name="Not a hand").click()
        expect(cards).to_have_count(1)
        page.get_by_role("button", name="Add a hand").click()
        corner, (left, top, right, bottom) = stage.bounding_box(), place
        if way == "box":
            page.mouse.move(corner["x"] + left, corner["y"] + top)
            page.mouse.down()
            page.mouse.move(corner["x"] + right, corner["y"] + bottom, steps=3)
            page.mouse.up()
        else:
            page.mouse.click(corner["x"] + (left + right) / 2, corner["y"] + (top + bottom) / 2)
        expect(cards).to_have_count(2)
        assert hand_lines(page)[1].startswith(f"{side} hand")
        for count in (1, 2):
            page.get_by_role("button", name="Undo").click()
            expect(cards).to_have_count(count)
        assert hand_lines(page) == whole
    expect(page.get_by_role("button", name="Undo")).to_be_hidden()

    page.get_by_role("button", name="Add a hand").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("application", name=re.compile("draw a box"))).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    expect(cards).to_have_count(3)
    page.get_by_role("button", name="Undo").click()
    expect(cards).to_have_count(2)

    other = "left" if side == "Right" else "right"
    cards.first.get_by_role("button", name=f"It is a {other} hand").click()
    page.wait_for_function(f"() => [...document.querySelectorAll('#found .hand b')].filter((one) => one.textContent"
                           f" === '{other.capitalize()} hand').length === 2")


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
    page.wait_for_function("document.querySelector('#video video, #video .file-name, #video [data-testid]')")


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


def test_the_picture_is_copied_as_it_is_seen(page):
    upload(page, "hand.jpg", PHOTO.read_bytes())
    page.locator("#views .choice").get_by_text("Both", exact=True).click()
    page.get_by_role("button", name="Copy picture").click()
    page.get_by_role("button", name="Copied").wait_for()
    data = page.evaluate("""async () => {
        const [item] = await navigator.clipboard.read(), blob = await item.getType("image/png");
        return new Promise((done) => { const reader = new FileReader(); reader.onload = () => done(reader.result);
                                       reader.readAsDataURL(blob); });
    }""")
    copied = np.asarray(Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))).convert("RGB"), int)
    photo = np.asarray(Image.open(PHOTO).convert("RGB"), int)
    assert copied.shape == photo.shape
    assert 0.02 < (np.abs(copied - photo).max(-1) > 40).mean() < 0.6
