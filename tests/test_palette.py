"""The hands' colours are told from skin and from each other, by those too who see few colours."""
import itertools

import numpy as np
import pytest

from handpose.drawing.palette import HAND_COLORS

# The Monk Skin Tone scale (Ellis Monk, skintone.google), from light to dark.
SKINS = ["f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420"]
# Machado, Oliveira and Fernandes 2009, severity 1: linear RGB as those see it who lack one kind of cone.
SEEN = {"all": np.eye(3),
        "protanopia": [[.152286, 1.052583, -.204868], [.114503, .786281, .099216], [-.003882, -.048116, 1.051998]],
        "deuteranopia": [[.367322, .860646, -.227968], [.280085, .672501, .047413], [-.011820, .042940, .968881]],
        "tritanopia": [[1.255528, -.076749, -.178779], [-.078411, .930809, .147602], [.004733, .691367, .303900]]}
XYZ = np.array([[.4124564, .3575761, .1804375], [.2126729, .7151522, .0721750], [.0193339, .1191920, .9503041]])


def lab(rgb, seen) -> np.ndarray:
    """CIE L*a*b* (D65) of an sRGB colour 0..255 as it is seen."""
    value = np.asarray(rgb, float) / 255
    linear = np.where(value <= .04045, value / 12.92, ((value + .055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(np.asarray(seen) @ linear, 0, 1) / [.95047, 1, 1.08883]
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("kind", SEEN)
def test_the_two_sides_differ_from_each_other_and_from_every_skin(kind):
    """By 30 of CIE76 and more; what just differs, differs by 2.3."""
    right, left = (lab(HAND_COLORS[side], SEEN[kind]) for side in ("right", "left"))
    assert np.linalg.norm(right - left) > 40
    for color, skin in itertools.product((right, left), SKINS):
        assert np.linalg.norm(color - lab(list(bytes.fromhex(skin)), SEEN[kind])) > 30
