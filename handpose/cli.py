"""The command line: photos and clips in; JSON, overlays, meshes and arrays out.

    python -m handpose predict photo.jpg holiday/ clip.mp4 --out results
"""
from __future__ import annotations

import argparse
import math
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

# What takes time to import is imported where it is used: --help and wrong usage answer at once.
if TYPE_CHECKING:
    from .estimator import HandEstimator

OVERLAY_ENDINGS = (".overlay.jpg", ".overlay.png")  # results, which a later run must not take for photos
DONE, SOME_FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Job:
    """One photo or clip to do: its file, its name in the JSON, and where its results go below the output folder."""
    path: Path
    image: str
    stem: str


class UsageError(Exception):
    """What was asked cannot be done; the message is one sentence with the cause and the remedy."""


class WriteError(Exception):
    """Results cannot be written; the message is one sentence with the cause and the remedy."""


def main(argv: list[str] | None = None) -> int:
    """Runs the command line. Returns the exit code: 0 done, 1 some photos failed, 2 wrong usage, 130 interrupted."""
    try:
        args = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has said why
        return stop.code
    try:
        return predict(args)
    except UsageError as error:
        print(error, file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        print("Interrupted: the results so far are complete and stay.", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("handpose", description="3D hands from photos, offline.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    command = commands.add_parser(
        "predict", help="photos in; JSON, overlays and meshes out",
        description="Estimates the hands in photos. Writes DIR/NAME.json, an overlay NAME.overlay.jpg and, where there "
                    "are hands, a mesh NAME.glb for each photo; NAME.overlay.mp4 and NAME.npz, the hands of each "
                    "frame, for each clip. Goes on past a bad file and names it. Exit code: 0 all done, 1 some files "
                    "failed, 2 wrong usage.")
    add = command.add_argument
    add("paths", nargs="+", type=Path, metavar="PATH",
        help="a photo, a clip, or a folder that is searched for photos")
    add("--out", required=True, type=Path, metavar="DIR", help="where the results go; made if it does not exist")
    lens = command.add_mutually_exclusive_group()
    lens.add_argument("--focal", type=_number(0, math.inf), metavar="PX",
                      help="focal length in pixels of the photo (default: from EXIF, else a guess)")
    lens.add_argument("--fov", type=_number(0, 180), metavar="DEG",
                      help="field of view across the longer side, in degrees")
    add("--no-overlay", action="store_true", help="write no overlays")
    add("--mesh", choices=("glb", "obj", "ply"), default="glb", help="kind of mesh file (default: %(default)s)")
    add("--npz", action="store_true", help="also write NAME.npz: vertices, faces, joints and MANO parameters")
    add("--checkpoint", metavar="DIR",
        help="another network: its folder, or its id OWNER/NAME on the Hub (default: the one that comes along)")
    add("--hand-model", type=Path, metavar="PATH",
        help="MANO_RIGHT.pkl or its folder, for a network that answers for MANO's hand (default: $HANDPOSE_MANO, else "
             "assets/mano/)")
    add("--smplx", action="store_true", help="also write NAME.smplx.npz: right_hand_pose and left_hand_pose as "
        "smplx.create() takes them, axis-angle relative to the flat hand (flat_hand_mean=True)")
    add("--smplx-pca", type=_count, metavar="N", help="the same as N coefficients of MANO's principal components "
        "(use_pca=True, flat_hand_mean=False), which needs MANO's file")
    add("--max-hands", type=_count, metavar="N",
        help="at most this many hands a photo, the surest ones, or a frame (default: 4 a frame)")
    return parser


def _number(low: float, high: float):
    """An argparse type: a number between two bounds, both excluded."""
    def number(text: str) -> float:
        value = float(text)
        if not low < value < high:
            raise argparse.ArgumentTypeError(f"{text} is not " + (f"between {low} and {high}" if high < math.inf else
                                                                  f"a finite number above {low}"))
        return value
    return number


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of 1 or more")
    return value


_count.__name__ = "whole number"  # argparse's word for it when int() fails


def predict(args: argparse.Namespace) -> int:
    """The command `predict`. Returns 0, or 1 if a file failed. Raises UsageError."""
    jobs = find_jobs(args.paths)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The folder {args.out} cannot be made ({error.strerror}): choose another --out.") from error

    from PIL import Image
    from tqdm import tqdm

    from .clip import ClipError
    from .estimator import HandEstimator
    from .image import PhotoError
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # load_photo has its own limit, and says so
    try:
        estimator = HandEstimator.load(args.checkpoint, args.hand_model)
    except (OSError, ValueError) as error:
        raise UsageError(f"The network cannot be loaded: {error}") from error
    smplx = _smplx_options(args)

    clips = sum(map(_is_clip, jobs))
    unit = "photo" if not clips else "clip" if clips == len(jobs) else "file"
    hands = failed = 0
    for job in tqdm(jobs, unit=unit):
        try:
            hands += _predict_clip(job, estimator, args) if _is_clip(job) else _predict_one(job, estimator, args, smplx)
        except (PhotoError, ClipError, WriteError) as error:
            failed += 1
            tqdm.write(str(error), sys.stderr)
    print(f"{_counted(hands, 'hand')} in {_counted(len(jobs) - failed, unit)}, written to {args.out}"
          + (f"; {_counted(failed, unit)} failed" if failed else ""))
    return SOME_FAILED if failed else DONE


def _smplx_options(args: argparse.Namespace) -> dict | None:
    """How `.smplx.npz` is written (options of `export.write_smplx`), None for not at all. Raises UsageError."""
    if args.smplx_pca is None:
        return {} if args.smplx else None
    from .hand_model import HandModel
    from .mano import find_mano
    from .smplx import check_pose_space
    try:
        mano = HandModel.load(find_mano(args.hand_model))
        check_pose_space(mano, args.smplx_pca)
    except (OSError, ValueError) as error:
        raise UsageError(f"--smplx-pca needs MANO's principal components: {error}") from error
    return {"mano": mano, "pca": args.smplx_pca, "flat_hand_mean": False}


def _predict_one(job: Job, estimator: HandEstimator, args: argparse.Namespace, smplx: dict | None) -> int:
    """Does one photo; returns its number of hands. Raises PhotoError, WriteError."""
    from .camera import Camera
    from .export import save_result
    from .image import load_photo
    from .lens import guess_lens
    from .overlay import draw_overlay

    photo = load_photo(job.path, str(job.path))
    camera = Camera.of_photo(photo.width, photo.height, focal_px=args.focal, fov_deg=args.fov,
                             focal_35mm=photo.focal_35mm)
    found = estimator.find(photo.rgb)
    camera = guess_lens(camera, found)
    hands = sorted(estimator(photo.rgb, camera, found), key=lambda hand: -hand.score)[:args.max_hands]
    overlay = None if args.no_overlay else draw_overlay(photo.rgb, camera, hands)
    try:
        save_result(args.out, job.stem, job.image, photo.width, photo.height, camera, hands, overlay=overlay,
                    mesh=args.mesh, npz=args.npz, smplx=smplx)
    except OSError as error:
        raise WriteError(f"The results of {job.path} cannot be written to {args.out} ({error.strerror}): check its "
                         "permissions and free space.") from error
    return len(hands)


def _is_clip(job: Job) -> bool:
    from .clip import VIDEO_SUFFIXES
    return job.path.suffix.lower() in VIDEO_SUFFIXES


def _predict_clip(job: Job, estimator: HandEstimator, args: argparse.Namespace) -> int:
    """Does one clip; returns its number of hands. Raises ClipError, WriteError."""
    from tqdm import tqdm

    from .camera import Camera
    from .tracker import MAX_HANDS, HandTracker
    from .video import read_clip, track_clip, write_overlay

    clip = read_clip(job.path, str(job.path))
    camera = Camera.of_photo(clip.width, clip.height, focal_px=args.focal, fov_deg=args.fov)
    tracker = HandTracker(estimator, max_hands=args.max_hands or MAX_HANDS)
    overlay, npz = (args.out / f"{job.stem}{suffix}" for suffix in (".overlay.mp4", ".npz"))
    with tqdm(total=clip.frames, unit="frame", desc=job.path.name, leave=False) as bar:
        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            overlay.parent.mkdir(parents=True, exist_ok=True)
            if args.no_overlay:
                arrays = track_clip(clip, tracker, camera, progress=progress)
                arrays.save(npz)
            else:
                arrays = write_overlay(clip, tracker, overlay, npz, camera, progress=progress)
        except OSError as error:
            raise WriteError(f"The results of {job.path} cannot be written to {args.out} ({error.strerror}): check its "
                             "permissions and free space.") from error
    return len(arrays.tracks)


def find_jobs(paths: list[Path]) -> list[Job]:
    """All files that the paths mean: themselves, photos in folders, searched to the bottom. Raises UsageError.

    Results are named as the photos are, below the folder given; where that would give two photos one name, the second
    keeps its suffix (`a.png.json` beside `a.json`) or gets a number.
    """
    from .image import IMAGE_SUFFIXES

    found: dict[Path, str] = {}  # file -> its name relative to the folder given
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                name = file.relative_to(path)
                hidden = any(part.startswith(".") for part in name.parts)  # such as macOS's "._photo.jpg"
                if (file.suffix.lower() in IMAGE_SUFFIXES and file.is_file() and not hidden
                        and not file.name.lower().endswith(OVERLAY_ENDINGS)):
                    found.setdefault(file, name.as_posix())
        elif path.exists():
            found.setdefault(path, path.name)
        else:
            raise UsageError(f"There is no {path}: give the path of a photo, a clip or a folder with photos.")
    if not found:
        raise UsageError(f"There is no image in {', '.join(map(str, paths))}: give a file or a folder that holds some.")

    jobs, seen, taken = [], set(), set()
    for path, image in found.items():
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        stem = _free_name(image, taken)
        taken.add(stem.casefold())  # some file systems take A.json for a.json
        jobs.append(Job(path, image, stem))
    return jobs


def _free_name(image: str, taken: set[str]) -> str:
    """The photo's name without its suffix; with it, or with a number, where that is taken."""
    number, name = 1, str(Path(image).with_suffix(""))
    while name.casefold() in taken:
        name = image if number == 1 else f"{image}-{number}"
        number += 1
    return name


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
