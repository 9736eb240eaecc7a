"""The options of the command line, and what they ask for. Importing this takes no time: --help answers at once."""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .jobs import Job, UsageError

if TYPE_CHECKING:
    from ..camera import Camera
    from ..detection.region import HandBox

FOCAL_LIMITS, FOV_LIMITS = (1, 1_000_000), (1, 179)  # pixels, degrees: those of the page
FPS_LIMITS = (0.01, 1000)  # pictures a second
LENGTH_LIMITS = (50, 350)  # millimetres: those of `person`
LISTS = ("--box", "--camera", "--distortion")  # whose values may begin with a minus, which argparse takes for an option


def parse(argv: list[str]) -> argparse.Namespace:
    """What the words after the program's name say. Exits as argparse does, having said why."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] in LISTS and word.startswith("-"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return parser().parse_args(joined)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("handpose", description="3D hands from photos, offline.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    command = commands.add_parser(
        "predict", help="photos in; JSON, overlays and meshes out",
        description="Estimates the hands in photos. Writes DIR/NAME.json, an overlay NAME.overlay.jpg and, where there "
                    "are hands, a mesh NAME.glb for each photo; NAME.overlay.mp4 and NAME.npz, the hands of each "
                    "frame, for each clip. Goes on past a bad file and names it; after an interruption, the same "
                    "command does the rest. Exit code: 0 all done, 1 some files failed, 2 wrong usage.")
    command.add_argument("paths", nargs="+", type=Path, metavar="PATH",
                         help="a photo, a clip, a folder that is searched for both, a pattern such as '*.jpg', or a "
                              "clip in numbered photos such as frame_%%05d.png")
    command.add_argument("--fps", type=_number(*FPS_LIMITS), metavar="N",
                         help="each folder is a clip of its photos in the order of their numbers, N of them a second; "
                              "likewise frame_%%05d.png (default: 30 a second)")
    command.add_argument("--out", required=True, type=Path, metavar="DIR",
                         help="where the results go; made if it does not exist")
    _add_camera(command.add_argument_group("the camera").add_mutually_exclusive_group(), command)
    _add_hands(command.add_argument_group("which hands"))
    _add_person(command.add_argument_group("whose hands"))
    _add_results(command.add_argument_group("what is written"))
    _add_running(command.add_argument_group("the run"))
    return parser


def _add_camera(one_of: Any, command: argparse.ArgumentParser) -> None:
    one_of.add_argument("--focal", type=_number(*FOCAL_LIMITS), metavar="PX",
                        help="focal length in pixels of the photo (default: from EXIF, else a guess)")
    one_of.add_argument("--fov", type=_number(*FOV_LIMITS), metavar="DEG",
                        help="field of view across the longer side, in degrees")
    one_of.add_argument("--camera", type=_camera, metavar="FX,FY,CX,CY",
                        help="focal lengths and principal point in pixels of the photo, as OpenCV's calibration gives "
                             "them")
    command.add_argument("--distortion", type=_numbers(4, 5), metavar="K1,K2,P1,P2[,K3]",
                         help="with --camera: how its lens distorts, by OpenCV's model; results are in the photo's own "
                              "pixels all the same")


def _add_hands(group: Any) -> None:
    group.add_argument("--max-hands", type=_count, metavar="N",
                       help="at most this many hands a photo, the surest ones, or a frame (default: 4 a frame)")
    group.add_argument("--min-score", type=_number(0, 1), metavar="S",
                       help="leave out hands of a lower score, 0 to 1 (default: 0.3)")
    group.add_argument("--side", choices=("left", "right"), help="leave out hands of the other side")
    group.add_argument("--mirrored", action="store_true",
                       help="the photos are mirrored, as selfies often are: they are flipped back before all else, and "
                            "all pixels are those of the photo that was flipped back")
    group.add_argument("--box", type=_box, action="append", dest="boxes", metavar="U0,V0,U1,V1[,SIDE]",
                       help="a hand of the one photo that is given, left, top, right and bottom in its pixels: it is "
                            "looked for there alone, and reported however unsure; may be repeated")


def _add_person(group: Any) -> None:
    group.add_argument("--hand-length", type=_number(*LENGTH_LIMITS), metavar="MM",
                       help="millimetres from the wrist to the tip of the middle finger of the flat hand: all hands "
                            "are that long, and their distances follow (default: as long as the network thinks)")
    group.add_argument("--one-person", action="store_true",
                       help="all hands are one person's: a first look at all files finds their shape, and all have it")


def _add_results(group: Any) -> None:
    group.add_argument("--no-overlay", action="store_true", help="write no overlays")
    group.add_argument("--mesh", choices=("glb", "obj", "ply"), default="glb",
                       help="kind of mesh file (default: %(default)s)")
    group.add_argument("--npz", action="store_true",
                       help="also write NAME.npz: vertices, faces, joints and MANO parameters")
    group.add_argument("--depth", action="store_true",
                       help="also write, for each photo, NAME.depth.png (16 bits, millimetres), NAME.depth.npy "
                            "(metres) and a mask of each hand, NAME.hand0_right.mask.png")
    group.add_argument("--rig", action="store_true",
                       help="also write NAME.rig.glb: the hands with a skeleton to pose and animate; of a clip they "
                            "move, and NAME.track1_right.bvh is the motion of one")
    group.add_argument("--usdz", action="store_true",
                       help="also write NAME.usdz: the same for programs that read USD (needs: pip install "
                            "'handpose[usd]')")
    group.add_argument("--turntable", action="store_true",
                       help="also write NAME.turntable.mp4: a film of a photo's hands, turned once around")
    group.add_argument("--csv", action="store_true",
                       help="also write DIR/hands.csv, all hands of all files in one table, a row for each joint")
    group.add_argument("--smplx", action="store_true",
                       help="also write NAME.smplx.npz: right_hand_pose and left_hand_pose as smplx.create() takes "
                            "them, axis-angle relative to the flat hand (flat_hand_mean=True)")
    group.add_argument("--smplx-pca", type=_count, metavar="N",
                       help="the same as N coefficients of MANO's principal components (use_pca=True, "
                            "flat_hand_mean=False), which needs MANO's file")


def _add_running(group: Any) -> None:
    group.add_argument("--checkpoint", metavar="DIR",
                       help="another network: its folder, or its id OWNER/NAME on the Hub (default: the one that comes "
                            "along)")
    group.add_argument("--hand-model", type=Path, metavar="PATH",
                       help="MANO_RIGHT.pkl or its folder, for a network that answers for MANO's hand (default: "
                            "$HANDPOSE_MANO, else assets/mano/)")
    group.add_argument("--again", action="store_true",
                       help="do all files anew (default: pass over those that an earlier run into DIR has done: the "
                            "same file, not changed since, by the same options and network, with all its results still "
                            "there)")
    group.add_argument("--workers", type=_count, metavar="N",
                       help="do this many files at once (default: one more than there are cores, at most 8; with --ray "
                            "all its CPUs)")
    group.add_argument("--ray", action="store_true",
                       help="do the files in processes of Ray, on this machine or on the cluster that $RAY_ADDRESS "
                            "names, where all files must have the same paths (needs: pip install 'handpose[ray]')")


# ---- what a word on the command line means, as argparse asks for it

def _number(low: float, high: float):
    """A number from `low` to `high`."""
    def number(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low} and {high}")
        return value
    return number


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of 1 or more")
    return value


_count.__name__ = "whole number"  # argparse's word for it when int() fails


def _numbers(*counts: int):
    """As many numbers as one of `counts`, commas between them."""
    def numbers(text: str) -> tuple[float, ...]:
        try:
            values = tuple(map(float, text.split(",")))
        except ValueError:
            values = ()
        if len(values) not in counts:
            raise argparse.ArgumentTypeError(f"{text!r} is not {' or '.join(map(str, counts))} numbers with commas "
                                             "between them")
        return values
    return numbers


def _camera(text: str) -> Camera:
    from ..camera import Camera
    try:
        return Camera(*_numbers(4)(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _box(text: str) -> HandBox:
    from ..detection.region import HandBox
    *corners, last = text.split(",")
    side = last if last in ("left", "right") else None
    try:
        return HandBox(*_numbers(4)(text if side is None else ",".join(corners)), side)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# ---- what the options ask for together

def camera_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """What an estimator is told of the camera. Raises UsageError."""
    from dataclasses import replace
    if args.distortion and not args.camera:
        raise UsageError("--distortion says what the lens of a camera does: give its --camera FX,FY,CX,CY, too.")
    camera = args.camera
    if args.distortion:
        try:
            camera = replace(camera, distortion=args.distortion)
        except ValueError as error:
            raise UsageError(str(error)) from error
    told = {"focal_px": args.focal, "fov_deg": args.fov, "camera": camera}
    return {name: value for name, value in told.items() if value is not None}


def check_boxes(args: argparse.Namespace, jobs: list[Job]) -> None:
    """Raises UsageError if the boxes are not those of one photo."""
    if args.boxes and (len(jobs) > 1 or jobs[0].is_clip):
        what = "a clip" if len(jobs) == 1 else f"{len(jobs)} files"
        raise UsageError(f"--box says where the hands of one photo are: give one photo, not {what}.")


def smplx_options(args: argparse.Namespace) -> dict | None:
    """How `.smplx.npz` is written (options of `export.write_smplx`), None for not at all. Raises UsageError."""
    if args.smplx_pca is None:
        return {} if args.smplx else None
    from ..hand_model.mano import find_mano
    from ..hand_model.model import HandModel
    from ..hand_model.smplx import check_pose_space
    try:
        mano = HandModel.load(find_mano(args.hand_model))
        check_pose_space(mano, args.smplx_pca)
    except (OSError, ValueError) as error:
        raise UsageError(f"--smplx-pca needs MANO's principal components: {error}") from error
    return {"mano": mano, "pca": args.smplx_pca, "flat_hand_mean": False}
