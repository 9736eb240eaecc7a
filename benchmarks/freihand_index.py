"""How long a set of FreiHAND's size takes to open, and how much memory: `python -m benchmarks.freihand_index DIR`

DIR gets a .zip with invented annotations at full size (32,560 hands, their vertices 1.7 GB of text) and 130,240 images
of 224 px, all the same small one: 2.4 GB, which stay for another run and may then be deleted. `--hands 1000` makes a
smaller one. Each line is a process of its own: seconds by the clock and of the processor, which say the same on a
machine that does nothing else, and the most memory that it held, of which the imports are most.
"""
from __future__ import annotations

import argparse
import json
import shutil
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from handpose.whole_file import whole_file
from train.data.freihand import ROWS, VERSIONS, FreiHand

HANDS, SIZE, BATCH = 32560, 224, 64
VERTICES, INVENTED = 778, 64  # hands that differ; writing numbers as text takes longest


def write_set(path: Path, hands: int) -> None:
    """A .zip as the download's, whole or not at all."""
    rng = np.random.default_rng(0)
    small = rng.integers(60, 190, (8, 8, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)).save(buffer, "JPEG", quality=90)
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for number in tqdm(range(hands * VERSIONS), desc="images", unit="image"):
            archive.writestr(f"training/rgb/{number:08d}.jpg", buffer.getvalue())
        for key, row in ROWS.items():
            values = rng.normal(size=(INVENTED, *(VERTICES if length is None else length for length in row)))
            rows = [json.dumps(row).encode() for row in (values + 2 * (key == "xyz")).tolist()]
            with archive.open(f"training_{key}.json", "w", force_zip64=True) as file:
                for number in tqdm(range(hands), desc=key, unit="hand"):
                    file.write((b", " if number else b"[") + rows[number % INVENTED])
                file.write(b"]")


def peak_mb() -> float:
    """The most memory that this process has held, where Linux says so."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measured(work: Callable, path: Path) -> tuple[float, float, float, str]:
    torch.set_num_threads(1)
    start, busy = time.perf_counter(), time.process_time()
    said = work(path)
    return time.perf_counter() - start, time.process_time() - busy, peak_mb(), said or ""


def nothing(path: Path) -> None:
    """Only what is imported."""


def index(path: Path) -> str:
    return f"{len(FreiHand(path, check=False))} images"


def check(path: Path) -> None:
    FreiHand(path)


def take(path: Path) -> str:
    source = FreiHand(path, hands_mean=np.zeros(45))
    start = time.process_time()
    for number in range(20):
        source.take(torch.randint(len(source), (BATCH,), generator=torch.Generator().manual_seed(number)))
    return f"{20 * BATCH / (time.process_time() - start):.0f} images a CPU second"


def vertices(path: Path) -> str:
    return str(FreiHand(path).verts.shape)


STEPS = {"imports": nothing, "first opening: annotations": index, "first opening: images checked": check,
         "opening": check, f"opening, 20 batches of {BATCH}": take, "vertices, first time": vertices,
         "vertices": vertices}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--hands", type=int, default=HANDS)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    path = args.folder / f"freihand-{args.hands}.zip"
    if not path.is_file():
        write_set(path, args.hands)
    shutil.rmtree(path.with_name(path.name + ".index"), ignore_errors=True)
    for name, work in STEPS.items():
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            seconds, busy, memory, said = pool.submit(measured, work, path).result()
        print(f"{name:34s} {seconds:7.1f} s  {busy:7.1f} s CPU  {memory:6.0f} MB  {said}", flush=True)


if __name__ == "__main__":
    main()
