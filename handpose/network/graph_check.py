"""Whether ONNX Runtime may be given a checkpoint's graph, which a stranger may have made.

A graph can name any file as the place of a tensor's values, anywhere in it. Those of `onnx_export` name none: ONNX
Runtime takes a tensor that is marked as lying outside, but without a place, from the engine alone. The format, protocol
buffers, keeps a text byte for byte, so that a file without the word that a place is called by names none.

A graph can also run for ever. One without graphs inside of it (bodies of loops), without functions (which may call each
other in ever growing numbers) and with none but ONNX's own operators runs each of its nodes once.
"""
from __future__ import annotations

from collections.abc import Iterator

MOST_BYTES = 4 << 20  # ours have 0.1 to 0.3 MB
PLACE = b"location"  # the key under which an external tensor says where it lies
# Numbers of fields, from onnx.proto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
MODEL_GRAPH, MODEL_TRAINING, MODEL_FUNCTIONS = 7, 20, 25
GRAPH_NODES, NODE_ATTRIBUTES, NODE_DOMAIN, ATTRIBUTE_GRAPHS = 1, 5, 7, (6, 11)
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # how a field is written


def check_no_external_data(model: bytes) -> None:
    """Raises ValueError, a part of a sentence, for a serialised ONNX model that could name a file."""
    if PLACE in model:
        raise ValueError("the graph names other files (external data), which is refused; `python -m "
                         "handpose.network.onnx_export FOLDER` writes it anew")


def check_graph(model: bytes) -> None:
    """Raises ValueError, a part of a sentence, for a model that could open files or run for ever."""
    check_no_external_data(model)
    for number, graph in _fields(model):
        if number in (MODEL_TRAINING, MODEL_FUNCTIONS):
            raise ValueError("the graph has functions or training of its own, which are refused")
        if number != MODEL_GRAPH:
            continue
        for node in _messages(graph, GRAPH_NODES):
            if any(domain not in (b"", b"ai.onnx") for domain in _messages(node, NODE_DOMAIN)):
                raise ValueError("the graph has operators that are not ONNX's own, which are refused")
            for attribute in _messages(node, NODE_ATTRIBUTES):
                if any(number in ATTRIBUTE_GRAPHS for number, _ in _fields(attribute)):
                    raise ValueError("the graph has loops or branches, which are refused")


def _messages(message: bytes, wanted: int) -> Iterator[bytes]:
    return (value for number, value in _fields(message) if number == wanted)


def _fields(message: bytes | None) -> Iterator[tuple[int, bytes | None]]:
    """The number of each field of a message, and its bytes; None for numbers, which have none.

    Stricter than protocol buffers' own reader: what that might understand in another way is refused.
    """
    if message is None:
        raise ValueError("the graph is damaged")
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while at < len(message) and shift < 70:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise ValueError("the graph is damaged")

    while at < len(message):
        number, kind = divmod(varint(), 8)
        if kind == VARINT:
            varint()
            yield number, None
            continue
        size = {FIXED64: 8, FIXED32: 4}.get(kind) if kind != BYTES else varint()
        if size is None or not 0 < number < 1 << 29 or at + size > len(message):
            raise ValueError("the graph is damaged")
        yield number, message[at:at + size] if kind == BYTES else None
        at += size
