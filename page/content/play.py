"""Sliders that bend the hands of the 3D view: what the browser sends, checked, and what it gets to show."""
from __future__ import annotations

from typing import Any

import numpy as np

from handpose.bend import bent
from handpose.drawing.figure import BRIGHTEST, skeleton_line, to_plotly
from handpose.drawing.shading import light_on, vertex_normals
from handpose.drawing.smooth import smooth
from handpose.hand import Hand
from handpose.hand_model.model import HandModel

from ..analysis import MOST_HANDS, ShownResult, number
from ..server.cores import CORES, PHOTO
from ..server.turns import Turns
from .moving import STEP, packed

NOT_WHOLE = "The hand did not arrive whole: reload the page."
LARGEST = {"global_orient": 100.0, "hand_pose": 100.0, "betas": 20.0, "wrist": 100.0}  # of a number, either way
LENGTHS = {"global_orient": 3, "hand_pose": 45, "betas": 10, "wrist": 3}
SCALES = (0.2, 5.0)  # of a hand, against its model
AT_ONCE, MOST_WAITING, PATIENCE_S = 2, 16, 2.0  # as the live view's frames

SLIDERS = """<details class="play"><summary>Bend and shape</summary><div class="bar">
<label>Curl <input type="range" name="curl" min="-1" max="1" step="0.02" value="0"></label>
<label>Spread <input type="range" name="spread" min="-1" max="1" step="0.02" value="0"></label>
<label>Size <input type="range" name="shape" min="-1" max="1" step="0.02" value="0"></label>
<button type="button" class="quiet" data-play="reset">Reset</button></div>
<p class="note">Only the 3D view changes; downloads hold the hand that was found.</p></details>"""


def playthings(result: ShownResult) -> list[dict[str, Any]]:
    """Of each hand what `Play` needs to bend it, as JSON."""
    return [{"side": hand.side, "scale": hand.scale, "wrist": hand.joints_3d[0].tolist(),
             **{name: np.asarray(getattr(hand, name), float).tolist() for name in LENGTHS if name != "wrist"}}
            for hand in result.hands]


class Play:
    """Bends hands for browsers; keeps nothing of them."""

    def __init__(self, models: dict[str, HandModel]):
        self._models, self._turns = models, Turns(AT_ONCE, MOST_WAITING, PATIENCE_S)

    def __call__(self, message: Any, address: str = "") -> dict[str, Any]:
        """Answers {"hands" (of `playthings`), "curl", "spread", "shape"} with {"hands"}, or {"problem"} or {"busy"}."""
        try:
            hands, how = _read(message)
        except ValueError as error:
            return {"problem": str(error)}
        with self._turns.turn(address, "play") as got:
            if not got:
                return {"busy": True}
            with CORES.work(PHOTO):
                return {"hands": [self._shown(hand, how) for hand in hands]}

    def _shown(self, told: dict[str, Any], how: dict[str, float]) -> dict[str, Any]:
        model = self._models[told["side"]]
        if not np.isclose(told["scale"], model.scale):
            model = model.scaled(told["scale"] / model.scale)
        wrist, nothing = np.array(told["wrist"], float), np.zeros((21, 3))
        found = Hand(told["side"], 1.0, np.zeros(4), model.name, nothing[:, :2], nothing + wrist, nothing, model.faces,
                     np.array(told["global_orient"]), np.array(told["hand_pose"]), np.array(told["betas"]), wrist)
        hand = bent(found, model, **how)
        vertices, faces = smooth(hand.vertices, hand.faces)
        light = light_on(vertices, faces, vertex_normals(vertices, faces))
        from_wrist = (to_plotly(vertices - wrist) / STEP).round().clip(-32768, 32767)
        return {"wrist": to_plotly(wrist).tolist(), "vertices": packed(from_wrist, np.int16),
                "light": packed((255 * light / BRIGHTEST).round().clip(0, 255), np.uint8),
                "line": [[None if np.isnan(x) else round(x, 5) for x in axis]
                         for axis in to_plotly(skeleton_line(hand)[0]).T.tolist()]}


def _read(message: Any) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Hands and the three sliders of what a browser sent. Raises ValueError."""
    hands = message.get("hands") if isinstance(message, dict) else None
    if not isinstance(hands, list) or not 1 <= len(hands) <= MOST_HANDS:
        raise ValueError(NOT_WHOLE)
    for hand in hands:
        if not isinstance(hand, dict) or hand.get("side") not in ("left", "right"):
            raise ValueError(NOT_WHOLE)
        number("A hand's scale", hand.get("scale"), *SCALES)
        for name, length in LENGTHS.items():
            if not isinstance(hand.get(name), list) or len(hand[name]) != length:
                raise ValueError(NOT_WHOLE)
            for value in hand[name]:
                number("A hand's number", value, -LARGEST[name], LARGEST[name])
    return hands, {name: number(name.capitalize(), message.get(name), -1, 1) for name in ("curl", "spread", "shape")}
