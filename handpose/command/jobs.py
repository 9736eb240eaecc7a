"""What is to be done, and what became of it."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One photo or clip to do: its file, its name in the JSON, and where its results go below the output folder.

    Of a clip in numbered photos, `path` is their folder or pattern; `photos` are they, each with its time in seconds,
    `fps` of them a second.
    """
    path: Path
    image: str
    stem: str
    is_clip: bool = False
    photos: tuple[tuple[float, Path], ...] = ()
    fps: float = 0.0

    @property
    def files(self) -> list[Path]:
        """What is read for it."""
        return [photo for _, photo in self.photos] or [self.path]

    def source(self) -> tuple[int, int] | None:
        """The state of its files, as `source_state` gives one's: all bytes, and the last change."""
        states = [state for file in self.files if (state := source_state(file))]
        return (sum(size for size, _ in states), max(changed for _, changed in states)) if states else None


@dataclass(frozen=True)
class Outcome:
    """What became of a job. `error` is one sentence with the cause and the remedy, None where all went well."""
    hands: int = 0
    endings: tuple[str, ...] = ()  # of the files written: the job's stem goes before
    source: tuple[int, int] | None = None  # the job's source when it was read
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
