"""What a program tells of a photo as JSON: the camera it was taken with, and where its hands are."""
from __future__ import annotations

import json
from typing import Any

from handpose import Camera, HandBox

from .analysis import MOST_HANDS

CAMERA = '{"fx": 900, "fy": 900, "cx": 319.5, "cy": 239.5}, in pixels, and perhaps "distortion": [k1, k2, p1, p2, k3]'
BOXES = '[[left, top, right, bottom], [left, top, right, bottom, "left" or "right"], ...], in pixels'


def camera_of(value: Any) -> Camera | None:
    """The camera that JSON, as text or read already, tells as `Result.to_dict` does; None where nothing is told.

    Raises ValueError.
    """
    told = _read(value, "camera", CAMERA)
    if told is None:
        return None
    if not isinstance(told, dict) or not {"fx", "fy", "cx", "cy"} <= set(told) <= {"fx", "fy", "cx", "cy", "distortion",
                                                                                  "source"}:
        raise ValueError(f"camera must be {CAMERA}, not {_shown(told)}.")
    distortion = told.get("distortion") or []
    numbers = [told["fx"], told["fy"], told["cx"], told["cy"]]
    if not isinstance(distortion, list) or not all(map(_is_number, numbers + distortion)):
        raise ValueError(f"camera must be {CAMERA}, not {_shown(told)}.")
    return Camera(*map(float, numbers), distortion=tuple(distortion))


def boxes_of(value: Any) -> list[HandBox] | None:
    """The boxes that JSON, as text or read already, tells; None where nothing is told. Raises ValueError."""
    told = _read(value, "boxes", BOXES)
    if told is None:
        return None
    if not isinstance(told, list) or not all(isinstance(box, list) and len(box) in (4, 5) for box in told):
        raise ValueError(f"boxes must be {BOXES}, not {_shown(told)}.")
    if len(told) > MOST_HANDS:
        raise ValueError(f"boxes may be {MOST_HANDS} at most, not {len(told)}: ask for the others in another call.")
    if not all(_is_number(corner) for box in told for corner in box[:4]):
        raise ValueError(f"boxes must be {BOXES}, not {_shown(told)}.")
    return [HandBox(*map(float, box[:4]), *box[4:]) for box in told]


def _read(value: Any, name: str, form: str) -> Any:
    """What the JSON says; None for nothing."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} must be JSON: {form}, not {_shown(value)}.") from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300  # nor NaN


def _shown(value: Any) -> str:
    return " ".join(str(value).split())[:60]
