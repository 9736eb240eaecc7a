"""The repository as a Space: its front matter and lists are valid, and a bare copy of it starts and answers."""
import ast
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from benchmarks.running_page import ROOT, RunningPage, Visitor

PHOTO = ROOT / "tests" / "data" / "hand_right.jpg"
COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # that the Hub knows
SPACE_MEMORY = 16_000_000_000  # bytes, of the free hardware


def front_matter() -> dict:
    _, block, _ = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(block)


def requirements() -> dict[str, Requirement]:
    lines = [line.partition(" #")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {name(requirement.name): requirement for requirement in wanted}


def name(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def shipped_files() -> list[Path]:
    """What a push to the Hub would hold: the files that git tracks or would track."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [Path(path) for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]


def test_front_matter_is_what_the_hub_takes():
    head = front_matter()
    assert head["sdk"] == "gradio" and (ROOT / head["app_file"]).is_file()
    assert head["sdk_version"] in requirements()["gradio"].specifier
    project = (ROOT / "pyproject.toml").read_text()
    assert head["python_version"] in SpecifierSet(re.search(r'requires-python = "(.+)"', project)[1])
    assert head["license"] == re.search(r'^license = "(.+)"', project, re.MULTILINE)[1].lower()
    assert head["title"] and {head["colorFrom"], head["colorTo"]} <= COLORS
    assert not re.search(r"[\w\s]", head["emoji"]) and len(head["emoji"]) <= 4
    assert len(head.get("short_description", "")) <= 60


def test_debian_packages_are_names_alone():
    """The Hub gives each word of the file to apt: no comments, no options."""
    words = (ROOT / "packages.txt").read_text().split()
    assert words and all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", word) for word in words)


# Of handpose: what the extra `train` is for.
FOR_TRAINING = {"hand_network.py", "resnet.py", "layer.py", "onnx_export.py", "write_graph.py"}
EXTRAS = {"engine.py": {"torch"}, "ray_batch.py": {"ray"}, "usdz.py": {"pxr"}}


def test_requirements_cover_every_import_of_the_page():
    """With nothing that only pip's leniency would take, and nothing from outside the registry."""
    wanted, known = requirements(), packages_distributions()
    assert not any(requirement.url for requirement in wanted.values())
    own = {"handpose", "page", "app"} | sys.stdlib_module_names
    library = (path for path in (ROOT / "handpose").rglob("*.py") if path.name not in FOR_TRAINING)
    for path in (ROOT / "app.py", *(ROOT / "page").rglob("*.py"), *library):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules.append(node.module)
            allowed = own | EXTRAS.get(path.name, set())
            for module in {module.partition(".")[0] for module in modules} - allowed:
                assert {name(one) for one in known[module]} & set(wanted), f"{path.name} imports {module}"


def test_a_bare_copy_starts_answers_and_writes_only_temporary_files(tmp_path, monkeypatch):
    space, home = tmp_path / "space", tmp_path / "home"
    for path in shipped_files():
        (space / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, space / path)
    home.mkdir()
    environment = {"HOME": home, "USERPROFILE": home, "PYTHONDONTWRITEBYTECODE": 1, "HF_HUB_OFFLINE": 1}
    for variable, value in environment.items():
        monkeypatch.setenv(variable, str(value))
    before = {path: path.stat().st_mtime_ns for path in space.rglob("*") if path.is_file()}
    with RunningPage(tmp_path / "run", root=space) as page:
        event, answer = Visitor(page.address).estimate("hand.jpg", PHOTO.read_bytes())
        assert event == "complete" and [hand["side"] for hand in answer["hands"]] == ["right"]
        if sys.platform == "linux":
            assert page.memory() < SPACE_MEMORY / 4
    after = {path: path.stat().st_mtime_ns for path in space.rglob("*") if path.is_file()}
    assert after == before
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert [path for path in page.files.rglob("*") if path.is_file()] == []  # the visitor's photo went with the page
    assert "Traceback" not in page.log.read_text()
