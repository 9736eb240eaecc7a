"""Programs that are not ours and read glTF, run by Node.js: Khronos's validator and three.js.

They are fetched once by `npm install` in benchmarks/gltf (`make test` does it where there is npm). Only tests and
benchmarks use them.
"""
from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "gltf"
PATIENCE_S = 120


def missing() -> str | None:
    """What is missing to run them, None where nothing is."""
    if not shutil.which("node"):
        return "Node.js is missing"
    if not all((FOLDER / "node_modules" / name).is_dir() for name in ("gltf-validator", "three")):
        return f"Node.js's packages are missing: npm install --prefix {FOLDER}"
    return None


def validate(path: Path) -> list[str]:
    """The errors and warnings that glTF's validator has for a file, none for one that is right."""
    return [f"{one['code']}: {one['message']} ({one.get('pointer')})" for one in _run("validate.js", path)
            if one["severity"] < 2]  # 2: an information, such as texture coordinates without a texture


def play_in_three(path: Path, times_s: Sequence[float]) -> list[dict[str, np.ndarray]]:
    """Where three.js shows a file's skinned meshes at each time of its first animation: points (P, 3) by mesh."""
    return [{name: np.array(points) for name, points in meshes.items()}
            for meshes in _run("play.js", path, *map(str, times_s))]


def _run(script: str, path: Path, *arguments: str) -> list:
    """Raises RuntimeError with what the script says where it fails."""
    done = subprocess.run(["node", str(FOLDER / script), str(path), *arguments], capture_output=True, text=True,
                          timeout=PATIENCE_S)
    if done.returncode:
        raise RuntimeError(f"{script} cannot read {path}: {done.stderr.strip()}")
    return json.loads(done.stdout)
