"""A turntable: the hands of a result turned once around, as a film to show to others."""
from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from ..camera import Camera
from ..drawing.overlay import blend
from ..drawing.palette import hand_color
from ..drawing.renderer import Mesh, render_region
from ..drawing.smooth import smooth
from ..hand import Result
from .writing import ClipWriter

KINDS, ENDING = ("mp4", "gif"), ".turntable.mp4"
SIZE, FPS, SECONDS = 512, 24, 4  # pixels a side; pictures a second; of one turn
GIF_SIZE, GIF_STEP = 360, 2  # pixels a side; a GIF has every second picture, or it would be several MB
FIELD_DEG, ROOM = 34.0, 1.08  # field of view, and how much larger it is than what the hands need
LIGHT, SHADE = (255.0, 255.0, 255.0), (232.0, 226.0, 220.0)  # RGB behind the hands, in the middle and at the corners

Work = Callable[[], AbstractContextManager]


def turntable_bytes(result: Result, kind: str, work: Work = nullcontext) -> bytes:
    """The content of a turntable of a kind "mp4" (H.264) or "gif". `work()` is held while a picture is made.

    Raises ValueError for another kind or no hands.
    """
    if kind not in KINDS:
        raise ValueError(f"A turntable is one of {', '.join(KINDS)}, not {kind!r}.")
    pictures = _in_turn(turntable_pictures(result), work)
    if kind == "gif":
        return _gif([picture for number, picture in enumerate(pictures) if number % GIF_STEP == 0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "turntable.mp4"
        _write_mp4(path, pictures)
        return path.read_bytes()


def write_turntable(folder: Path, stem: str, result: Result) -> list[str]:
    """Writes `folder/stem.turntable.mp4`, with its folders, where there are hands; returns its ending, in a list.

    Where there is none, the film of an earlier run is removed. Raises OSError.
    """
    path = folder / f"{stem}{ENDING}"
    if not result.hands:
        path.unlink(missing_ok=True)
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_mp4(path, turntable_pictures(result))
    return [ENDING]


def turntable_pictures(result: Result, size: int = SIZE, count: int = FPS * SECONDS) -> Iterator[np.ndarray]:
    """`count` pictures (size, size, 3) uint8 of the hands, turned once around the photo's vertical.

    The first one sees them from the photo's side; lights stand still. Raises ValueError without hands.
    """
    if not result.hands:
        raise ValueError("There is no hand to turn: give a photo that shows one.")
    points = np.concatenate([hand.vertices for hand in result.hands])
    middle = (points.min(0) + points.max(0)) / 2
    reach = np.linalg.norm(points - middle, axis=1).max()
    camera = Camera.from_fov(FIELD_DEG, size, size)
    place = np.array([0, 0, ROOM * reach / np.sin(np.radians(FIELD_DEG / 2))])
    surfaces = [(*smooth(hand.vertices - middle, hand.faces), hand_color(hand.side, hand.certainty))
                for hand in result.hands]
    behind = _background(size)
    for number in range(count):
        turn = Rotation.from_euler("y", 2 * np.pi * number / count).as_matrix()
        part = render_region([Mesh(vertices @ turn.T + place, faces, color) for vertices, faces, color in surfaces],
                             camera, size, size)
        picture = behind.copy()
        if part is not None:
            blend(picture, part, 1.0)
        yield picture


def _in_turn(pictures: Iterator[np.ndarray], work: Work) -> Iterator[np.ndarray]:
    while True:
        with work():
            picture = next(pictures, None)
        if picture is None:
            return
        yield picture


def _background(size: int) -> np.ndarray:
    """(size, size, 3) uint8, brighter in the middle."""
    across = np.linspace(-1, 1, size)
    away = np.clip(np.hypot(across[:, None], across) / np.sqrt(2), 0, 1)[..., None] ** 1.5
    return np.round(np.array(LIGHT) + away * (np.array(SHADE) - LIGHT)).astype(np.uint8)


def _write_mp4(path: str | os.PathLike, pictures: Iterator[np.ndarray]) -> None:
    with ClipWriter.open(path, SIZE, SIZE, FPS) as writer:
        for number, picture in enumerate(pictures):
            writer.write(picture, number / FPS)


def _gif(pictures: list[np.ndarray]) -> bytes:
    """A GIF that repeats for ever; all pictures share the colours of some, so that nothing flickers."""
    small = [Image.fromarray(picture).resize((GIF_SIZE, GIF_SIZE), Image.Resampling.BOX) for picture in pictures]
    sample = np.concatenate([np.asarray(picture) for picture in small[::max(1, len(small) // 6)]])
    palette = Image.fromarray(sample).quantize(255, method=Image.Quantize.MEDIANCUT)
    first, *rest = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in small]
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=1000 * GIF_STEP // FPS, loop=0)
    return buffer.getvalue()
