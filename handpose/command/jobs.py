"""What is to be done: the photos and clips that paths on the command line mean, the names of their results, and what
became of each."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Of results, which a later run must not take for photos.
RESULT_ENDINGS = (".overlay.jpg", ".overlay.png", ".depth.png", ".mask.png")


@dataclass(frozen=True)
class Job:
    """One photo or clip to do: its file, its name in the JSON, and where its results go below the output folder."""
    path: Path
    image: str
    stem: str

    @property
    def is_clip(self) -> bool:
        from ..clips.reading import VIDEO_SUFFIXES
        return self.path.suffix.lower() in VIDEO_SUFFIXES


@dataclass(frozen=True)
class Outcome:
    """What became of a job. `error` is one sentence with the cause and the remedy, None where all went well."""
    hands: int = 0
    endings: tuple[str, ...] = ()  # of the files written: the job's stem goes before
    source: tuple[int, int] | None = None  # the photo's state (see `source_state`) when it was read
    error: str | None = None


def source_state(path: Path) -> tuple[int, int] | None:
    """Bytes and time of change (ns) of a file, which tell it from what it was earlier; None where there is none."""
    try:
        state = path.stat()
    except OSError:  # whoever reads the file says so
        return None
    return state.st_size, state.st_mtime_ns


class UsageError(Exception):
    """What was asked cannot be done; the message is one sentence with the cause and the remedy."""


def find_jobs(paths: list[Path]) -> list[Job]:
    """All files that the paths mean: themselves, photos in folders, searched to the bottom. Raises UsageError.

    Results are named as the photos are, below the folder given; where that would give two photos one name, the second
    keeps its suffix (`a.png.json` beside `a.json`) or gets a number.
    """
    from ..image import IMAGE_SUFFIXES

    found: dict[Path, str] = {}  # file -> its name relative to the folder given
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                name = file.relative_to(path)
                hidden = any(part.startswith(".") for part in name.parts)  # such as macOS's "._photo.jpg"
                if (file.suffix.lower() in IMAGE_SUFFIXES and file.is_file() and not hidden
                        and not file.name.lower().endswith(RESULT_ENDINGS)):
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
