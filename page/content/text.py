"""What the page says of a result, as HTML: a card per hand, where distances come from, advice, a snippet."""
from __future__ import annotations

from html import escape

from handpose import Hand
from handpose.drawing.palette import FINGER_COLORS, css, hand_color
from handpose.estimator import MIN_SCORE
from handpose.gesture import gesture
from handpose.joint_angles import finger_bends

from ..analysis import FOCAL, FOV, ShownResult

MOST_BEND = {"thumb": 120.0}  # degrees that stand for "bent all the way"
MOST_BEND_FINGER = 240.0
STRAIGHT = 5.0  # degrees; a finger that is bent by less, to either side, is called straight

EXAMPLE = '<p class="note">This is an example. Drop in a photo of your own, paste one, or use the camera.</p>'
NO_HAND = """<div class="message"><b>No hand found</b><p>What helps: the whole hand in the picture, from fingertips to
wrist; sharp and well lit; and not too small, about a tenth of the picture or more. Gloves, drawings and hands that hold
something are harder.</p></div>"""
ALL_HIDDEN = """<div class="message"><b>Nothing left to show</b><p>Hands were found, but the options leave them out:
lower the least confidence, or let left hands in.</p></div>"""
GONE = "This photo was deleted from the server, as all are after 30 minutes: drop it in again."


def describe(result: ShownResult) -> str:
    """A card for each hand."""
    if not result.hands:
        return ALL_HIDDEN if result.analysis.best_score >= MIN_SCORE else NO_HAND
    return f'<ul class="hands">{"".join(map(card, result.hands))}</ul>'


def card(hand: Hand) -> str:
    name = gesture(hand) if hand.certainty == "sure" else None
    name = f" · {name}" if name else ""
    return f"""<li class="hand {hand.certainty.replace(" ", "-")}">
        <i style="background: {css(hand_color(hand.side, hand.certainty))}"></i>
        <div><b>{hand.side.capitalize()} hand</b>
        <small>{hand.certainty.capitalize()}, {hand.score:.0%}{name}</small></div>
        {_bars(hand)}
        <div class="distance"><b>{distance(hand.distance)}</b><small>away</small></div></li>"""


def _bars(hand: Hand) -> str:
    """Five bars, each as tall as its finger is straight; in words for those who do not see them."""
    bends = finger_bends(hand)
    bars = ""
    for finger, bend in bends.items():
        straight = 1 - min(max(bend, 0) / MOST_BEND.get(finger, MOST_BEND_FINGER), 1)
        bars += f'<span style="height: {20 + 80 * straight:.0f}%; background: {css(FINGER_COLORS[finger])}"></span>'
    words = "Fingers: " + ", ".join(f"{finger} {_bend_in_words(bend)}" for finger, bend in bends.items())
    return f'<div class="bends" role="img" aria-label="{words}" title="{words}">{bars}</div>'


def _bend_in_words(bend: float) -> str:
    """"straight", "bent 40°" or "bent back 10°"."""
    if abs(bend) < STRAIGHT:
        return "straight"
    return f"bent {bend:.0f}°" if bend > 0 else f"bent back {-bend:.0f}°"


def distance(metres: float) -> str:
    """"45 cm", or from 100 cm on "1.2 m"."""
    return f"{metres * 100:.0f} cm" if metres < 0.995 else f"{metres:.1f} m"


def camera_note(result: ShownResult) -> str:
    """Which camera the distances rest on."""
    camera = result.camera
    used = f"field of view {result.fov_deg:.0f}°, focal length {camera.fx:.0f} pixels"
    return '<p class="note">' + {
        "user": f"Distances follow from the lens you gave: {used}.",
        "exif": f"Distances follow from the focal length in the photo's file: {used}.",
        "default": f"The photo's file does not tell its lens, so distances rest on a guess: {used}."
    }[camera.source] + "</p>"


def problem(error: Exception | str) -> str:
    return f'<div class="message problem" role="alert"><b>That did not work</b><p>{escape(str(error))}</p></div>'


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


def lens_words(lens: str) -> tuple[str, str]:
    """Label of the number that goes with a choice of lens, and its bounds."""
    return {FOV: ("Degrees across the photo's longer side", "From 1 to 179; a phone's main camera has about 65."),
            FOCAL: ("Pixels of the photo", "From 1 to 1000 times the photo's longer side; most lenses have .8 to 2"
                                           " times that side.")}.get(lens, ("", ""))
