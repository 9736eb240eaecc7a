"""Makes a checkpoint from photos, in rounds: label, fit, render, train; label anew by the network that was trained.

    python -m train.make_checkpoint train/recipes/handpose.yaml --out runs/handpose
    python -m train.make_checkpoint RECIPE --out DIR --photos ~/hands --backgrounds ~/walls --set renders=1000

`train.rounds.plan` says what is learned from what. Each stage lies in a folder of WORK whose name says what it was made
from: what is there is not made again, the same command goes on after a stop, and what depends on a changed option,
folder or file is made anew beside the old. OUT gets the last round's network, its errors, and how long all took.
"""
from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handpose.detection import hand_detector
from handpose.network.checkpoint import CONFIG, GRAPH, WEIGHTS

from .rounds import checks
from .rounds.log import sitting, sittings, table
from .rounds.plan import REPORTS, Given, Plan, plan
from .rounds.recipe import Rounds
from .rounds.run_recipe import NETWORK
from .rounds.stage import NOTE, Machine, Stage, in_order
from .rounds.steps import copy_files

LOG = "log.jsonl"
TABLE, NUMBERS, SHEET = "evaluation.txt", "evaluation.json", "renders.jpg"
FILES = {WEIGHTS, CONFIG, GRAPH, SHEET, TABLE, NUMBERS, LOG, NOTE}  # of OUT
DETECTOR = {hand_detector.WEIGHTS, hand_detector.GRAPH}  # likewise, where whole photos were given


def default_devices(groups: int) -> int:
    """As many GPUs, else CPU cores, as the groups of a batch can be shared by alike."""
    import torch
    if torch.backends.mps.is_available():
        return 1
    most = torch.cuda.device_count() or os.cpu_count() or 1
    return max(devices for devices in range(1, most + 1) if groups % devices == 0)


def missing(stage: Stage) -> bool:
    return not stage.done


def make_stages(stages: list[Stage], machine: Machine, log: Path) -> None:
    """Makes the stages in this order. Raises OSError or ValueError with a sentence that begins with the stage."""
    for number, stage in enumerate(stages, 1):
        print(f"[{number} of {len(stages)}] {stage.folder.name}", flush=True)
        try:
            with sitting(log, stage.folder.name):
                stage.make(machine)
        except (OSError, ValueError) as error:
            raise ValueError(f"{stage.folder.name}: {error}") from error
        if (stage.folder / TABLE).is_file():
            print((stage.folder / TABLE).read_text(), flush=True)


def note_of(stages: list[Stage]) -> str:
    """Of what a checkpoint was made: every stage's note, as JSON."""
    return json.dumps({stage.folder.name: stage.made_from for stage in stages}, indent=1) + "\n"


def put(out: Path, planned: Plan, note: str, log: str) -> None:
    """Makes the folder `out`, whole, in the place of an earlier one."""
    run, evaluation = planned.runs[-1].folder, planned.evaluations[-1].folder
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        new = Path(temporary, "new")
        new.mkdir()
        copy_files({name: run / NETWORK / name for name in (WEIGHTS, CONFIG, GRAPH)}
                   | {name: evaluation / name for name in (SHEET, TABLE, NUMBERS)}
                   | {name: planned.detector.folder / name for name in DETECTOR if planned.detector}, new)
        (new / LOG).write_text(log)
        (new / NOTE).write_text(note)
        if out.is_dir():
            os.replace(out, Path(temporary, "old"))
        os.replace(new, out)


def is_there(out: Path, note: str) -> bool:
    """Whether `out` holds a checkpoint that was made of just this."""
    return all((out / name).is_file() for name in FILES) and (out / NOTE).read_text() == note


def make_hand(planned: Plan, machine: Machine, log: Path) -> None:
    """Learns the labels' joint convention and bakes the open hand with it, in the repository's own files."""
    from .bake_hand import JOINT_OFFSETS
    from .bake_hand import main as bake
    make_stages(in_order([planned.joint_offsets], missing), machine, log)
    copy_files({JOINT_OFFSETS.name: planned.joint_offsets.folder / JOINT_OFFSETS.name}, JOINT_OFFSETS.parent)
    bake([])


@contextmanager
def alone_in(work: Path) -> Iterator[int]:
    """Waits until no other command is at work in the folder; gives a file that keeps the others waiting.

    A run that still trains after its command was killed holds it, too: it is waited for, and nothing of it is lost.
    """
    with open(work / ".lock", "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Another command is at work in {work}: waiting for its end.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def follow(recipe: Rounds, given: Given, args: argparse.Namespace) -> None:
    """Does with a recipe what the command line says. Raises OSError or ValueError with a sentence."""
    planned = plan(recipe, given, args.work)
    goals = [*planned.fetched, *planned.evaluations, planned.runs[-1], *filter(None, [planned.detector])]
    every, log = in_order(goals), args.work / LOG
    names, note = [stage.folder.name for stage in every], note_of(every)
    if args.log:
        print(table(sittings(log, names)))
        return
    if is_there(args.out, note) and not args.hand:
        print(f"{args.out} is made of just this already.")
        return
    devices = args.devices or default_devices(max(1, recipe.run.batch // recipe.run.group))
    checks.check(recipe, given, devices)
    checks.check_free(args.out, FILES | DETECTOR)
    if args.dry_run:
        for stage in in_order(goals, missing):
            print(f"{stage.folder.name}: to be {'gone on with' if stage.folder.is_dir() else 'made'}")
        return
    checks.check_writable(args.work)
    checks.check_writable(args.out.parent)
    reports = {name: getattr(recipe.run, name) for name in REPORTS}
    with alone_in(args.work) as lock:
        machine = Machine(args.workers, devices, reports, keep_open=(lock,))
        if args.hand:
            make_hand(planned, machine, log)
            return
        make_stages(in_order(goals, missing), machine, log)
        entries = sittings(log, names)
        checks.check_free(args.out, FILES | DETECTOR)  # hours may have passed
        put(args.out, planned, note, "".join(json.dumps(entry) + "\n" for entry in entries))
    print(f"{table(entries)}\n\n{args.out} holds the checkpoint.")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m train.make_checkpoint", description=__doc__.splitlines()[0])
    folder = lambda text: Path(text).expanduser()  # noqa: E731
    add = parser.add_argument
    add("recipe", type=Path)
    add("--out", type=folder, default=Path("runs/handpose"), help="folder for the checkpoint (default: %(default)s)")
    add("--work", type=folder, default=Path("work"), help="folder for all stages (default: %(default)s)")
    add("--photos", type=folder, help="folder of photo sets, instead of fetching them")
    add("--backgrounds", type=folder, help="folder of .jpg photos without hands, instead of fetching them")
    add("--photos-3d", type=folder, metavar="DIR", help="also measure on these photos with true 3D joints")
    add("--whole-photos", type=folder, metavar="DIR",
        help="folder of whole photos (train.label_hands): learn from their hands, too, and make the detector")
    add("--side", choices=("left", "right"), help="of all hands of --photos-3d, where its labels do not say")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes that label and render (default: all cores)")
    add("--devices", type=int, help="to train on (default: all GPUs, else all cores)")
    add("--set", nargs="+", default=[], metavar="OPTION=VALUE", dest="changes",
        help="instead of the recipe's, such as renders=1000 run.steps=50")
    add("--dry-run", action="store_true", help="only say what would be made")
    add("--log", action="store_true", help="only say how long what is there took")
    add("--hand", action="store_true", help="instead: learn the labels' joint convention and bake the open hand anew")
    args = parser.parse_args(argv)
    try:
        recipe = Rounds.load(args.recipe, args.changes)
        follow(recipe, Given(args.photos, args.backgrounds, args.photos_3d, args.side, args.whole_photos), args)
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "Stopped: the same command goes on from here.\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # on few cores OpenMP's threads cost more than they bring
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # lets a run that trains save what it has
    main()
