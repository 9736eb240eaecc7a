"""The package as others get it: a wheel that runs in an empty environment as a checkout does, and reports to nobody."""
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest
from test_spaces import ROOT, shipped_files

from handpose.command.cli import main

PHOTO = ROOT / "tests" / "data" / "hand_right.jpg"
SECONDS = 2  # to wait for what starts late in the background
MOST_BYTES = 40_000_000  # of the wheel

# ONNX Runtime, for one, is silent where it takes itself to be tested or is told to be: not here.
SILENCERS = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TRAVIS", "JENKINS_URL", "CODEBUILD_BUILD_ID",
             "BUILDKITE", "TEAMCITY_VERSION", "APPVEYOR", "BITBUCKET_BUILD_NUMBER", "ORT_RUNNING_UNIT_TESTS",
             "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED", "DO_NOT_TRACK")

WATCHED = """
import json, os, sys, time
written, called = [], []
def watch(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written.append(str(arguments[0]))
    elif event in ("os.mkdir", "os.symlink", "os.link"):
        written.append(os.fsdecode(arguments[0]))
    elif event.startswith("socket."):
        called.append(event)
sys.addaudithook(watch)

import handpose
from handpose.command.cli import main
status = main(sys.argv[2:])
if os.path.isdir("/proc/self/fd"):  # native code, which raises no audit events
    for _ in range(5):
        time.sleep(float(sys.argv[1]) / 5)
        for number in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink("/proc/self/fd/" + number)
            except OSError:
                continue
            if int(number) > 2 and target.startswith("socket:"):
                called.append(target)
print(json.dumps({"status": status, "from": handpose.__file__, "written": written, "called": called}))
"""


class Installed(NamedTuple):
    names: list[str]  # of the wheel's files
    size: int  # of the wheel, bytes
    python: Path  # of an environment that has handpose from the wheel and the rest from the running one


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    """A wheel made of an archive of the sources, as `python -m build` does, and an environment that has it."""
    folder = tmp_path_factory.mktemp("package")
    for path in shipped_files():  # not the checkout itself, where builds leave files behind
        (folder / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / "source" / path)
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})"
    run([sys.executable, "-c", build], cwd=folder / "source")
    offline = ["--no-index", "--no-deps", "--quiet"]
    [archive] = folder.glob("*.tar.gz")
    run([sys.executable, "-m", "pip", "wheel", *offline, "--no-build-isolation", "--wheel-dir", folder, archive])
    [wheel] = folder.glob("*.whl")

    run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"])
    python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run([sys.executable, "-m", "pip", "--python", python, "install", *offline, "--no-compile", wheel])
    libraries = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}  # whose own .pth files are not read
    own = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    Path(own, "libraries.pth").write_text("\n".join(libraries))
    return Installed(zipfile.ZipFile(wheel).namelist(), wheel.stat().st_size, python)


def run(command: list, **options) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_handpose_its_models_and_their_licences_and_nothing_else(installed):
    files = {PurePosixPath(name) for name in installed.names}
    assert {path.parts[0] for path in files} == {"handpose", "handpose-0.1.0.dist-info"}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "handpose").rglob("*.py")}
    assert {str(path) for path in files if path.suffix == ".py"} == modules
    data = {str(path) for path in files if path.parts[0] == "handpose"} - modules
    assert data == {"handpose/" + path for path in (
        "assets/README.md", "assets/open_hand.npz", "assets/mediapipe/README.md", "assets/mediapipe/LICENSE",
        "assets/mediapipe/hand_detector.tflite", "assets/mediapipe/hand_landmarks_detector.tflite",
        "checkpoints/README.md", "checkpoints/LICENSE-open_nsfw.txt", "checkpoints/config.json",
        "checkpoints/model.safetensors", "checkpoints/network.onnx", "checkpoints/detector.safetensors",
        "checkpoints/detector.onnx")}
    assert any(path.name == "LICENSE" and path.parts[0] != "handpose" for path in files)
    assert installed.size < MOST_BYTES


def test_the_command_is_there(installed):
    assert "predict" in run([installed.python.parent / "handpose", "--help"])


def test_installed_it_predicts_as_in_a_checkout_calls_nobody_and_leaves_nothing(installed, tmp_path):
    private = {name: tmp_path / name for name in ("HOME", "TMPDIR", "here")}
    for place in private.values():
        place.mkdir()
    homes = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), private["HOME"])
    environment = {name: value for name, value in os.environ.items()
                   if name not in SILENCERS and not name.startswith(("XDG_", "PYTHON"))}
    environment |= {name: str(value) for name, value in homes.items()} | {"PYTHONDONTWRITEBYTECODE": "1"}
    environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(private["TMPDIR"]))
    out, expected = tmp_path / "out", tmp_path / "expected"

    said = run([installed.python, "-c", WATCHED, SECONDS, "predict", PHOTO, "--out", out], cwd=private["here"],
               env=environment)
    seen = json.loads(said.splitlines()[-1])
    assert seen["status"] == 0 and Path(seen["from"]).is_relative_to(installed.python.parents[1])
    assert seen["called"] == []
    files = [path for path in seen["written"] if not path.isdigit()]  # numbers are pipes, to the process that decodes
    assert [path for path in files if not Path(path).is_relative_to(out) and path != os.devnull] == []
    assert [path for place in private.values() for path in place.rglob("*")] == []

    assert main(["predict", str(PHOTO), "--out", str(expected)]) == 0
    found = json.loads((out / "hand_right.json").read_text())
    assert found == json.loads((expected / "hand_right.json").read_text()) and found["hands"]
    assert {path.name for path in out.iterdir()} == {path.name for path in expected.iterdir()}
