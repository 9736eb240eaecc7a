"""Files that appear whole or not at all."""
from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ENDING = ".tmp"


@contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """The path of a temporary file beside it, which takes the real name when all went well, else is removed.

    Who may read it follows from the file that it replaces or, where there is none, from the umask, as of any new file.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid.uuid4().hex}{ENDING}")
    try:
        yield temporary
        with suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(path.stat().st_mode) & 0o777)
        os.replace(temporary, path)
    finally:  # Ctrl-C too
        temporary.unlink(missing_ok=True)


def remove_temporaries(folder: Path) -> None:
    """Removes the temporary files in a folder that processes left which were killed. Raises OSError."""
    for file in folder.glob(f".*{ENDING}"):
        if len(file.stem) == 33:  # a dot and a UUID's digits
            file.unlink(missing_ok=True)
