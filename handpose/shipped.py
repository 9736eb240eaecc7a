"""Where the files lie that ship with the package: hand model, detector, checkpoint."""
from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """The folder "assets" or "checkpoints": inside the package where it is installed, beside it in a checkout."""
    inside = Path(__file__).resolve().parent / name
    return inside if inside.is_dir() else inside.parent.parent / name
