"""A card for each hand that was found: number, side, gesture, how sure it is, distance and angles of its fingers."""
from __future__ import annotations

import numpy as np

from handpose import Hand
from handpose.drawing.palette import FINGER_COLORS, css, hand_color
from handpose.estimator import MIN_SCORE
from handpose.gesture import gesture
from handpose.hand_model.skeleton import FINGERS
from handpose.joint_angles import finger_bends, joint_angles
from handpose.joint_errors import JointErrors, joint_errors

from ..analysis import ShownResult
from .text import ALL_HIDDEN, NO_HAND, distance

MOST_BEND = {"thumb": 120.0}  # degrees that stand for "bent all the way"
MOST_BEND_FINGER = 240.0
STRAIGHT = 5.0  # degrees; a finger that is bent by less, to either side, is called straight
COLUMNS = ("MCP", "spread", "PIP", "DIP")  # of the table of angles; the thumb's joints have other names
THUMB = ("CMC", "spread", "MCP", "IP")
ON_PHOTOS = 2.0  # times what joint_errors tells, whose constants are of renders: docs/accuracy.md, "How sure"
ABOUT_POSE = """How far off its joints are to be expected, the hand's distance aside: two of three lie within this, most
others within twice as much."""


def describe(result: ShownResult) -> str:
    """Cards, or why there are none."""
    if not result.hands:
        return ALL_HIDDEN if result.analysis.best_score >= MIN_SCORE else NO_HAND
    errors = joint_errors(result.hands)
    cards = "".join(card(hand, number, errors[number - 1]) for number, hand in enumerate(result.hands, 1))
    return f'<ul class="hands">{cards}</ul>'


def card(hand: Hand, number: int, errors: JointErrors) -> str:
    """`number` is the tag's that the photo and the 3D view show."""
    name = gesture(hand) if hand.certainty == "sure" else None
    name = f"<em>{name}</em>" if name else ""
    other = "left" if hand.side == "right" else "right"
    return f"""<li class="hand {hand.certainty.replace(" ", "-")}" data-hand="{number}">
        <i class="number" style="--hand: {css(hand_color(hand.side, hand.certainty))}">{number}</i>
        <div><b>{hand.side.capitalize()} hand</b> {name}
        <small>{hand.certainty.capitalize()} it is a hand, {hand.score:.0%}{_known(errors)}</small></div>
        {_fingers(hand)}
        <div class="distance"><b>{distance(hand.distance)}</b><small>away</small></div>
        <div class="more"><details><summary>Angles of its joints</summary>{_angles(hand)}</details>
        <div class="correct"><button type="button" class="quiet" data-swap="{number}">It is a {other} hand</button>
        <button type="button" class="quiet" data-remove="{number}">Not a hand</button></div></div></li>"""


def _known(errors: JointErrors) -> str:
    """How well the pose is known; nothing where no network tells."""
    error = ON_PHOTOS * np.median(errors.joints_error_mm)
    return "" if np.isnan(error) else f' · <span title="{ABOUT_POSE}">pose known to about {error:.0f} mm</span>'


def _fingers(hand: Hand) -> str:
    """Five named bars, each as tall as its finger is straight, with its degrees."""
    bends = finger_bends(hand)
    bars = ""
    for finger, bend in bends.items():
        straight = 1 - min(max(bend, 0) / MOST_BEND.get(finger, MOST_BEND_FINGER), 1)
        bars += (f'<span><i style="height: {20 + 80 * straight:.0f}%; background: {css(FINGER_COLORS[finger])}"></i>'
                 f"<small>{finger.capitalize()}</small><b>{_degrees(bend)}</b></span>")
    words = "Fingers: " + ", ".join(f"{finger} {_bend_in_words(bend)}" for finger, bend in bends.items())
    return f'<div class="bends" role="img" aria-label="{words}" title="{words}">{bars}</div>'


def _angles(hand: Hand) -> str:
    """Flexion of each joint and, of the one next to the palm, abduction; degrees, with their signs."""
    values = list(joint_angles(hand).values())
    rows = ""
    for number, finger in enumerate(FINGERS):
        cells = "".join(f"<td>{_degrees(value)}</td>" for value in values[4 * number:4 * number + 4])
        rows += f'<tr><th scope="row">{finger.capitalize()}</th>{cells}</tr>'
    heads = "".join(f'<th scope="col">{name if name == thumb else f"{name}, <small>thumb {thumb}</small>"}</th>'
                    for name, thumb in zip(COLUMNS, THUMB, strict=True))
    return (f"<table><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table><p>Degrees from the flat "
            "hand: flexion towards the palm and spread away from the middle finger are positive.</p>")


def _degrees(angle: float) -> str:
    """With a true minus sign, and none before zero."""
    return f"{round(angle)}°".replace("-", "−")


def _bend_in_words(bend: float) -> str:
    """"straight", "bent 40°" or "bent back 10°"."""
    if abs(bend) < STRAIGHT:
        return "straight"
    return f"bent {bend:.0f}°" if bend > 0 else f"bent back {-bend:.0f}°"
