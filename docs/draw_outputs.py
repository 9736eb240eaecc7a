"""Draws what photos' files hold: `python docs/draw_outputs.py RESULTS docs/pictures/outputs.jpg PHOTO [PHOTO ..]`

RESULTS is the folder of `handpose predict PHOTO [PHOTO ..] --depth --out RESULTS`; photos are alike in shape. From left
to right: the photo, how far away the hands are (bright is near), whose pixels are whose, and how sure each joint is: a
circle within which it lies two times out of three, on renders like those that were measured; open where it is hidden.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from handpose.drawing.palette import FINGER_COLORS, HAND_COLORS
from handpose.hand_model.skeleton import FINGER_OF_JOINT

HEIGHT = 270  # pixels of a row
FARTHEST = 70  # grey, 0..255, of the farthest point of a hand


def depth_panel(millimetres: np.ndarray) -> Image.Image:
    """(H, W) uint16, 0 where there is nothing."""
    seen = millimetres > 0
    grey = np.zeros(millimetres.shape, np.uint8)
    if seen.any():
        near, far = millimetres[seen].min(), millimetres[seen].max()
        grey[seen] = 255 - (255 - FARTHEST) * (millimetres[seen].astype(float) - near) / max(far - near, 1)
    return Image.fromarray(grey).convert("RGB")


def masks_panel(photo: Image.Image, masks: dict[str, Image.Image]) -> Image.Image:
    """The photo, dark, with each hand's pixels in its side's colour; masks by file name."""
    panel = photo.point(lambda value: value // 3)
    for name, mask in masks.items():
        panel.paste(HAND_COLORS[name.removesuffix(".mask.png").rsplit("_", 1)[1]], mask=mask)
    return panel


def sureness_panel(photo: Image.Image, hands: list[dict]) -> Image.Image:
    panel = photo.point(lambda value: value // 2)
    draw = ImageDraw.Draw(panel, "RGBA")
    for hand in hands:
        for (u, v), radius, hidden, finger in zip(hand["joints_2d"], hand["joints_error_px"], hand["joints_hidden"],
                                                  FINGER_OF_JOINT, strict=True):
            color = FINGER_COLORS[finger]
            draw.ellipse([u - radius, v - radius, u + radius, v + radius], outline=color, width=2,
                         fill=None if hidden else (*color, 150))
    return panel


def row(photo_file: Path, results: Path) -> list[Image.Image]:
    photo, base = Image.open(photo_file).convert("RGB"), results / photo_file.stem
    hands = json.loads(base.with_suffix(".json").read_text())["hands"]
    masks = {file.name: Image.open(file) for file in sorted(results.glob(f"{base.name}.hand*.mask.png"))}
    return [photo, depth_panel(np.asarray(Image.open(f"{base}.depth.png"))), masks_panel(photo, masks),
            sureness_panel(photo, hands)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    args = parser.parse_args()
    rows = [row(photo, args.results) for photo in args.photos]
    width = round(HEIGHT * rows[0][0].width / rows[0][0].height)
    sheet = Image.new("RGB", (width * len(rows[0]), HEIGHT * len(rows)))
    for top, panels in enumerate(rows):
        for left, panel in enumerate(panels):
            sheet.paste(panel.resize((width, HEIGHT), Image.LANCZOS), (left * width, top * HEIGHT))
    sheet.save(args.out, quality=85)
    print(args.out)


if __name__ == "__main__":
    main()
