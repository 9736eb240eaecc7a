"""ONNX Runtime on the CPU: a graph without weights and the weights that it names, which may be a stranger's."""
from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from .graph_check import check_graph

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MOST_THREADS = 4  # more do not make such small networks faster


def open_session(graph: bytes, weights: dict[str, np.ndarray], threads: int | None = None) -> InferenceSession:
    """A session that serves several threads at once. Raises ValueError, a part of a sentence."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # versions beyond requirements.txt's bound report on users
    import onnxruntime as ort  # slow to import

    check_graph(graph)

    ort.disable_telemetry_events()  # its Windows build writes them
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or usual_threads()
    # Threads wait for each other in a busy loop, a quarter faster, but only until the answer is there: then the
    # landmark model's threads need the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.load_model_format", "ONNX")  # the only one that `check_graph` reads
    options.log_severity_level = 4  # what goes wrong is raised
    values = {name: ort.OrtValue.ortvalue_from_numpy(np.asarray(array, np.float32)) for name, array in weights.items()}
    options.add_external_initializers([*values], [*values.values()])
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own have no common class
        raise ValueError(str(error)) from error


def usual_threads() -> int:
    """For models as small as ours: as many threads as there are cores, but not many."""
    return min(usable_cores(), MOST_THREADS)


def usable_cores() -> int:
    """That this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
