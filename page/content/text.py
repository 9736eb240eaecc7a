"""What the page says of a result and of what went wrong, as HTML."""
from __future__ import annotations

from html import escape

from ..analysis import FOCAL, FOV, ShownResult

EXAMPLE = '<p class="note example">This is an example: drop in a photo of your own, paste one, or use the camera.</p>'
MODEL_WAITS = "The hand is shown here in 3D."
NO_PHOTO = "There is no photo yet: drop one in first."
GONE = "This photo was deleted from the server, as all are after 30 minutes: drop it in again."
POINT = '<button type="button" class="quiet" data-do="box">Point at a hand</button>'
NO_HAND = f"""<div class="message"><b>No hand found</b><p>What helps: the whole hand in the photo, from fingertips to
wrist; sharp and well lit; and not too small, about a tenth of the photo or more. Gloves, grey pictures, drawings and
hands that hold something are harder. If you see one, show where it is.</p>{POINT}</div>"""
ALL_HIDDEN = """<div class="message"><b>No hand left to show</b><p>Hands were found, but the options leave them out:
lower the least confidence, or let left hands in.</p></div>"""


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


def lens_words(lens: str) -> tuple[str, str]:
    """Label of the number that goes with a choice of lens, and its bounds."""
    return {FOV: ("Degrees across the photo's longer side", "From 1 to 179; a phone's main camera has about 65."),
            FOCAL: ("Pixels of the photo", "From 1 to 1000 times the photo's longer side; most lenses have .8 to 2"
                                           " times that side.")}.get(lens, ("", ""))
