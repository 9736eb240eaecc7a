"""The page for everybody: keyboard, names for screen readers, contrast, a phone, a server that is away."""
import html
import io
import re

import cv2
import httpx
import numpy as np
import pytest
from page_steps import PHOTO, hand_lines, options, upload, visible_layers
from PIL import Image
from playwright.sync_api import expect


def test_a_link_to_the_page_has_its_own_name_picture_and_icon_and_comes_compressed(running_page):
    answer = httpx.get(running_page.address, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    told = {name: html.unescape(text) for name, text in
            re.findall(r'<meta (?:property|name)="([\w:]+)" content="([^"]*)"', answer.text)}
    assert told["og:title"] == "A 3D hand from one photo" and f"<title>{told['og:title']}</title>" in answer.text
    assert "turn it around" in told["og:description"] and told["og:url"] == f"{running_page.address}/"
    assert "{url}" not in answer.text and 'content="Gradio"' not in answer.text
    picture = Image.open(io.BytesIO(httpx.get(told["og:image"]).content))
    assert picture.size == (1200, 630) and told["og:image"].startswith(running_page.address)
    base = httpx.URL(f"{running_page.address}/")
    manifest = base.join(re.search(r'rel="manifest" href="([^"]+)"', answer.text)[1])
    for icon in httpx.get(manifest).json()["icons"]:
        size = tuple(map(int, icon["sizes"].split("x")))
        assert Image.open(io.BytesIO(httpx.get(manifest.join(icon["src"])).content)).size == size
    assert httpx.get(base.join("site/../layout.py")).status_code == 404
    assert httpx.get(base.join("site/%2e%2e/layout.py")).status_code == 404


def test_the_opened_tab_is_in_the_address_and_back_goes_back(page, running_page):
    page.get_by_role("tab", name="API").click()
    page.get_by_role("tab", name="Live").click()
    assert page.url == f"{running_page.address}/#live"
    page.go_back()
    expect(page.get_by_role("tab", name="API")).to_have_attribute("aria-selected", "true")
    page.reload()
    expect(page.get_by_role("tab", name="API")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(page.get_by_role("tab", name="Photo")).to_have_attribute("aria-selected", "true")


def test_the_server_may_go_and_come_back(page):
    page.route("**/app_id", lambda route: route.abort())
    expect(page.get_by_role("alert").filter(has_text="The server does not answer")).to_be_visible()
    page.unroute("**/app_id")
    expect(page.locator("#lost")).to_have_count(0)


def test_everything_that_can_be_used_has_a_name_and_the_keyboard_reaches_it(page):
    options(page)
    nameless = page.evaluate("""() => [...document.querySelectorAll("button, input, select, textarea, [role=button]")]
        .filter((one) => one.checkVisibility() && one.type !== "file")
        .filter((one) => !(one.innerText?.trim() || one.ariaLabel || one.title || one.labels?.length
                           || one.closest("label")))
        .map((one) => one.outerHTML.slice(0, 200))""")
    assert not nameless
    page.locator("input[name=show]").first.focus()
    page.keyboard.press("ArrowRight")
    assert visible_layers(page) == {"skeleton"}
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "opacity"


def test_the_apis_examples_tell_this_page_s_address(page, running_page):
    page.get_by_role("tab", name="API").click()
    expect(page.locator("#api")).to_contain_text(f'Client("{running_page.address}")')
    expect(page.locator("#api")).not_to_contain_text("ADDRESS")


# Text on the colour that really lies behind it, by WCAG 2.2's contrast.
CONTRASTS = """() => {
    const number = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    const linear = (v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const light = (color) => color.slice(0, 3).map((v) => linear(v / 255))
        .reduce((sum, v, k) => sum + v * [.2126, .7152, .0722][k], 0);
    const behind = (one) => {
        for (; one; one = one.parentElement) {
            const style = getComputedStyle(one), color = number(style.backgroundColor);
            if (style.backgroundImage !== "none" && style.backgroundImage.includes("rgb"))
                return number(style.backgroundImage.match(/rgb\\([^)]*\\)/g)[1] ?? "rgb(255,255,255)");
            if (color.length < 4 || color[3] > .9) return color;
        }
        return number(getComputedStyle(document.body).backgroundColor);
    };
    return [...document.querySelectorAll("#title p, .bar *, .hand *, .note, .message *, #downloads button, .label," +
                                         "[role=tab], #photo p, .frame p, .block-info, label span, .before *")]
        .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
        .filter((one) => one.checkVisibility())
        .filter((one) => one.textContent.trim() && getComputedStyle(one).color !== "rgba(0, 0, 0, 0)")
        .map((one) => {
            const [a, b] = [light(number(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
            return [(a + .05) / (b + .05), one.textContent.trim().slice(0, 40), one.className?.toString().slice(0, 30)];
        }).filter(([contrast]) => contrast < 4.5);
}"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_in_light_and_in_dark(page, running_page, dark):
    page.goto(f"{running_page.address}/?__theme={'dark' if dark else 'light'}")
    page.locator(".hand").first.wait_for()
    background = page.evaluate("getComputedStyle(document.querySelector('.gradio-container')).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", background)[:3])) < 60) == dark
    options(page)
    page.wait_for_timeout(500)
    assert page.evaluate(CONTRASTS) == []


class TestOnAPhone:
    @pytest.fixture
    def page_options(self):
        return {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}

    def test_it_fits(self, page):
        upload(page, "hand.jpg", PHOTO.read_bytes())
        hand_lines(page)
        page.wait_for_function("document.querySelector('#figure .js-plotly-plot')?.data?.length")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for view in ("#stage", "#figure .js-plotly-plot"):
            box = page.locator(view).bounding_box()
            assert 250 < box["width"] <= 390 and 250 < box["height"] <= 500
        expect(page.locator("#stage")).to_be_in_viewport()  # the result is scrolled to
        before = cv2.imdecode(np.frombuffer(page.locator("#stage").screenshot(), np.uint8), 1)
        page.locator("#views .choice").get_by_text("Skeleton", exact=True).tap()
        after = cv2.imdecode(np.frombuffer(page.locator("#stage").screenshot(), np.uint8), 1)
        assert (before != after).mean() > 0.01
