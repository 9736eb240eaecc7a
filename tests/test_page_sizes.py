"""The page on three screens, light and dark, by mouse and by finger: what is seen first, what it weighs, what fits."""
import re

import pytest
from page_steps import hand_lines
from playwright.sync_api import expect

SIZES = {"desk, dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
         "tablet, light": {"viewport": {"width": 768, "height": 1024}, "has_touch": True},
         "phone, dark": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True,
                         "color_scheme": "dark"}}
BOXES = """(what) => [...document.querySelectorAll(what)].map((one) => {
    const {x, y, width, height} = one.getBoundingClientRect();
    return [x + scrollX, y + scrollY, width, height];
})"""
SHIFT = """() => new Promise((done) => {
    setTimeout(done, 500, 0);  // where nothing has moved nothing is told
    new PerformanceObserver((list) => done(list.getEntries().reduce((sum, one) => sum + one.value, 0)))
        .observe({type: "layout-shift", buffered: true});
})"""
SMALL = """() => [...document.querySelectorAll("#photo-tab :is(button, summary, .choice span)")]
    .filter((one) => one.checkVisibility() && !one.closest(".marks, #options"))
    .filter((one) => one.getBoundingClientRect().height < 44)
    .map((one) => one.outerHTML.slice(0, 100))"""


@pytest.fixture(params=SIZES)
def page_options(request):
    return SIZES[request.param]


def test_the_result_is_seen_before_gradio_is_there_and_stays_where_it_is(page, page_options):
    width, touch = page_options["viewport"]["width"], page_options.get("has_touch", False)
    hand_lines(page)
    assert page.evaluate(SHIFT) < 0.05
    loaded = page.evaluate("performance.getEntriesByType('resource').map(({name}) => name)")
    assert not [name for name in loaded if "hls" in name or "Video" in name or name.endswith(".woff2")]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    end = max(y + height for _, y, _, height in page.evaluate(BOXES, "#photo-tab > *, #inputs > *"))
    assert page.evaluate("document.documentElement.scrollHeight") - max(end, page_options["viewport"]["height"]) < 40
    if touch:
        assert not page.evaluate(SMALL)
    stays = page.evaluate(BOXES, "#title h1, #stage .frame")
    page.route("**/assets/*.js", lambda route: route.abort())
    page.reload(wait_until="commit")
    expect(page.locator("#first .mesh").last).to_be_visible()
    assert page.evaluate("[...document.querySelectorAll('#first .photo')].every((photo) => photo.naturalWidth > 0)")
    title, stage, poster = page.evaluate(BOXES, "#first h1, #first .frame")
    assert title == pytest.approx(stays[0], abs=2)
    assert stage == pytest.approx(stays[1], abs=24 if width > 1000 else 400)  # what a tablet has above comes later
    assert poster[2:] == pytest.approx(stage[2:], abs=2)
    dark = page_options.get("color_scheme") == "dark"
    color = page.evaluate("getComputedStyle(document.querySelector('#first')).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", color)[:3])) < 60) == dark


def test_the_live_view_is_as_tall_as_its_picture(page):
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start the camera").click()
    page.locator("#live .tags span").wait_for()
    stage, room = page.evaluate(BOXES, "#live .stage")
    picture, = page.evaluate(BOXES, "#live .frame canvas")
    assert stage[3] == pytest.approx(picture[3], abs=2)
    assert room[2:] == pytest.approx(stage[2:], abs=2)
    assert picture[2] / picture[3] == pytest.approx(4 / 3, abs=0.02)
