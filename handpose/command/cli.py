"""The command line: photos and clips in; JSON, overlays, meshes and arrays out.

    python -m handpose predict photo.jpg holiday/ clip.mp4 --out results
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

# What takes time to import is imported where it is used: --help and wrong usage answer at once.
from .jobs import Job, Outcome, UsageError, find_jobs
from .ledger import Ledger, options_digest

CHECKPOINT_ENDINGS = (".json", ".safetensors", ".onnx")  # of what decides a network's answers
FOCAL_LIMITS, FOV_LIMITS = (1, 1_000_000), (1, 179)  # pixels, degrees: those of the page
DONE, SOME_FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


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
        print("Interrupted: the results so far are complete and stay; the same command does the rest.", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("handpose", description="3D hands from photos, offline.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    command = commands.add_parser(
        "predict", help="photos in; JSON, overlays and meshes out",
        description="Estimates the hands in photos. Writes DIR/NAME.json, an overlay NAME.overlay.jpg and, where there "
                    "are hands, a mesh NAME.glb for each photo; NAME.overlay.mp4 and NAME.npz, the hands of each "
                    "frame, for each clip. Goes on past a bad file and names it; after an interruption, the same "
                    "command does the rest. Exit code: 0 all done, 1 some files failed, 2 wrong usage.")
    add = command.add_argument
    add("paths", nargs="+", type=Path, metavar="PATH",
        help="a photo, a clip, or a folder that is searched for photos")
    add("--out", required=True, type=Path, metavar="DIR", help="where the results go; made if it does not exist")
    lens = command.add_mutually_exclusive_group()
    lens.add_argument("--focal", type=_number(*FOCAL_LIMITS), metavar="PX",
                      help="focal length in pixels of the photo (default: from EXIF, else a guess)")
    lens.add_argument("--fov", type=_number(*FOV_LIMITS), metavar="DEG",
                      help="field of view across the longer side, in degrees")
    add("--no-overlay", action="store_true", help="write no overlays")
    add("--mesh", choices=("glb", "obj", "ply"), default="glb", help="kind of mesh file (default: %(default)s)")
    add("--npz", action="store_true", help="also write NAME.npz: vertices, faces, joints and MANO parameters")
    add("--depth", action="store_true", help="also write, for each photo, NAME.depth.png (16 bits, millimetres), "
        "NAME.depth.npy (metres) and a mask of each hand, NAME.hand0_right.mask.png")
    add("--checkpoint", metavar="DIR",
        help="another network: its folder, or its id OWNER/NAME on the Hub (default: the one that comes along)")
    add("--hand-model", type=Path, metavar="PATH",
        help="MANO_RIGHT.pkl or its folder, for a network that answers for MANO's hand (default: $HANDPOSE_MANO, else "
             "assets/mano/)")
    add("--smplx", action="store_true", help="also write NAME.smplx.npz: right_hand_pose and left_hand_pose as "
        "smplx.create() takes them, axis-angle relative to the flat hand (flat_hand_mean=True)")
    add("--smplx-pca", type=_count, metavar="N", help="the same as N coefficients of MANO's principal components "
        "(use_pca=True, flat_hand_mean=False), which needs MANO's file")
    add("--again", action="store_true",
        help="do all files anew (default: pass over those that an earlier run into DIR has done: the same file, not "
             "changed since, by the same options and network, with all its results still there)")
    add("--workers", type=_count, metavar="N",
        help="do this many files at once (default: one more than there are cores, at most 8; with --ray all its CPUs)")
    add("--ray", action="store_true",
        help="do the files in processes of Ray, on this machine or on the cluster that $RAY_ADDRESS names, where all "
             "files must have the same paths (needs: pip install 'handpose[ray]')")
    add("--max-hands", type=_count, metavar="N",
        help="at most this many hands a photo, the surest ones, or a frame (default: 4 a frame)")
    return parser


def _number(low: float, high: float):
    """An argparse type: a number from `low` to `high`."""
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


def predict(args: argparse.Namespace) -> int:
    """The command `predict`. Returns 0, or 1 if a file failed. Raises UsageError."""
    jobs = find_jobs(args.paths)
    clips = sum(job.is_clip for job in jobs)
    unit = "photo" if not clips else "clip" if clips == len(jobs) else "file"
    with _use_of(args.out):
        args.out.mkdir(parents=True, exist_ok=True)
        ledger = Ledger(args.out, _options_digest(args))
    todo = [job for job in jobs if args.again or not ledger.has(job)]
    hands, failed = _do(todo, ledger, args, tqdm_options={"total": len(jobs), "unit": unit})
    earlier = [job for job in jobs if job not in set(todo)]
    hands += sum(map(ledger.hands, earlier))
    print(f"{_counted(hands, 'hand')} in {_counted(len(jobs) - failed, unit)}, written to {args.out}"
          + (f"; {_counted(len(earlier), unit)} by an earlier run (--again does all anew)" if earlier else "")
          + (f"; {_counted(failed, unit)} failed" if failed else ""))
    return SOME_FAILED if failed else DONE


def _do(jobs: list[Job], ledger: Ledger, args: argparse.Namespace, tqdm_options: dict) -> tuple[int, int]:
    """Does the jobs; returns how many hands were found and how many jobs failed. Raises UsageError, OSError."""
    if not jobs:
        return 0, 0
    from tqdm import tqdm

    outcomes = _start(jobs, args)
    with _use_of(args.out):
        ledger.forget(jobs)
    hands = failed = 0
    with closing(outcomes), tqdm(initial=tqdm_options["total"] - len(jobs), **tqdm_options) as bar:
        for job, outcome in zip(jobs, outcomes, strict=True):
            if outcome.error is None:
                with _use_of(args.out):
                    ledger.add(job, outcome)
                hands += outcome.hands
            else:
                tqdm.write(outcome.error, sys.stderr)
                failed += 1
            bar.update()
    return hands, failed


def _start(jobs: list[Job], args: argparse.Namespace) -> Generator[Outcome, None, None]:
    """Loads what the jobs need; the outcomes, in order, come as they are done. Raises UsageError."""
    from ..estimator import HandEstimator
    from .batch import Options, run
    try:
        estimator = HandEstimator.load(args.checkpoint, args.hand_model)
    except (OSError, ValueError) as error:
        raise UsageError(f"The network cannot be loaded: {error}") from error
    options = Options(args.out, args.focal, args.fov, args.max_hands, not args.no_overlay, args.mesh, args.npz,
                      _smplx_options(args), args.depth)
    if not args.ray:
        return run(jobs, estimator, options, args.workers)
    try:
        from .ray_batch import run_on_ray
    except ImportError as error:
        raise UsageError(f"--ray needs Ray Data ({error}): pip install 'handpose[ray]'.") from error
    return run_on_ray(jobs, options, args.checkpoint, args.hand_model, args.workers)


@contextmanager
def _use_of(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be made or written to ({error.strerror}): choose another --out, "
                         "or check its permissions and free space.") from error


def _options_digest(args: argparse.Namespace) -> str:
    """Tells runs apart whose results may differ: by their options, and by what lies in the checkpoint."""
    from ..network.checkpoint import CHECKPOINT
    place = Path(args.checkpoint or CHECKPOINT)
    files = [file for ending in CHECKPOINT_ENDINGS for file in sorted(place.glob("*" + ending))]
    same = {"paths", "out", "again", "workers", "ray"}  # make no difference to a photo's results
    return options_digest({name: value for name, value in vars(args).items() if name not in same},
                          files + [args.hand_model] * bool(args.hand_model))


def _smplx_options(args: argparse.Namespace) -> dict | None:
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


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
