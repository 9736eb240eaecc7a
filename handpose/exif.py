"""The lens that a photo's EXIF tags tell."""
from __future__ import annotations

import math
from collections.abc import Mapping

from PIL.ExifTags import Base as Tag

from .camera import DIAGONAL_35MM

FOCAL_35MM_LIMITS = (6.0, 1500.0)  # mm; from fisheye to telescope: outside it, the tag is wrong
SENSOR_LIMITS = (2.0, 100.0)  # mm, diagonal: from the smallest webcam to medium format
MM_PER_RESOLUTION_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}  # EXIF's FocalPlaneResolutionUnit
SAME_ASPECT = 0.02  # by which the ratio of its sides may differ in a picture that was only shrunk or turned


def focal_35mm(tags: Mapping[int, float], width: int, height: int) -> float | None:
    """35-mm equivalent focal length (mm) of a picture of these pixels: the tag of that name, else from focal length
    and sensor size. None where the tags do not tell.

    They speak of the picture as it was taken, in ExifImageWidth x ExifImageHeight pixels. Where its sides now have
    another ratio it was cropped since, by nobody knows how much, and its lens is no longer known.
    """
    taken = tags.get(Tag.ExifImageWidth, 0.0), tags.get(Tag.ExifImageHeight, 0.0)
    if not all(math.isfinite(side) for side in taken):
        taken = 0.0, 0.0
    if min(taken) > 0 and abs(_aspect(*taken) / _aspect(width, height) - 1) > SAME_ASPECT:
        return None
    focal = tags.get(Tag.FocalLengthIn35mmFilm)
    if not focal:  # 0 is EXIF's "unknown"
        focal = _from_sensor(tags, *taken)
    return focal if focal and FOCAL_35MM_LIMITS[0] <= focal <= FOCAL_35MM_LIMITS[1] else None


def _aspect(width: float, height: float) -> float:
    """The longer side over the shorter: turning a picture leaves it as it is."""
    return max(width, height) / min(width, height)


def _from_sensor(tags: Mapping[int, float], width: float, height: float) -> float | None:
    """35-mm equivalent focal length (mm) by the resolution on the sensor of a picture taken in these pixels."""
    unit = MM_PER_RESOLUTION_UNIT.get(tags.get(Tag.FocalPlaneResolutionUnit, 2))
    across = tags.get(Tag.FocalPlaneXResolution)
    down = tags.get(Tag.FocalPlaneYResolution, across)
    if not (unit and across and down and width > 0 and height > 0):
        return None
    sensor = unit * math.hypot(width / across, height / down)  # mm, diagonal
    if not SENSOR_LIMITS[0] <= sensor <= SENSOR_LIMITS[1]:
        return None
    return tags.get(Tag.FocalLength, 0.0) * DIAGONAL_35MM / sensor
