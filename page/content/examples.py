"""The examples that come with the page: real photos and renderings, solved when the page starts."""
from __future__ import annotations

from base64 import b64encode
from html import escape
from pathlib import Path

from handpose import HandEstimator

from ..analysis import Analysis, analyse

# Files of assets/ and what they show, in the order in which they are offered; the first is shown to who comes.
EXAMPLES = {"back": ("photos/back.jpg", "the back of a hand"), "palm": ("photos/palm.jpg", "a palm"),
            "dark": ("photos/dark.jpg", "a palm before a window"), "pointing": ("photos/pointing.jpg", "pointing"),
            "fists": ("photos/fists.jpg", "two fists"), "glove": ("photos/glove.jpg", "a glove"),
            "glasses": ("photos/glasses.jpg", "holding glasses"), "grey": ("photos/grey.jpg", "black and white"),
            "ok": ("examples/ok.jpg", "an OK sign, rendered"),
            "two_hands": ("examples/two_hands.jpg", "two hands, rendered")}


class Examples:
    """Their analyses by name; where `assets` comes without them, as in the installed package, there are none."""

    def __init__(self, estimator: HandEstimator, assets: Path):
        self.estimator = estimator
        self.paths = {name: assets / file for name, (file, _) in EXAMPLES.items() if (assets / file).exists()}
        self._analyses = {name: analyse(estimator, str(path), key=f"example-{name}")
                          for name, path in self.paths.items()}

    @property
    def first(self) -> Analysis | None:
        return next(iter(self._analyses.values()), None)

    def analysis(self, name: str, mirrored: bool) -> Analysis | None:
        if mirrored and name in self.paths:
            return analyse(self.estimator, str(self.paths[name]), mirrored=True)
        return self._analyses.get(name)

    def of_key(self, key: str | None) -> Analysis | None:
        return self._analyses.get((key or "").removeprefix("example-"))

    def html(self) -> str:
        """A button with a picture for each."""
        buttons = "".join(
            f'<button type="button" data-example="{name}" aria-label="Example: {escape(EXAMPLES[name][1])}" '
            f'title="{escape(EXAMPLES[name][1].capitalize())}"><img alt="" width="64" height="64" '
            f'src="data:image/jpeg;base64,{b64encode(analysis.thumb).decode()}"></button>'
            for name, analysis in self._analyses.items())
        return f'<p class="label">Or take an example</p><div class="thumbs">{buttons}</div>' if buttons else ""
