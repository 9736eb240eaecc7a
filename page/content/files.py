"""The files that a result can be downloaded as, each made when it is asked for."""
from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from handpose.clips.turntable import turntable_bytes
from handpose.depth_files import depth_contents
from handpose.drawing.overlay import draw_overlay
from handpose.export import json_bytes, mesh_bytes, npz_bytes, picture_bytes, zip_bytes
from handpose.rig.files import GLB_ENDING
from handpose.rig.motion import motions_of_photo
from handpose.rig.rigged_glb import rigged_glb

from ..analysis import ShownResult
from ..server.cores import CLIP, CORES, PHOTO

KINDS = {"glb": "3D model, for viewers, Blender, games and the web", "obj": "3D model, for nearly every 3D program",
         "ply": "3D model with colours, for MeshLab and research code",
         "json": "Side, confidence, joints, MANO parameters, camera",
         "npz": "NumPy arrays with MANO's and SMPL-X's names", "rig": "3D model with a skeleton, to pose and animate",
         "png": "The photo with the hands drawn over it",
         "depth": "How far away the hands are and a mask of each, pixel by pixel",
         "mp4": "A film of the hands, turned once around", "gif": "The same, for where no film goes"}
FILMS = ("mp4", "gif")  # which take seconds to make and are given alone
FILM_S = 60.0  # seconds that making one may take, waiting for others included
OF_HANDS = ("glb", "obj", "ply", "rig", "depth", *FILMS)  # of what there is only where there are hands
README = """The hands of {image}

*.glb, *.obj, *.ply   3D models, metres; x right, y up, z towards the viewer
*.rig.glb             the same with MANO's 16 joints, to pose and animate; without rotations the hands are flat
*.json, *.npz         joints, MANO parameters, camera; metres; x right, y down, z away (OpenCV)
*.overlay.png         the photo with the hands drawn over it
*.depth.png           millimetres along the optical axis, 16 bits, 0 where there is no hand; *.depth.npy: metres
*.mask.png            of each hand, 255 where it is seen

hand_pose is axis-angle relative to the flat hand (flat_hand_mean=True in smplx). Hand model: {model}.
"""


def file_of(result: ShownResult, kind: str, show: str = "mesh", opacity: float = 0.85) -> tuple[str, bytes]:
    """Name and content of a file of a kind in KINDS, or of the "zip" of all. Raises ValueError.

    `show` ("mesh", "skeleton" or "both") and `opacity` (0..1) are the overlay's.
    """
    analysis, camera, hands = result.analysis, result.camera, result.hands
    if kind == "zip":
        return f"{analysis.stem}.zip", zip_bytes(files_of(result, show, opacity) | depth_files(result))
    if kind in OF_HANDS and not hands:
        raise ValueError("There is no hand to download: drop in a photo that shows one.")
    if kind == "depth":
        return f"{analysis.stem}.depth.zip", zip_bytes(depth_files(result))
    if kind == "rig":
        return f"{analysis.stem}{GLB_ENDING}", rigged_glb(motions_of_photo(hands, result.hand_models))
    if kind in FILMS:
        return f"{analysis.stem}.turntable.{kind}", film(result, kind)
    if kind in OF_HANDS:
        return f"{analysis.stem}.{kind}", mesh_bytes(hands, kind)
    if kind == "json":
        return f"{analysis.stem}.json", json_bytes(analysis.name, result)
    if kind == "npz":
        return f"{analysis.stem}.npz", npz_bytes(camera, hands)
    if kind == "png":
        return f"{analysis.stem}.overlay.png", picture_bytes(overlay(result, show, opacity), "PNG")
    raise ValueError(f"A file is one of zip, {', '.join(KINDS)}, not {kind!r}.")


def zip_of_all(results: list[ShownResult], show: str, opacity: float) -> tuple[str, bytes]:
    """Name and content of a zip of several photos' files, a folder each, without the depth, which takes room.

    Raises ValueError for no photos.
    """
    if not results:
        raise ValueError("There is no photo to download: drop some in first.")
    files: dict[str, bytes] = {}
    for result in results:
        stem, number = result.analysis.stem, 1
        while any(name.startswith(f"{stem}/") for name in files):
            number += 1
            stem = f"{result.analysis.stem} {number}"
        files |= {f"{stem}/{name}": content for name, content in files_of(result, show, opacity).items()}
    return "hands.zip", zip_bytes(files)


def files_of(result: ShownResult, show: str, opacity: float) -> dict[str, bytes]:
    """All files of a result by name, but those of its depth and its films."""
    hands = result.hands
    kinds = [kind for kind in KINDS if kind not in ("depth", *FILMS) and (hands or kind not in OF_HANDS)]
    files = dict(file_of(result, kind, show, opacity) for kind in kinds)
    model = hands[0].hand_model if hands else "none"
    return files | {"README.txt": README.format(image=result.analysis.name, model=model).encode()}


def depth_files(result: ShownResult) -> dict[str, bytes | np.ndarray]:
    """By name, what `zip_bytes` takes: depth and masks at the photo's own pixels; nothing without hands."""
    if not result.hands:
        return {}
    with CORES.work(PHOTO):
        contents = depth_contents(result)
    return {result.analysis.stem + ending: content for ending, content in contents.items()}


def film(result: ShownResult, kind: str) -> bytes:
    """A turntable, made picture by picture so that others' work comes between. Raises ValueError if it takes long."""
    began = time.monotonic()

    @contextmanager
    def work() -> Iterator[None]:
        if time.monotonic() - began > FILM_S:
            raise ValueError("The film takes too long at the moment: try again later.")
        with CORES.work(CLIP):
            yield

    return turntable_bytes(result, kind, work)


def overlay(result: ShownResult, show: str, opacity: float) -> np.ndarray:
    """The shown photo with its hands drawn over it, (h, w, 3) uint8."""
    rgb = result.analysis.shown
    sx, sy = rgb.shape[1] / result.analysis.width, rgb.shape[0] / result.analysis.height
    hands = [replace(hand, joints_2d=(hand.joints_2d + 0.5) * [sx, sy] - 0.5) for hand in result.hands]
    return draw_overlay(rgb, result.camera.resized(sx, sy), hands, mesh=show != "skeleton", skeleton=show != "mesh",
                        opacity=opacity)
