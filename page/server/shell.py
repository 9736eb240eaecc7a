"""The HTML around Gradio's page: its style sheets and scripts, what other sites show of a link to it, and its icons.

Gradio's own would be called "Gradio" in every preview of a link, and would bring styles and scripts only after its own
2 MB of them have come.
"""
from __future__ import annotations

import re
from html import escape
from pathlib import Path

from gradio.routes import templates
from jinja2 import ChoiceLoader, DictLoader
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from handpose.shipped import shipped

INDEX, GRADIOS = "frontend/index.html", templates.env.loader
SITE = Path(__file__).parents[1] / "site"  # icons, manifest and the picture of a link, which anybody may fetch
GRADIOS_OWN = re.compile(r"""<meta\s+(?:property="og:|name="twitter:)[^>]*/>\s*|<link rel="manifest"[^>]*/>\s*""")
# `config.root` is where visitors reach the page, proxies included: previews of links need whole addresses.
HEAD = """<title>{title}</title>
<meta name="description" content="{description}" />
<meta property="og:type" content="website" />
<meta property="og:title" content="{title}" />
<meta property="og:description" content="{description}" />
<meta property="og:url" content="{{{{ config.get('root', '') }}}}/" />
<meta property="og:image" content="{{{{ config.get('root', '') }}}}/site/preview.jpg" />
<meta property="og:image:width" content="1200" />
<meta property="og:image:height" content="630" />
<meta property="og:image:alt" content="{picture}" />
<meta name="twitter:card" content="summary_large_image" />
<meta name="theme-color" content="#faf7f4" media="(prefers-color-scheme: light)" />
<meta name="theme-color" content="#1c1917" media="(prefers-color-scheme: dark)" />
<link rel="icon" type="image/png" href="./site/icon-192.png" />
<link rel="apple-touch-icon" href="./site/icon-192.png" />
<link rel="manifest" href="./site/manifest.webmanifest" />
<style>{styles}</style>
<script>{scripts}</script>
"""
FIRST = """<div id="first" class="gradio-container" inert></div>
<script>{script}</script>
"""


def use_own_shell(title: str, description: str, picture: str, styles: str, scripts: str, first: str) -> None:
    """Has Gradio serve this HTML in the place of its own; `picture` says what the preview's picture shows, `first` is
    the script that fills the page until Gradio does."""
    source, *_ = GRADIOS.get_source(templates.env, INDEX)
    told = {name: escape(text) for name, text in (("title", title), ("description", description), ("picture", picture))}
    head = HEAD.format(**told, styles=_raw(styles), scripts=_raw(scripts))
    own = GRADIOS_OWN.sub("", source).replace('<meta charset="utf-8" />', f'<meta charset="utf-8" />\n{head}', 1)
    own = own.replace("<gradio-app", f"{FIRST.format(script=_raw(first))}<gradio-app", 1)
    templates.env.loader = ChoiceLoader([DictLoader({INDEX: own}), GRADIOS])


def _raw(text: str) -> str:
    """Text that Jinja passes on as it is."""
    return "{% raw %}" + text + "{% endraw %}"


def site_routes() -> list[Route | Mount]:
    """Icons, manifest and preview, and as texts the network's card and the licences of what ships."""
    texts = {"card": shipped("checkpoints") / "README.md", "licences": shipped("assets") / "README.md"}
    answers = {name: PlainTextResponse(path.read_text()) for name, path in texts.items()}
    return [Route(f"/site/{name}.txt", lambda _, answer=answer: answer) for name, answer in answers.items()] + [
        Mount("/site", StaticFiles(directory=SITE))]
