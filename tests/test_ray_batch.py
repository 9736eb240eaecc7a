"""`handpose predict --ray` with two processes: the same files, messages and exit code as without."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from test_cli import files, predict

from train.make_clip import make_clip

pytest.importorskip("ray", reason="pip install -e '.[ray]'")
ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = [ROOT / "assets" / "examples" / name for name in ("both_hands.jpg", "ok.jpg", "open_palm.jpg", "three.jpg")]


def test_two_processes_give_the_same(tmp_path, capsys, monkeypatch):
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    for example in EXAMPLES:
        picture = Image.open(example)
        picture.resize((picture.width // 2, picture.height // 2)).save(photos / "sub" / example.name)
    (photos / "bad.jpg").write_bytes(b"no image")
    make_clip(tmp_path / "clip.mp4", motion="rest", frames=4, hands=1, width=160, height=120, fps=5, seed=2)
    monkeypatch.chdir(tmp_path)  # names on the command line are relative
    paths = "photos", "clip.mp4", "--npz"
    assert predict(*paths, "--out", "plain", "--workers", 2) == 1
    plain = capsys.readouterr()

    command = [sys.executable, "-m", "handpose", "predict", *paths, "--out", "ray", "--ray", "--workers", "2"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    for _ in range(3):  # on a busy machine Ray gives up starting after half a minute
        done = subprocess.run(command, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
        if "Ray cannot start" not in done.stderr:
            break
    assert done.returncode == 1, done.stderr
    assert done.stdout == plain.out.replace("plain", "ray")
    named, = [line for line in plain.err.splitlines() if "bad.jpg" in line]
    assert named.strip() in map(str.strip, done.stderr.splitlines()) and "Traceback" not in done.stderr
    assert files(tmp_path / "ray") == files(tmp_path / "plain") and "sub/ok.json" in files(tmp_path / "ray")
    for name in set(files(tmp_path / "plain")) - {"clip.overlay.mp4"}:
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes(), name

    assert predict(*paths, "--out", "ray") == 1  # whose ledger is that of any run
    assert "5 files by an earlier run" in capsys.readouterr().out
