"""Films hands of our own generator that move in known ways: clips for benchmarks, tests and a browser's fake camera.

    python -m train.make_clip OUT.mp4 --motion cross --frames 90 --hands 2 [--format y4m]

Beside the clip lies OUT.npz, the truth, in the form of a result (see `handpose.clips.arrays`). The light, the skin, the
sleeves and the background stay; the sensor's noise is another one in each frame. Chromium takes a clip for a webcam
with --use-fake-device-for-media-stream --use-file-for-fake-video-capture=OUT.y4m (or OUT.mjpeg).
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import roma
import torch
from tqdm import tqdm

from handpose.camera import DEFAULT_FOV_DEG, Camera
from handpose.clips.arrays import ClipArrays
from handpose.clips.writing import ClipWriter
from handpose.hand import Hand, TrackedHand
from handpose.hand_model.layer import HandLayer
from handpose.hand_model.skeleton import MIRROR
from handpose.whole_file import whole_file

from .make_examples import paint_background
from .synthesis.motions import MOTIONS, stage
from .synthesis.props import Photos
from .synthesis.scene import Studio
from .synthesis.shading import Part, draw, project, sample_light
from .synthesis.skin import sample_palette, to_linear
from .synthesis.subjects import PosedHand

FORMATS = ("mp4", "y4m", "mjpeg")
NOISE = 0.012  # of display values, at mid-grey: a webcam indoors


def clip_camera(width: int, height: int, fov_deg: float = DEFAULT_FOV_DEG) -> Camera:
    """The camera of a film of this size, cut from the middle of a square one."""
    side = max(width, height)
    square = Camera.from_fov(fov_deg, side, side)
    left, top = (side - width) // 2, (side - height) // 2
    return Camera(square.fx, square.fy, square.cx - left, square.cy - top)


def film(frames: list[list[TrackedHand]], camera: Camera, width: int, height: int, seed: int = 0,
         backgrounds: list[Path] | None = None, noise: float = NOISE) -> Iterator[np.ndarray]:
    """The frames' pictures (height, width, 3) uint8, one by one; `camera` is that of `clip_camera`.

    `backgrounds` are folders of photos; painted ones without.
    """
    side = max(width, height)
    left, top = (side - width) // 2, (side - height) // 2
    with TemporaryDirectory() as folder:
        if not backgrounds:
            for number in range(4):
                picture = paint_background(np.random.default_rng([seed, number]), 640, 640)
                cv2.imwrite(str(Path(folder, f"{number}.png")), picture)
        model = HandLayer.load()
        rest = model(*(torch.zeros(1, n) for n in (3, 45, 10, 3)))
        photos = Photos(backgrounds or [folder])
        studio = Studio(model, rest.vertices[0].numpy(), rest.joints[0].numpy(), photos)
        rng = np.random.default_rng([seed, 0])
        background = photos.cut(rng, side, (.8, 1.0)).astype(np.float32) / 255
        light = sample_light(rng, to_linear(np.maximum(background, 1 / 255)))
        palette = sample_palette(rng)  # both hands are one person's
        for number, hands in enumerate(frames):
            canvas = background
            parts = [part for one in hands for part in
                     _limb(studio, np.random.default_rng([seed, 1, one.track]), one.hand, palette, camera.fx)]
            if any(_in_view(part, camera.fx, side) for part in parts):
                layer, _ = draw(parts, light, camera.fx, side)
                canvas = canvas * (1 - layer[..., 3:]) + layer[..., :3]
            canvas = cv2.GaussianBlur(canvas, (0, 0), .5)[top:top + height, left:left + width]
            grain = np.random.default_rng([seed, 2, number]).standard_normal(canvas.shape, np.float32) * noise
            yield np.round(np.clip(canvas + grain * (.5 + np.sqrt(canvas)), 0, 1) * 255).astype(np.uint8)


def _limb(studio: Studio, rng: np.random.Generator, hand: Hand, palette, focal: float) -> list[Part]:
    """A hand and its arm. The studio has right hands only: a left one is its mirror image, faces turned over."""
    flip = MIRROR if hand.side == "left" else np.ones(3)
    rotation = roma.rotvec_to_rotmat(torch.from_numpy(hand.global_orient)).numpy() * np.outer(flip, flip)
    parts = studio.limb(rng, PosedHand(hand.vertices * flip, hand.joints_3d * flip, rotation), palette, focal)
    if hand.side == "right":
        return parts
    return [Part(part.vertices * flip, part.faces[:, ::-1], part.coords[:, ::-1], part.materials,
                 part.material_of_face) for part in parts]


def _in_view(part: Part, focal: float, side: int) -> bool:
    uv = project(part.vertices, focal, side)[:, :2]
    return bool(((uv >= 0) & (uv <= side - 1)).all(1).any())


def make_clip(out: str | Path, motion: str = "wave", frames: int = 90, hands: int = 1, width: int = 320,
              height: int = 240, fps: float = 30.0, seed: int = 0, backgrounds: list[Path] | None = None,
              crf: int = 16, progress: bool = False) -> Path:
    """Writes a clip, of the kind its suffix says (.mp4, .y4m or .mjpeg), and its truth; returns the truth's path.

    `crf` is the quality of an MP4: from about 8 on, compression takes part of the noise away.
    """
    out = Path(out)
    if out.suffix[1:] not in FORMATS:
        raise ValueError(f"A clip is one of {', '.join(FORMATS)}, not {out.suffix or 'without a suffix'!r}.")
    times_s = np.arange(frames) / fps
    camera = clip_camera(width, height)
    truth = stage(motion, hands, times_s, camera, seed)
    pictures = tqdm(film(truth, camera, width, height, seed, backgrounds), total=frames, unit="frame",
                    disable=not progress)
    arrays = ClipArrays(camera, width, height)
    for time_s, tracked in zip(times_s, truth, strict=True):
        arrays.add(time_s, tracked)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".mp4":
        with ClipWriter.open(out, width, height, fps, crf) as writer:
            for time_s, rgb in zip(times_s, pictures, strict=True):
                writer.write(rgb, time_s)
    else:
        _write_raw(out, pictures, width, height, fps)
    arrays.save(out.with_suffix(".npz"))
    return out.with_suffix(".npz")


def _write_raw(out: Path, pictures, width: int, height: int, fps: float) -> None:
    """YUV4MPEG2 (4:2:0) or one JPEG after the other."""
    with whole_file(out) as temporary, open(temporary, "wb") as file:
        if out.suffix == ".y4m":
            if width % 2 or height % 2:
                raise ValueError(f"A y4m clip needs even sides, not {width} x {height}.")
            file.write(f"YUV4MPEG2 W{width} H{height} F{round(fps * 1000)}:1000 Ip A1:1 C420jpeg\n".encode())
        for rgb in pictures:
            if out.suffix == ".y4m":
                file.write(b"FRAME\n" + cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).tobytes())
            else:
                file.write(cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="the clip; without a suffix, that of --format is added")
    parser.add_argument("--motion", choices=MOTIONS, default="wave")
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--hands", type=int, default=1)
    parser.add_argument("--size", default="320x240", metavar="WxH")
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=FORMATS, default="mp4")
    parser.add_argument("--backgrounds", type=Path, nargs="*", help="folders of photos without hands")
    args = parser.parse_args()
    out = args.out if args.out.suffix[1:] in FORMATS else args.out.with_name(f"{args.out.name}.{args.format}")
    width, height = (int(number) for number in args.size.lower().split("x"))
    try:
        print(out, make_clip(out, args.motion, args.frames, args.hands, width, height, args.fps, args.seed,
                             args.backgrounds, progress=True))
    except (FileNotFoundError, ValueError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
