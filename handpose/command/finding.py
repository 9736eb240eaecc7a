"""The photos and clips that paths on the command line mean, and the names of their results."""
from __future__ import annotations

import glob
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..file_names import shown_name
from .jobs import Job, UsageError

# Of results, which a later run must not take for photos or clips.
RESULT_ENDINGS = (".overlay.jpg", ".overlay.png", ".overlay.mp4", ".depth.png", ".mask.png", ".turntable.mp4",
                  ".turntable.gif")
NUMBER = re.compile(r"%0?\d*d")  # in the name of numbered photos, as FFmpeg has it
USUAL_FPS = 30.0  # of numbered photos
MOST_KINDS = 5  # of files passed over that are named


@dataclass
class Found:
    """What paths mean. `passed_over`: how many files in folders are neither photos nor clips, by suffix."""
    jobs: list[Job] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)

    @property
    def passed_over_in_words(self) -> str:
        """"3 other files (.txt, .pdf)"; "" for none."""
        count, kinds = self.passed_over.total(), [kind for kind, _ in self.passed_over.most_common()]
        named = [kind or "no suffix" for kind in kinds[:MOST_KINDS]] + ["..."] * (len(kinds) > MOST_KINDS)
        return f"{count} other file{'' if count == 1 else 's'} ({shown_name(', '.join(named))})" if count else ""


def find_jobs(paths: list[Path], fps: float | None = None, out: Path | None = None) -> Found:
    """All that the paths mean: files, photos and clips in folders, searched to the bottom, what a pattern such as
    `*.jpg` matches where no shell has expanded it, and clips in numbered photos such as `frame_%05d.png`.

    With `fps`, each folder is a clip of its photos in the order of their numbers. GIF, WebP and APNG files are clips if
    they move. Other files are counted, but not those below `out`, which are results. Raises UsageError.

    Results are named as the photos are, below the folder given; where that would give two photos one name, the second
    keeps its suffix (`a.png.json` beside `a.json`) or gets a number.
    """
    found, seen, taken = Found(), set(), set()
    for path in paths:
        for job in _jobs_of(path, fps, out, found.passed_over):
            place = job.path.resolve()
            if place in seen:
                continue
            seen.add(place)
            stem = _free_name(job.image, job.stem, taken)
            taken.add(stem.casefold())  # some file systems take A.json for a.json
            found.jobs.append(Job(job.path, job.image, stem, job.is_clip, job.photos, job.fps))
    if not found.jobs:
        others = f"; {found.passed_over_in_words} passed over" if found.passed_over else ""
        raise UsageError(f"There is no image or clip in {', '.join(map(str, paths))}{others}: give a file or a folder "
                         "that holds some.")
    return found


def _jobs_of(path: Path, fps: float | None, out: Path | None, passed_over: Counter[str]) -> list[Job]:
    """Raises UsageError."""
    if path.is_dir():
        return [_numbered_in_folder(path, fps)] if fps else _in_folder(path, out, passed_over)
    if path.exists():
        return [_job(path, path.name)]
    if NUMBER.search(path.name):
        return [_numbered(path, fps or USUAL_FPS)]
    if glob.has_magic(str(path)):
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        jobs = [job for match in matches if not _is_result(match) for job in _jobs_of(match, fps, out, passed_over)]
        if jobs:
            return jobs
        raise UsageError(f"Nothing matches {path}: check the pattern.")
    raise UsageError(f"There is no {path}: give the path of a photo, a clip or a folder with some.")


def _in_folder(folder: Path, out: Path | None, passed_over: Counter[str]) -> list[Job]:
    jobs = []
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)  # such as macOS's "._photo.jpg"
        if hidden or _is_result(file) or not file.is_file():
            continue
        if _is_image(file) or _is_video(file):
            jobs.append(_job(file, name.as_posix()))
        elif out is None or not file.resolve().is_relative_to(out.resolve()):
            passed_over[file.suffix.lower()] += 1
    return jobs


def _job(file: Path, image: str) -> Job:
    return Job(file, image, str(Path(image).with_suffix("")), _is_video(file) or _is_animation(file))


def _numbered_in_folder(folder: Path, fps: float) -> Job:
    """The clip that the photos in a folder are. Raises UsageError."""
    photos = sorted((file for file in folder.iterdir()
                     if _is_image(file) and not _is_result(file) and not file.name.startswith(".") and file.is_file()),
                    key=lambda file: [int(part) if part.isdecimal() else part
                                      for part in re.split(r"(\d+)", file.name)])
    if not photos:
        raise UsageError(f"With --fps, a folder is a clip in numbered photos, and there is none in {folder}: give the "
                         "folder that holds them, or leave --fps out.")
    name = folder.resolve().name or "photos"
    return Job(folder, name, name, True, tuple((number / fps, photo) for number, photo in enumerate(photos)), fps)


def _numbered(pattern: Path, fps: float) -> Job:
    """The clip that photos of a name with %d in it are, each at the time of its number. Raises UsageError."""
    before, after = NUMBER.split(pattern.name, maxsplit=1)
    name = re.compile(f"{re.escape(before)}(\\d+){re.escape(after)}")
    folder = pattern.parent
    photos = sorted((int(match[1]), file) for file in (folder.iterdir() if folder.is_dir() else ())
                    if (match := name.fullmatch(file.name)))
    if not photos:
        raise UsageError(f"There is no {pattern.name} with a number in its place in {folder}: check the pattern.")
    stem = before.rstrip("_-. ") or folder.resolve().name or "photos"
    return Job(pattern, pattern.name, stem, True,
               tuple(((number - photos[0][0]) / fps, photo) for number, photo in photos), fps)


def _is_result(file: Path) -> bool:
    return file.name.lower().endswith(RESULT_ENDINGS)


def _is_image(file: Path) -> bool:
    from ..image import IMAGE_SUFFIXES
    return file.suffix.lower() in IMAGE_SUFFIXES


def _is_video(file: Path) -> bool:
    from ..clips.reading import VIDEO_SUFFIXES
    return file.suffix.lower() in VIDEO_SUFFIXES


def _is_animation(file: Path) -> bool:
    from ..clips.pictures import is_animated
    from ..clips.reading import ANIMATION_SUFFIXES
    return file.suffix.lower() in ANIMATION_SUFFIXES and is_animated(file)


def _free_name(image: str, stem: str, taken: set[str]) -> str:
    """The name without its suffix; with it, or with a number, where that is taken."""
    number, name = 1, stem
    while name.casefold() in taken:
        name = image if number == 1 else f"{image}-{number}"
        number += 1
    return name
