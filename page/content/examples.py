"""The examples that come with the page: real photos and renderings, solved when the page starts."""
from __future__ import annotations

from base64 import b64encode
from html import escape
from pathlib import Path

from handpose import HandEstimator

from ..analysis import Analysis, analyse

# File and what it shows, in the order in which they are offered; the first is shown to who comes.
EXAMPLES = {"open_palm": "an open palm", "pointing": "pointing", "two_hands": "two hands", "holding": "holding",
            "ok": "an OK sign", "three": "three fingers", "back_of_hand": "the back of a hand",
            "both_hands": "both hands"}


class Examples:
    """Their analyses by name; without a folder (a package without them) there are none."""

    def __init__(self, estimator: HandEstimator, folder: Path):
        self.estimator = estimator
        self.paths = {name: folder / f"{name}.jpg" for name in EXAMPLES if (folder / f"{name}.jpg").exists()}
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
            f'<button type="button" data-example="{name}" aria-label="Example: {escape(EXAMPLES[name])}" '
            f'title="{escape(EXAMPLES[name].capitalize())}"><img alt="" width="64" height="64" '
            f'src="data:image/jpeg;base64,{b64encode(analysis.thumb).decode()}"></button>'
            for name, analysis in self._analyses.items())
        return f'<p class="label">Or take an example</p><div class="thumbs">{buttons}</div>' if buttons else ""
