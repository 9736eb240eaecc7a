"""Fetches cut-out pictures of things that are no hands: the stamps of a Debian package, with transparency around them.

    python -m train.fetch_things work/things

Debian's own tools (apt-get, dpkg-deb) fetch and open the package; nothing is installed. What shows hands, gloves,
people or apes is left out, and so are signs and letters.
"""
from __future__ import annotations

import argparse
import io
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from tqdm import tqdm

from .synthesis.credits import CREDITS, Credit, credits_text

PACKAGE, AUTHOR, LICENCE = "tuxpaint-stamps-default", "Bill Kendrick and the authors of Tux Paint's stamps", "GPL-2"
LEFT_OUT = {"symbols", "people", "military", "apes", "primates", "cartoon", "astronaut", "glove", "chimp", "gorilla"}
LARGEST = 320  # px


def is_thing(path: PurePosixPath) -> bool:
    """Whether a file of the package is a picture of a thing, and not the mirror image of another."""
    words = {word for part in path.parts for word in part.removesuffix(".png").lower().split("_")}
    return path.suffix == ".png" and not words & (LEFT_OUT | {"mirror", "flip"})


def fetch(out: Path, package: Path) -> int:
    """Writes the things of the package to `out`/000.png ... and their credits.csv, or nothing. Returns how many."""
    content = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, check=True).stdout
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".things-", dir=out.parent) as temporary:
        folder, credits = Path(temporary, "things"), []
        folder.mkdir()
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in tqdm(sorted(archive, key=lambda member: member.name), unit="file"):
                path = PurePosixPath(member.name)
                if not member.isfile() or not is_thing(path):
                    continue
                bgra = cv2.imdecode(np.frombuffer(archive.extractfile(member).read(), np.uint8), cv2.IMREAD_UNCHANGED)
                if bgra is None or bgra.ndim != 3 or bgra.shape[2] != 4:  # without transparency it has an edge
                    continue
                scale = LARGEST / max(bgra.shape[:2])
                if scale < 1:
                    bgra = cv2.resize(bgra, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                name = f"{len(credits):03d}.png"
                cv2.imwrite(str(folder / name), bgra)
                credits.append(Credit(name, AUTHOR, LICENCE, f"{PACKAGE}: {path}".replace(": ./", ": ")))
        if not credits:
            raise ValueError(f"{package.name} holds no things")
        (folder / CREDITS).write_text(credits_text(credits))
        os.replace(folder, out)
    return len(credits)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m train.fetch_things", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write the pictures to")
    args = parser.parse_args(argv)
    if args.out.exists():
        parser.exit(0, f"{args.out}: there already\n")
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(["apt-get", "download", "-q", PACKAGE], cwd=folder, check=True)
            print(f"{fetch(args.out, next(Path(folder).glob('*.deb')))} things")
        except (OSError, ValueError, subprocess.CalledProcessError, tarfile.TarError) as error:
            parser.exit(1, f"The things cannot be fetched ({error}): on Debian try `apt-get update`, elsewhere bring "
                           "any folder of .png pictures that are transparent around what they show.\n")


if __name__ == "__main__":
    main()
