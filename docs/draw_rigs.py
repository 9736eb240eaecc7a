"""Draws docs/pictures/rigs.jpg: a clip, and what Blender shows of its hands: `python docs/draw_rigs.py PYTHON`

PYTHON is one that has Blender as a module, see benchmarks/open_in_blender.py. The clip is of our own generator; its
hands are those that the network sees in it, as `handpose predict clip.mp4 --fov 55 --rig` writes them.
"""
from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.rigs import OPENER  # noqa: E402
from handpose.camera import DEFAULT_FOV_DEG  # noqa: E402
from handpose.clips.reading import read_clip  # noqa: E402
from handpose.command.cli import main as handpose  # noqa: E402
from train.make_clip import make_clip  # noqa: E402

PICTURE = ROOT / "docs" / "pictures" / "rigs.jpg"
WIDTH, HEIGHT = 480, 360
FRAMES, SHOWN, SEED = 70, (6, 24, 44, 66), 8
ABOVE = 70  # rows of the pictures in which no hand comes
GAP = 6  # pixels between pictures


def main() -> None:
    blender, = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_clip(folder / "clip.mp4", motion="wave", frames=FRAMES, hands=2, width=WIDTH, height=HEIGHT, seed=SEED)
        handpose(["predict", str(folder / "clip.mp4"), "--out", str(folder), "--fov", str(DEFAULT_FOV_DEG), "--rig",
                  "--no-overlay"])
        film = list(read_clip(folder / "clip.mp4"))
        times = [film[number][0] for number in SHOWN]
        subprocess.run([blender, str(OPENER), str(folder / "clip.rig.glb"), "--times", *map(str, times), "--render",
                        name, "--fov", str(DEFAULT_FOV_DEG), "--size", str(WIDTH), str(HEIGHT)], check=True)
        rows = [[film[number][1] for number in SHOWN],
                [np.asarray(Image.open(folder / f"{number}.png").convert("RGB")) for number in range(len(SHOWN))]]
    sheet = Image.new("RGB", ((WIDTH + GAP) * len(SHOWN) - GAP, (HEIGHT - ABOVE + GAP) * len(rows) - GAP), "white")
    for down, row in enumerate(rows):
        for across, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture[ABOVE:]), (across * (WIDTH + GAP), down * (HEIGHT - ABOVE + GAP)))
    sheet = sheet.resize((sheet.width * 2 // 3, sheet.height * 2 // 3), Image.Resampling.LANCZOS)
    sheet.save(PICTURE, quality=85)
    print(PICTURE)


if __name__ == "__main__":
    main()
