"""TensorFlow Lite networks, run by LiteRT; the mediapipe package, which reports on its users, is not used."""
from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from ..shipped import shipped

MEDIAPIPE = shipped("assets") / "mediapipe"  # MediaPipe's model files and their licence


class TfliteModel:
    """A network with one image in. Its interpreter serves one thread at a time, hence the lock."""

    def __init__(self, path: str | Path, threads: int = 2):
        """Raises FileNotFoundError."""
        from ai_edge_litert.interpreter import Interpreter
        if not Path(path).is_file():
            raise FileNotFoundError(f"There is no model file {path}: restore it with git or pass another path.")
        self._interpreter = Interpreter(str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = {output["name"]: output["index"] for output in self._interpreter.get_output_details()}
        self._lock = threading.Lock()

    def __call__(self, rgb: np.ndarray) -> dict[str, np.ndarray]:
        """All outputs by name, each without its batch axis, for an image (S, S, 3) uint8."""
        with self._lock:
            self._interpreter.set_tensor(self._input, rgb[None].astype(np.float32) / 255)
            self._interpreter.invoke()
            return {name: self._interpreter.get_tensor(index)[0] for name, index in self._outputs.items()}
