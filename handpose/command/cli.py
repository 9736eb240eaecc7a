"""The command line: photos and clips in; JSON, overlays, meshes and arrays out.

    python -m handpose predict photo.jpg holiday/ clip.mp4 --out results
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

# What takes time to import is imported where it is used: --help and wrong usage answer at once.
from .finding import find_jobs
from .jobs import Job, Outcome, UsageError
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
    found = find_jobs(args.paths, args.fps, args.out)
    jobs = found.jobs
    check_boxes(args, jobs)
    camera_arguments(args)  # lest what cannot be is found out only when the network is loaded
    clips = sum(job.is_clip for job in jobs)
    unit = "photo" if not clips else "clip" if clips == len(jobs) else "file"
    with _use_of(args.out):
        args.out.mkdir(parents=True, exist_ok=True)
        ledger = Ledger(args.out, _options_digest(args, jobs))
    todo = [job for job in jobs if args.again or not ledger.has(job)]
    hands, failed = _do(todo, jobs, ledger, args, unit)
    earlier = [job for job in jobs if job not in set(todo)]
    hands += sum(map(ledger.hands, earlier))
    print(f"{_counted(hands, 'hand')} in {_counted(len(jobs) - failed, unit)}, written to {args.out}"
          + (f"; {_counted(len(earlier), unit)} by an earlier run (--again does all anew)" if earlier else "")
          + (f"; {_counted(failed, unit)} failed" if failed else "")
          + (f"; {found.passed_over_in_words} passed over" if found.passed_over else ""))
    if args.csv:
        from .table import write_table
        with _use_of(args.out):
            print(f"All of them are in {write_table(args.out, filter(ledger.has, jobs))}")
    return SOME_FAILED if failed else DONE


def _do(todo: list[Job], jobs: list[Job], ledger: Ledger, args: argparse.Namespace, unit: str) -> tuple[int, int]:
    """Does what is to do of all jobs; returns how many hands were found and how many jobs failed. Raises UsageError."""
    if not todo:
        return 0, 0
    from tqdm import tqdm

    outcomes = _start(todo, jobs, args)
    with _use_of(args.out):
        ledger.forget(todo)
    hands = failed = 0
    with closing(outcomes), tqdm(initial=len(jobs) - len(todo), total=len(jobs), unit=unit) as bar:
        for job, outcome in zip(todo, outcomes, strict=True):
            if outcome.error is None:
                with _use_of(args.out):
                    ledger.add(job, outcome)
                hands += outcome.hands
            else:
                tqdm.write(outcome.error, sys.stderr)
                failed += 1
            bar.update()
    return hands, failed


def _start(todo: list[Job], jobs: list[Job], args: argparse.Namespace) -> Generator[Outcome, None, None]:
    """Loads what the jobs need; the outcomes of those to do, in order, come as they are done. Raises UsageError."""
    from ..estimator import HandEstimator
    from .batch import Options, run
    if args.usdz and find_spec("pxr") is None:
        raise UsageError("--usdz needs USD's library: pip install 'handpose[usd]'.")
    try:
        estimator = HandEstimator.load(args.checkpoint, args.hand_model)
    except (OSError, ValueError) as error:
        raise UsageError(f"The network cannot be loaded: {error}") from error
    options = Options(args.out, camera_arguments(args), args.boxes, args.side, args.mirrored, args.min_score,
                      args.max_hands, not args.no_overlay, args.mesh, args.npz, smplx_options(args), args.depth,
                      args.rig, args.usdz, args.turntable)
    person = {"hand_length": args.hand_length / 1000} if args.hand_length else {}
    if args.one_person:
        from .one_person import betas_in_common
        person["betas"] = betas_in_common(jobs, estimator, options, args.workers)
        if person["betas"] is None:
            print("No hand is sure enough to tell the one person's shape: each keeps its own.", file=sys.stderr)
    if person:
        estimator, options = estimator.for_person(**person), replace(options, person=person)
    if not args.ray:
        return run(todo, estimator, options, args.workers)
    try:
        from .ray_batch import run_on_ray
    except ImportError as error:
        raise UsageError(f"--ray needs Ray Data ({error}): pip install 'handpose[ray]'.") from error
    return run_on_ray(todo, options, args.checkpoint, args.hand_model, args.workers)


@contextmanager
def _use_of(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be made or written to ({error.strerror}): choose another --out, "
                         "or check its permissions and free space.") from error


def _options_digest(args: argparse.Namespace, jobs: list[Job]) -> str:
    """Tells runs apart whose results may differ: by their options, by what lies in the checkpoint and, where all files
    tell of one person, by these."""
    from ..network.checkpoint import CHECKPOINT
    place = Path(args.checkpoint or CHECKPOINT)
    files = [file for ending in CHECKPOINT_ENDINGS for file in sorted(place.glob("*" + ending))]
    same = {"paths", "out", "again", "workers", "ray", "csv"}  # make no difference to a photo's results
    return options_digest({name: value for name, value in vars(args).items() if name not in same},
                          files + [args.hand_model] * bool(args.hand_model)
                          + [file for job in jobs if args.one_person for file in job.files])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
