"""What a browser says with an event of the photo tab, and how it shows the result at that moment: all of it checked."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .analysis import number

SHOWN = ("mesh", "skeleton", "both")
MOST_PHOTOS = 12  # of a visitor's strip
LONGEST_WORD = 64


@dataclass(frozen=True)
class Asked:
    """`photo`, `photos`: keys, which may be anybody's or nobody's. `file` is for `server.uploads` to check."""
    photo: str | None = None
    photos: tuple[str, ...] = ()
    file: Any = None
    example: str | None = None
    kind: str = "zip"  # of a file to download
    show: str = "mesh"
    opacity: float = 0.85  # 0..1
    focal: float | None = None  # pixels: of the camera in use
    box: tuple[float, ...] | None = None  # u0, v0, u1, v1 or u, v: of a hand to add, in shares of width and height
    swap: int | None = None  # numbers of hands as they are shown, from 1 on
    remove: int | None = None

    @classmethod
    def of(cls, value: Any) -> Asked:
        """Raises ValueError, saying what is wrong."""
        told = value if isinstance(value, dict) else {}
        photos = told.get("photos") if isinstance(told.get("photos"), list) else []
        if len(photos) > MOST_PHOTOS:
            raise ValueError(f"There may be {MOST_PHOTOS} photos at once.")
        focal = told.get("focal")
        return cls(_word(told.get("photo")), tuple(filter(None, map(_word, photos))), told.get("file"),
                   _word(told.get("example")), _word(told.get("kind")) or "zip",
                   next((one for one in SHOWN if one == told.get("show")), "mesh"),
                   number("The opacity", told.get("opacity", 0.85), 0, 1),
                   None if focal is None else number("The focal length", focal, 1, 1e6),
                   _box(told.get("box")), _hand(told.get("swap")), _hand(told.get("remove")))


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= LONGEST_WORD else None


def _box(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) not in (2, 4):
        raise ValueError("A hand is pointed at by a box or a point.")
    shares = tuple(float(number("A box's corner", share, 0, 1)) for share in value)
    if len(shares) == 4 and not (shares[0] < shares[2] and shares[1] < shares[3]):
        raise ValueError("A box goes from its upper left corner to its lower right one.")
    return shares


def _hand(value: Any) -> int | None:
    return None if value is None else int(number("The number of a hand", value, 1, 1000))
