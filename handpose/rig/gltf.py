"""glTF 2.0 as one binary file (GLB): a tree of JSON and the arrays that it points to."""
from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

COMPONENTS = {"float32": 5126, "uint32": 5125, "uint16": 5123, "uint8": 5121}  # glTF's numbers of types
TYPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
VERTICES, INDICES = 34962, 34963  # what a buffer of a mesh is for


class GltfFile:
    """Collects what goes into a file. `add` and `array` give the index by which other parts point to what they add."""

    def __init__(self, generator: str):
        self._tree: dict[str, Any] = {"asset": {"version": "2.0", "generator": generator}}
        self._binary = bytearray()

    def add(self, kind: str, **part: Any) -> int:
        """Adds a part to the tree's list of that kind ("nodes", "meshes", ..)."""
        parts = self._tree.setdefault(kind, [])
        parts.append({name: value for name, value in part.items() if value is not None})
        return len(parts) - 1

    def array(self, values: np.ndarray, use: int | None = None, *, normalized: bool = False, bounds: bool = False
              ) -> int:
        """Adds an array (N, ...) of a type in COMPONENTS as it is: of matrices, the columns one after the other.

        `use` is VERTICES or INDICES for what a mesh consists of. `normalized` integers stand for 0..1. `bounds` are
        asked for of positions and of an animation's times.
        """
        values = np.ascontiguousarray(values)
        view = self.add("bufferViews", buffer=0, byteOffset=len(self._binary), byteLength=values.nbytes, target=use)
        self._binary += values.tobytes() + bytes(-values.nbytes % 4)
        limits = {"min": np.atleast_1d(values.min(0)).tolist(), "max": np.atleast_1d(values.max(0)).tolist()}
        return self.add("accessors", bufferView=view, componentType=COMPONENTS[values.dtype.name], count=len(values),
                        type=TYPES[values.shape[1:]], normalized=normalized or None, **(limits if bounds else {}))

    def content(self, scene: list[int]) -> bytes:
        """The file, whose scene holds these nodes and all below them."""
        tree = {**self._tree, "scene": 0, "scenes": [{"nodes": scene}], "buffers": [{"byteLength": len(self._binary)}]}
        text = json.dumps(tree, allow_nan=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = (struct.pack("<I4s", len(text), b"JSON") + text
                  + struct.pack("<I4s", len(self._binary), b"BIN\0") + self._binary)
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
