"""Visitors' files: in a folder of the page's own, which is empty after any kind of end and after half an hour."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from page.server.temporary import LOCK, sweep

ROOT = Path(__file__).resolve().parent.parent
# A page that has received a photo and a film, as far as its files go.
PAGE = """
import signal, sys, tempfile, time
from pathlib import Path
from page.server.temporary import use_own_folder
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
folder = use_own_folder()
(folder / "ab12").mkdir()
(folder / "ab12" / "photo.jpg").write_bytes(b"photo")
Path(tempfile.mkdtemp(), "film.mp4").write_bytes(b"film")
print(folder, flush=True)
time.sleep(float(sys.argv[1]))
"""


@pytest.fixture(params=["GRADIO_TEMP_DIR", "TMPDIR"])
def start(tmp_path, request, monkeypatch):
    """Starts such a page, told of a temporary folder in either way; returns the process and its folder."""
    running, variable = [], request.param
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    if variable == "TMPDIR" and os.name != "posix":
        variable = "TEMP"

    def start(seconds: float = 60) -> tuple[subprocess.Popen, Path]:
        page = subprocess.Popen([sys.executable, "-c", PAGE, str(seconds)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                                env={**os.environ, variable: str(tmp_path)})
        running.append(page)
        return page, Path(page.stdout.readline().strip())

    yield start
    for page in running:
        page.kill()
        page.wait()
        page.stdout.close()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != LOCK)


def test_everything_goes_into_a_folder_that_others_cannot_read(start, tmp_path):
    page, folder = start()
    assert folder.parent == tmp_path and files(tmp_path) == files(folder) == ["film.mp4", "photo.jpg"]
    if os.name == "posix":
        assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_nothing_is_left_after_an_end_or_after_a_kill_and_a_new_start(start, tmp_path):
    start(0)[0].wait(60)
    assert files(tmp_path) == []
    stopped, _ = start()
    stopped.terminate()
    assert stopped.wait(60) == 0 and files(tmp_path) == []

    living, its_folder = start()
    killed, _ = start()
    killed.send_signal(signal.SIGKILL)
    killed.wait(60)
    assert files(tmp_path) == 2 * ["film.mp4"] + 2 * ["photo.jpg"]
    third, its_own = start()
    assert files(tmp_path) == sorted(files(its_folder) + files(its_own))  # the killed one's are gone, and no other
    assert files(its_folder) == files(its_own) == ["film.mp4", "photo.jpg"]


def test_old_files_are_swept_and_new_and_own_ones_stay(tmp_path):
    for name in ("own", "old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.jpg").write_bytes(b"photo")
    own = set((tmp_path / "own").rglob("*")) | {tmp_path / "own"}
    time.sleep(0.3)
    os.utime(tmp_path / "new" / "new.jpg")
    sweep(tmp_path, 0.25, own)
    assert files(tmp_path) == ["new.jpg", "own.jpg"] and (tmp_path / "old").is_dir()
    time.sleep(0.3)
    sweep(tmp_path, 0.25, own)
    assert files(tmp_path) == ["own.jpg"] and not (tmp_path / "old").exists()
