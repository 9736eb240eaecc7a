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
from .options import camera_arguments, check_boxes, parse, smplx_options

CHECKPOINT_ENDINGS = (".json", ".safetensors", ".onnx")  # of what decides a network's answers
DONE, SOME_FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: list[str] | None = None) -> int:
    """Runs the command line. Returns the exit code: 0 done, 1 some photos failed, 2 wrong usage, 130 interrupted."""
    try:
        args = parse(sys.argv[1:] if argv is None else argv)
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


def predict(args: argparse.Namespace) -> int:
    """The command `predict`. Returns 0, or 1 if a file failed. Raises UsageError."""
    jobs = find_jobs(args.paths)
    check_boxes(args, jobs)
    camera_arguments(args)  # lest what cannot be is found out only when the network is loaded
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
    options = Options(args.out, camera_arguments(args), args.boxes, args.side, args.mirrored, args.min_score,
                      args.max_hands, not args.no_overlay, args.mesh, args.npz, smplx_options(args), args.depth,
                      args.rig)
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


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
