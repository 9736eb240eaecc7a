"""Fetches photos without hands for the backgrounds of renders: those of Debian packages that `backgrounds.csv` lists.

    python -m train.fetch_backgrounds work/backgrounds

Debian's own tools (apt-get, dpkg-deb) fetch and open the packages; nothing is installed. Each photo is scaled to at
most 768 px. The list was made for Debian 12; what another release no longer holds is counted and left out.
"""
from __future__ import annotations

import argparse
import csv
import io
import os
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from tqdm import tqdm

from .synthesis.credits import CREDITS, Credit, credits_text

LIST = Path(__file__).parent / "data" / "backgrounds.csv"
LARGEST, QUALITY = 768, 90  # px, of the JPEG
IN_RESOURCES = (".jpg", ".webp", ".png")
FOLDER, COMPRESSED = 2, 5  # flags of Qt's resource files: an entry is a folder; it is packed by zlib (1) or zstd (4)


def read_resources(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and content of the unpacked files in one of Qt's binary resource files (.rcc, versions 1 to 3).

    https://doc.qt.io/qt-6/resources.html: a tree of entries that point at names (UTF-16) and at data, all big-endian.
    """
    magic, version, tree, contents, names = struct.unpack_from(">4s4I", data)
    if magic != b"qres" or not 1 <= version <= 3:
        raise ValueError("This is no Qt resource file of version 1 to 3.")
    entry_size = 14 if version == 1 else 22  # later ones end in a time of change

    def walk(index: int, folder: PurePosixPath) -> Iterator[tuple[str, bytes]]:
        at = tree + index * entry_size
        name, flags, first, second = struct.unpack_from(">IHII", data, at)
        length, = struct.unpack_from(">H", data, names + name)
        start = names + name + 6  # after the length and a hash
        path = folder / data[start:start + 2 * length].decode("utf-16-be") if index else folder
        if flags & FOLDER:  # how many children, and the first one's index
            for child in range(second, second + first):
                yield from walk(child, path)
        elif not flags & COMPRESSED:  # photos are never packed once more; language and country, and where the data is
            size, = struct.unpack_from(">I", data, contents + second)
            yield str(path), data[contents + second + 4:contents + second + 4 + size]

    yield from walk(0, PurePosixPath())


def read_package(package: Path) -> Iterator[tuple[str, str, bytes]]:
    """Path, path inside that resource file or "", and content of all photos in a Debian package."""
    content = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if member.isfile() and path.suffix == ".jpg":
                yield str(path), "", archive.extractfile(member).read()
            elif member.isfile() and path.suffix == ".rcc":
                yield from ((str(path), str(PurePosixPath(name).with_suffix("")), photo)
                            for name, photo in read_resources(archive.extractfile(member).read())
                            if name.endswith(IN_RESOURCES))


def fetch(out: Path, packages: dict[str, Path], listed: list[dict[str, str]]) -> int:
    """Writes those listed (rows of backgrounds.csv) to `out`/000.jpg ... and their credits.csv, or nothing.

    Returns how many.
    """
    numbers = {(row["package"], row["path"], row["inside"]): number for number, row in enumerate(listed)}
    credits = []
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".backgrounds-", dir=out.parent) as temporary:
        folder = Path(temporary, "photos")
        folder.mkdir()
        for name, package in packages.items():
            for path, inside, content in tqdm(read_package(package), desc=name, unit="photo"):
                number = numbers.pop((name, path.removeprefix("./"), inside), None)
                if number is None:
                    continue
                image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
                scale = LARGEST / max(image.shape[:2])
                if scale < 1:
                    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                cv2.imwrite(str(folder / f"{number:03d}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
                credits.append(Credit(f"{number:03d}.jpg", listed[number]["author"], listed[number]["licence"],
                                      f"{name}: {path.removeprefix('./')} {inside}".strip()))
        if not credits:
            raise ValueError(f"None of the photos in {LIST.name} is in {', '.join(packages)}: correct the list.")
        (folder / CREDITS).write_text(credits_text(credits))
        os.replace(folder, out)
    return len(credits)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m train.fetch_backgrounds", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write the photos to")
    args = parser.parse_args(argv)
    if args.out.exists():
        parser.exit(0, f"{args.out}: there already\n")
    with open(LIST, newline="") as file:
        listed = list(csv.DictReader(file))
    names = list(dict.fromkeys(row["package"] for row in listed))
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(["apt-get", "download", "-q", *names], cwd=folder, check=True)
            packages = {name: next(Path(folder).glob(f"{name}_*.deb")) for name in names}
            print(f"{fetch(args.out, packages, listed)} of {len(listed)} photos")
        except (OSError, ValueError, subprocess.CalledProcessError, tarfile.TarError) as error:
            parser.exit(1, f"The backgrounds cannot be fetched ({error}): on Debian try `apt-get update`, elsewhere "
                           "bring any folder of photos without hands.\n")


if __name__ == "__main__":
    main()
