"""The endpoints for programs: gradio_client, plain HTTP and MCP. Their docstrings are what those show of them."""
from __future__ import annotations

from typing import Any

import gradio as gr
from gradio import processing_utils

from handpose import HandEstimator, PhotoError
from handpose.estimator import MIN_SCORE

from .analysis import FOCAL, FOV, MOST_HANDS, Options, ShownResult, analyse, result_of
from .content.files import KINDS, file_of
from .server.uploads import read_upload


def add_endpoints(estimator: HandEstimator) -> None:
    """Adds /estimate and /files to the current Blocks."""

    def run(photo: Any, focal_px: Any, fov_deg: Any, most_hands: Any, min_score: Any, mirrored: Any) -> ShownResult:
        try:
            if not photo:
                raise ValueError("photo must be an image file: upload one first.")
            if not isinstance(mirrored, bool):
                raise ValueError("mirrored must be true or false.")
            options = _options(focal_px, fov_deg, most_hands, min_score)
            return result_of(estimator, analyse(estimator, *read_upload(photo), mirrored), options)
        except (PhotoError, ValueError) as error:
            raise gr.Error(str(error), print_exception=False) from error

    def estimate(photo, focal_px=None, fov_deg=None, most_hands=MOST_HANDS, min_score=MIN_SCORE, mirrored=False):
        """Estimates the 3D pose of every hand in a photo.

        Answers with the camera that was assumed and, for each hand, surest first: side ("left" or "right", anatomical),
        score (0..1), box and 21 joints in pixels, 21 joints in metres (camera frame: x right, y down, z away), and MANO
        parameters (axis-angle relative to the flat hand). "hands" is empty where none was found.

        Args:
            photo: The photo: JPEG, PNG, WebP, HEIC, AVIF and others. Turned upright by its EXIF tag.
            focal_px: Focal length in pixels of the photo. Leave out to take it from EXIF, else a usual lens.
            fov_deg: Field of view in degrees across the longer side, instead of focal_px.
            most_hands: At most this many hands, the surest ones.
            min_score: Hands of a lower score (0..1) are left out.
            mirrored: Whether the photo is mirrored, as selfies often are: it is flipped back before all else.
        """
        result = run(photo, focal_px, fov_deg, most_hands, min_score, mirrored)
        return result.to_dict(result.analysis.name)

    def files(photo, kind="zip", focal_px=None, fov_deg=None, most_hands=MOST_HANDS, min_score=MIN_SCORE,
              mirrored=False):
        """Estimates the hands in a photo as `estimate` does, and gives them as a file.

        3D models are in metres: x right, y up, z towards the viewer. Arrays have MANO's names, and hold the mesh, too.

        Args:
            photo: The photo.
            kind: "glb", "obj", "ply" (3D models), "rig" (a GLB with a skeleton), "json", "npz" (NumPy arrays), "png"
                (the overlay), "depth" (a zip: depth in millimetres and metres, a mask of each hand) or "zip" (all).
            focal_px: Focal length in pixels of the photo. Leave out to take it from EXIF, else a usual lens.
            fov_deg: Field of view in degrees across the longer side, instead of focal_px.
            most_hands: At most this many hands, the surest ones.
            min_score: Hands of a lower score (0..1) are left out.
            mirrored: Whether the photo is mirrored, as selfies often are.
        """
        result = run(photo, focal_px, fov_deg, most_hands, min_score, mirrored)
        try:
            name, content = file_of(result, str(kind))
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return processing_utils.save_bytes_to_cache(content, name, out.GRADIO_CACHE)

    with gr.Row(visible=False):
        photo = gr.Image(type="filepath", label="photo")
        kind = gr.Dropdown(["zip", *KINDS], value="zip", label="kind")
        numbers = [gr.Number(None, label="focal_px"), gr.Number(None, label="fov_deg"),
                   gr.Number(MOST_HANDS, label="most_hands", precision=0), gr.Number(MIN_SCORE, label="min_score")]
        mirrored = gr.Checkbox(False, label="mirrored")
        answer, out = gr.JSON(label="hands"), gr.File(label="file")
        # preprocess=False: Gradio would open the photo itself, and answer wrong values without a reason.
        common = dict(preprocess=False, concurrency_id="estimate", concurrency_limit=2)
        gr.Button().click(estimate, [photo, *numbers, mirrored], answer, api_name="estimate", **common)
        gr.Button().click(files, [photo, kind, *numbers, mirrored], out, api_name="files", **common)


def _options(focal_px: Any, fov_deg: Any, most_hands: Any, min_score: Any) -> Options:
    """Raises ValueError."""
    if focal_px is not None and fov_deg is not None:
        raise ValueError("Give focal_px or fov_deg, not both.")
    lens, value = (FOCAL, focal_px) if focal_px is not None else (FOV, fov_deg)
    return Options.of(lens, value, min_score, most_hands)
