"""Takes the README's picture of the page: start `make app`, then `python docs/take_pictures.py [ADDRESS]`."""
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "assets" / "examples" / "open_palm.jpg"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def main(address: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=[
            "--no-sandbox", "--use-gl=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.goto(address)
        page.locator("#photo input[type=file]").set_input_files(EXAMPLE)
        page.locator(".hands .hand").first.wait_for(timeout=60_000)
        page.wait_for_timeout(3000)  # the 3D view draws itself in
        page.screenshot(path=HERE / "page.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860")
