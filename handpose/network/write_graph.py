"""Gives a checkpoint that has none its graph: `python -m handpose.network.write_graph FOLDER`."""
from __future__ import annotations

import sys
from pathlib import Path

from ..whole_file import whole_file
from .checkpoint import GRAPH, find_checkpoint, read_config
from .hand_network import network_graph


def write_graph(folder: Path) -> None:
    """Writes the graph whole or not at all. Raises FileNotFoundError or ValueError naming the remedy, or OSError."""
    folder = find_checkpoint(folder)
    graph = network_graph(read_config(folder))
    with whole_file(folder / GRAPH) as temporary:
        temporary.write_bytes(graph)


if __name__ == "__main__":
    write_graph(Path(sys.argv[1]))
