"""The Python code that gives the hands that the page shows."""
from __future__ import annotations

from html import escape

from handpose.estimator import MIN_SCORE

from ..analysis import ShownResult


def snippet(result: ShownResult, network: str | None = None) -> str:
    """The Python that gives the same hands, by the network that ships or another one."""
    analysis, options = result.analysis, result.options
    lens = "".join(f", {name}={value:g}" for name, value in options.camera_arguments().items())
    lines = ["from handpose import HandEstimator, load_photo", "",
             f"photo = load_photo({analysis.name!r})"]
    if analysis.mirrored:
        lines[-1] += ".mirrored()  # turned back"
    lines.append(f"hands = HandEstimator.load({network!r})(photo{lens}).hands" if network else
                 f"hands = HandEstimator.load()(photo{lens}).hands")
    chosen = [f"hand.score >= {options.min_score:g}"] if options.min_score > MIN_SCORE else []
    chosen += [] if options.left_hands else ['hand.side == "right"']
    if chosen:
        lines.append(f"hands = [hand for hand in hands if {' and '.join(chosen)}]")
    return "\n".join([*lines, f"hands = hands[:{options.most_hands}]  # surest first", "", "for hand in hands:",
                      "    print(hand.side, hand.score, hand.joints_3d, hand.hand_pose)"])


def snippet_html(result: ShownResult, network: str | None = None) -> str:
    return (f'<div class="snippet"><button type="button" data-copy>Copy</button>'
            f'<pre tabindex="0"><code>{escape(snippet(result, network))}</code></pre></div>')
