"""The endpoints for programs: gradio_client, plain HTTP and MCP. Their docstrings are what those show of them."""
from __future__ import annotations

from typing import Any

import gradio as gr
from gradio import processing_utils

from handpose import HandEstimator, PhotoError
from handpose.clips.reading import Cancelled, ClipError
from handpose.estimator import MIN_SCORE

from .analysis import FOCAL, FOV, MOST_HANDS, PHOTO_WORK, Options, ShownResult, analyse, result_of
from .content.files import KINDS, file_of
from .server.uploads import UploadError, read_upload
from .tabs.video import BOTH, CLIP_WORK, MESH, SKELETON, VideoTab
from .told import boxes_of, camera_of


def add_endpoints(estimator: HandEstimator, clips: VideoTab) -> None:
    """Adds /estimate, /files and /video to the current Blocks; the last is work that `clips` does."""

    def run(photo: Any, focal_px: Any, fov_deg: Any, most_hands: Any, min_score: Any, mirrored: Any, camera: Any,
            boxes: Any) -> ShownResult:
        try:
            if not photo:
                raise ValueError("photo must be an image file: upload one first.")
            if not isinstance(mirrored, bool):
                raise ValueError("mirrored must be true or false.")
            told = camera_of(camera)
            if sum(one is not None for one in (focal_px, fov_deg, told)) > 1:
                raise ValueError("Give one of focal_px, fov_deg and camera, not several.")
            options = _options(focal_px, fov_deg, most_hands, min_score)
            analysis = analyse(estimator, *read_upload(photo), mirrored, camera=told, boxes=boxes_of(boxes))
            return result_of(estimator, analysis, options)
        except (PhotoError, ValueError) as error:
            raise gr.Error(str(error), print_exception=False) from error

    def estimate(photo, focal_px=None, fov_deg=None, most_hands=MOST_HANDS, min_score=MIN_SCORE, mirrored=False,
                 camera=None, boxes=None):
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
            camera: The whole camera instead of focal_px, as JSON: {"fx": 900, "fy": 900, "cx": 319.5, "cy": 239.5}, in
                pixels, and perhaps "distortion": [k1, k2, p1, p2, k3] as OpenCV has them.
            boxes: Where the hands are, as JSON: [[left, top, right, bottom, "left" or "right"], ...], in pixels; the
                side may be left out. Each is then answered with a hand, in this order, however unsure.
        """
        result = run(photo, focal_px, fov_deg, most_hands, min_score, mirrored, camera, boxes)
        return result.to_dict(result.analysis.name)

    def files(photo, kind="zip", focal_px=None, fov_deg=None, most_hands=MOST_HANDS, min_score=MIN_SCORE,
              mirrored=False, camera=None, boxes=None):
        """Estimates the hands in a photo as `estimate` does, and gives them as a file.

        3D models are in metres: x right, y up, z towards the viewer. Arrays have MANO's names, and hold the mesh, too.

        Args:
            photo: The photo.
            kind: "glb", "obj", "ply" (3D models), "rig" (a GLB with a skeleton), "json", "npz" (NumPy arrays), "png"
                (the overlay), "depth" (a zip: depth in millimetres and metres, a mask of each hand), "mp4" or "gif"
                (the hands, turned once around) or "zip" (all but these two).
            focal_px: Focal length in pixels of the photo. Leave out to take it from EXIF, else a usual lens.
            fov_deg: Field of view in degrees across the longer side, instead of focal_px.
            most_hands: At most this many hands, the surest ones.
            min_score: Hands of a lower score (0..1) are left out.
            mirrored: Whether the photo is mirrored, as selfies often are.
            camera: The whole camera, as `estimate` takes it.
            boxes: Where the hands are, as `estimate` takes them.
        """
        result = run(photo, focal_px, fov_deg, most_hands, min_score, mirrored, camera, boxes)
        try:
            name, content = file_of(result, str(kind))
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return processing_utils.save_bytes_to_cache(content, name, out.GRADIO_CACHE)

    def video(clip, parts=MESH, request: gr.Request = None, progress=gr.Progress()):  # noqa: B008
        """Follows the hands through a clip of up to a minute.

        Answers with files: the clip with its hands drawn over it (MP4); an `.npz` of every frame's joints and MANO
        parameters (arrays as in handpose/clips/arrays.py); and, where there are hands, a GLB of them that moves, with
        their skeletons, and a zip with a BVH of each.

        Args:
            clip: The clip: MP4, MOV, WebM and others, up to 60 seconds.
            parts: What is drawn: "Mesh", "Skeleton" or "Both".
        """
        try:
            followed = clips.follow(clip, parts, request, lambda done, frames: progress((done, frames)))
        except (ClipError, UploadError) as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Cancelled as error:
            raise gr.Error("The work on the clip was called off.", print_exception=False) from error
        files = followed.overlay, followed.npz, followed.rig, followed.bvh
        return tuple(None if file is None else str(file) for file in files)

    with gr.Row(visible=False):
        photo = gr.Image(type="filepath", label="photo")
        kind = gr.Dropdown(["zip", *KINDS], value="zip", label="kind")
        options = [gr.Number(None, label="focal_px"), gr.Number(None, label="fov_deg"),
                   gr.Number(MOST_HANDS, label="most_hands", precision=0), gr.Number(MIN_SCORE, label="min_score"),
                   gr.Checkbox(False, label="mirrored"),
                   # JSON as text, for the schema of Gradio's own JSON is none that assistants accept.
                   gr.Textbox(None, label="camera"), gr.Textbox(None, label="boxes")]
        clip, parts = gr.File(label="clip"), gr.Radio([MESH, SKELETON, BOTH], value=MESH, label="parts")
        answer, out = gr.JSON(label="result"), gr.File(label="file")
        of_clip = [gr.File(label=label) for label in ("overlay", "arrays", "rig", "motion_capture")]
        # preprocess=False: Gradio would open the file itself, and answer wrong values without a reason.
        of_photo = dict(preprocess=False, **PHOTO_WORK)
        gr.Button().click(estimate, [photo, *options], answer, api_name="estimate", **of_photo)
        gr.Button().click(files, [photo, kind, *options], out, api_name="files", **of_photo)
        gr.Button().click(video, [clip, parts], of_clip, api_name="video", preprocess=False, **CLIP_WORK)


def _options(focal_px: Any, fov_deg: Any, most_hands: Any, min_score: Any) -> Options:
    """Raises ValueError."""
    lens, value = (FOCAL, focal_px) if focal_px is not None else (FOV, fov_deg)
    return Options.of(lens, value, min_score, most_hands)
