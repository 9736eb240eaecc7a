"""Checkpoints that a stranger made: nothing but their own files is opened, and each is refused in one sentence."""
import json
import os
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.numpy import load_file, save_file

from handpose.estimator import HandEstimator
from handpose.hand_model.model_file import OPEN_HAND, OPEN_HAND_VERSION
from handpose.network.checkpoint import CHECKPOINT, CONFIG, GRAPH, WEIGHTS, NetworkConfig
from handpose.network.engine import OnnxEngine, load_engine
from handpose.network.graph_check import check_graph
from handpose.network.hand_network import HandNetwork

TINY = NetworkConfig(backbone="resnet18", input_size=64, token_width=48, token_layers=1, pyramid_channels=32,
                     lifter_width=32)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("checkpoint")
    HandNetwork(TINY).save(place)
    return place


@pytest.fixture
def folder(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "net"))


def refused(folder: Path, words: str, *loaders) -> None:
    """By each loader, in one sentence that holds these words."""
    for load in loaders or (load_engine, HandNetwork.from_pretrained):
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            load(folder)
        text = str(caught.value)
        assert words in text and "\n" not in text and len(text) < 500 and text.endswith("."), text


# The graph.

def outside(tensor: onnx.TensorProto, place: str, **more: str) -> onnx.TensorProto:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in ({"location": place} | more).items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def tensor(place: str, **more: str) -> onnx.TensorProto:
    """Of four numbers that lie at this place."""
    return outside(helper.make_tensor("stolen", TensorProto.FLOAT, [4], np.zeros(4, np.float32).tobytes(), raw=True),
                   place, **more)


def add_initializer(model, found):
    model.graph.initializer.append(found)


def add_sparse(model, found):
    found.name = "values"
    indices = helper.make_tensor("indices", TensorProto.INT64, [4], [0, 1, 2, 3])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(found, indices, [9]))


def add_attribute(model, found):
    model.graph.node.append(helper.make_node("Constant", [], ["stolen"], value=found))


def add_attributes(model, found):
    node = helper.make_node("Constant", [], ["stolen"])
    node.attribute.append(onnx.AttributeProto(name="values", type=onnx.AttributeProto.TENSORS, tensors=[found]))
    model.graph.node.append(node)


def add_subgraph(model, found):
    branch = helper.make_graph([], "branch", [], [helper.make_tensor_value_info("stolen", TensorProto.FLOAT, [4])],
                               [found])
    model.graph.node.append(helper.make_node("If", ["given"], ["out"], then_branch=branch, else_branch=branch))


def add_function(model, found):
    model.functions.append(helper.make_function(
        "own", "Steal", [], ["stolen"], [helper.make_node("Constant", [], ["stolen"], value=found)],
        [helper.make_opsetid("", 17)]))


def add_training(model, found):
    model.training_info.add().algorithm.initializer.append(found)


def move_parameter(model, found):
    """A parameter that the weights do not hold any more."""
    outside(next(t for t in model.graph.initializer if t.name == "heat.bias"), found.external_data[0].value)


WAYS = [add_initializer, add_sparse, add_attribute, add_attributes, add_subgraph, add_function, add_training,
        move_parameter]


@pytest.mark.parametrize("add", WAYS)
def test_a_graph_that_names_a_file_is_refused(folder, tmp_path, add):
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(21, dtype=np.float32).tobytes())
    for found in (tensor(str(secret)), tensor("../secret"), tensor("../secret", offset="8", length="16"),
                  tensor(WEIGHTS), tensor("*/_ORT_MEM_ADDR_/*", offset="4096", length="16")):
        model = onnx.load(folder / GRAPH, load_external_data=False)
        add(model, found)
        (folder / GRAPH).write_bytes(model.SerializeToString())
        refused(folder, "names other files", load_engine)


def test_the_runtime_reads_a_file_only_where_a_place_is_named(tmp_path, monkeypatch):
    """What the refusal rests on: without it the attack works, and it does not without the word."""
    (tmp_path / "secret").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [4])

    def model(found: onnx.TensorProto) -> bytes:
        nodes = [helper.make_node("Gather", ["stolen", "at"], ["out"])]
        at = helper.make_tensor_value_info("at", TensorProto.INT64, [4])  # an input, lest all is folded
        graph = helper.make_graph(nodes, "attack", [at], [out], [found])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()

    def run(graph: bytes) -> list[np.ndarray]:
        options = onnxruntime.SessionOptions()  # some optimisations fail over such a tensor, others do not
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return session.run(None, {"at": np.arange(4)})

    monkeypatch.chdir(tmp_path)
    attack = tensor("secret", offset="0", length="16")  # newer versions take no absolute place
    assert np.array_equal(run(model(attack))[0], np.arange(4))
    del attack.external_data[0]
    with pytest.raises(Exception, match="ONNXRuntimeError"):
        run(model(attack))
    attack.external_data[0].key = "path"
    with pytest.raises(Exception, match="ONNXRuntimeError"):
        run(model(attack))


def test_our_own_graph_names_no_place_and_runs(folder):
    for graph in (folder / GRAPH, CHECKPOINT / GRAPH):
        check_graph(graph.read_bytes())
        assert b"location" not in graph.read_bytes()
        assert any(t.data_location == TensorProto.EXTERNAL
                   for t in onnx.load(graph, load_external_data=False).graph.initializer)
    assert isinstance(load_engine(folder), OnnxEngine)


def loop(model):
    body = helper.make_graph([helper.make_node("Identity", ["go_on"], ["again"])], "body",
                             [helper.make_tensor_value_info("turn", TensorProto.INT64, []),
                              helper.make_tensor_value_info("go_on", TensorProto.BOOL, [])],
                             [helper.make_tensor_value_info("again", TensorProto.BOOL, [])])
    model.graph.node.append(helper.make_node("Loop", ["", "given"], [], body=body))


def foreign_operator(model):
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.node.append(helper.make_node("Gelu", ["images"], ["out"], domain="com.microsoft"))


def function(model):
    model.functions.append(helper.make_function("own", "F", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])],
                                                [helper.make_opsetid("", 17)]))


@pytest.mark.parametrize("change, words", [(loop, "loops"), (foreign_operator, "not ONNX's own"),
                                           (function, "functions")])
def test_a_graph_that_could_run_for_ever_is_refused(folder, change, words):
    model = onnx.load(folder / GRAPH, load_external_data=False)
    change(model)
    (folder / GRAPH).write_bytes(model.SerializeToString())
    refused(folder, words, load_engine)


def test_a_graph_in_pieces_is_looked_at_whole(folder):
    """Protocol buffers join a message that stands in a file twice."""
    model, more = onnx.load(folder / GRAPH, load_external_data=False), onnx.ModelProto()
    loop(more)
    joined = model.SerializeToString() + more.SerializeToString()
    assert any(node.op_type == "Loop" for node in onnx.load_from_string(joined).graph.node)
    (folder / GRAPH).write_bytes(joined)
    refused(folder, "loops", load_engine)


@pytest.mark.parametrize("graph", [b"\x0b", b"\x3a\xff\xff\xff\xff\x0f", b"\xff" * 20, b"\x3a\x02\x0a\x05", b"\x07",
                                   b"\x00\x00\x00\x00ORTM" + b"\0" * 40, b"\x08"])
def test_damaged_graphs_are_refused(folder, graph):
    (folder / GRAPH).write_bytes(graph)
    refused(folder, "do not belong together or are damaged", load_engine)


def test_a_huge_graph_is_not_read(folder):
    with open(folder / GRAPH, "r+b") as file:
        file.truncate(1 << 40)
    refused(folder, "network.onnx has 1099511627776 bytes", load_engine)


# The configuration.

def test_shipped_and_default_configurations_are_within_limits():
    NetworkConfig.of(json.loads((CHECKPOINT / CONFIG).read_text()))
    for values in ({}, {"backbone": "resnet101", "input_size": 256, "live_size": None, "hand_model": "mano"}):
        assert NetworkConfig.of(values)


@pytest.mark.parametrize("text", [
    "[" * 100_000, '{"a":' * 100_000, "[]", "null", "3", '"x"', "{", b"\xff\xfe", '{"input_size": 128, "eyes": 2}',
    " " * 100_000, '{"%s": 1}' % ("x" * 50_000), '{"input_size": %s}' % ("9" * 5000)])
def test_configurations_that_are_none(folder, text):
    (folder / CONFIG).write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(folder, "config.json")


@pytest.mark.parametrize("field, value", [
    ("input_size", "128"), ("input_size", True), ("input_size", 1e9), ("input_size", 128.0), ("input_size", None),
    ("input_size", float("nan")), ("input_size", -128), ("input_size", 10**9 * 32), ("input_size", 100),
    ("live_size", 0), ("live_size", [96]), ("pyramid_channels", 10**12), ("token_width", 0), ("token_width", 50),
    ("token_layers", 10**9), ("token_layers", -1), ("token_heads", 0), ("token_heads", 5), ("lifter_width", 10**9),
    ("lifter_blocks", 10**9), ("lifter_blocks", {}), ("backbone", 3), ("backbone", ["resnet18"]),
    ("backbone", "x" * 10**4), ("backbone", "../x"), ("hand_model", "../../x"), ("hand_model", None),
    ("hand_version", 0), ("hand_version", "1"), ("hand_version", True)])
def test_a_field_of_another_type_or_size_is_named(folder, field, value):
    values = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(values | {field: value}))
    refused(folder, field if field != "token_heads" or value == 0 else "token_width")


def test_a_checkpoint_for_another_version_of_the_hand_is_refused(tmp_path):
    for version in (1, OPEN_HAND_VERSION, OPEN_HAND_VERSION + 1):
        HandNetwork(replace(TINY, hand_version=version)).save(tmp_path)
        if version <= OPEN_HAND_VERSION:  # that of version 1 leaves alone what is otherwise in version 2
            assert HandEstimator.load(tmp_path).engine.config.hand_version == version
        else:
            refused(tmp_path, f"version {version} of the open hand", HandEstimator.load)
    with np.load(OPEN_HAND) as file:
        np.savez(tmp_path / "first_hand.npz", **dict(file) | {"version": 1})
    HandNetwork(TINY).save(tmp_path)
    refused(tmp_path, "not 1", lambda folder: HandEstimator.load(folder, hand_model=folder / "first_hand.npz"))
    saved = json.loads((tmp_path / CONFIG).read_text())
    assert NetworkConfig.of({name: saved[name] for name in saved if name != "hand_version"}).hand_version == 1


# The weights.

def spoil(folder: Path, change) -> None:
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_finite_numbers(folder, value):
    def change(weights):
        weights["heat.weight"].flat[7] = value
    spoil(folder, change)
    refused(folder, "heat.weight holds numbers that are not finite")


@pytest.mark.parametrize("change", [
    lambda w: w.update({"heat.bias": w["heat.bias"].astype(float) * 0 + 1e300}),  # infinite in fp32
    lambda w: w.update({"heat.weight": w["heat.weight"].reshape(-1)}),
    lambda w: w.update({"heat.weight": w["heat.weight"].transpose(1, 0, 2, 3).copy()}),
    lambda w: w.update({"heat.bias": np.zeros(10**6, np.float16)}),
    lambda w: w.update({"heat.bias": w["heat.bias"].astype(np.int64)}),
    lambda w: w.update({"heat.bias": w["heat.bias"].astype(np.uint8)}),
    lambda w: w.update({"heat.bias": np.zeros((0, 21), np.float16)}),
    lambda w: w.update({"more": np.zeros(3, np.float16)}),
    lambda w: w.pop("heat.bias"), lambda w: w.clear()])
def test_weights_of_another_kind(folder, change):
    spoil(folder, change)
    refused(folder, "do not belong together or are damaged")


def tensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


FOUR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize("content", [
    struct.pack("<Q", 100 << 30) + b"{}", struct.pack("<Q", 2**64 - 1), tensors(b"[" * 100_000), tensors([]),
    tensors({"a": FOUR, "b": FOUR}, b"\0" * 4),  # the same bytes twice
    tensors({"a": FOUR | {"data_offsets": [0, 8], "shape": [2]}, "b": FOUR | {"data_offsets": [4, 8]}}, b"\0" * 8),
    tensors({"a": FOUR | {"data_offsets": [8, 4]}}, b"\0" * 8), tensors({"a": FOUR | {"shape": [2**40]}}, b"\0" * 4),
    tensors({"a": FOUR | {"shape": [2**62, 4]}}, b"\0" * 4), tensors({"a": FOUR | {"shape": [-1]}}, b"\0" * 4),
    tensors({"a": FOUR | {"dtype": "BF16", "shape": [2]}}, b"\0" * 4),
    tensors({"a": FOUR | {"dtype": "F8_E4M3", "shape": [4]}}, b"\0" * 4),
    tensors({"a": FOUR | {"dtype": "X"}}, b"\0" * 4), tensors(b'{"a":%s,"a":%s}' % ((json.dumps(FOUR).encode(),) * 2),
                                                             b"\0" * 4), tensors({}), b"\0"])
def test_weights_that_are_no_safetensors_of_ours(folder, content):
    (folder / WEIGHTS).write_bytes(content)
    refused(folder, "do not belong together or are damaged")


def test_huge_weights_are_not_read(folder):
    with open(folder / WEIGHTS, "r+b") as file:
        file.truncate(1 << 40)
    refused(folder, "model.safetensors has 1099511627776 bytes")


# Files of another kind.

@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, GRAPH])
@pytest.mark.parametrize("kind", ["folder", "fifo", "endless", "kernel's", "none there"])
def test_what_is_no_regular_file_is_not_opened(folder, name, kind):
    (folder / name).unlink()
    if kind == "folder":
        (folder / name).mkdir()
    elif kind == "fifo":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to({"endless": "/dev/zero", "kernel's": "/proc/version"}.get(kind, "/none"))
    # Without a graph a checkpoint is an older one's, which PyTorch runs.
    if name != GRAPH:
        refused(folder, name)
    elif kind == "kernel's":
        refused(folder, name, load_engine)


def test_links_as_the_hubs_cache_has_them_are_read(made, tmp_path):
    for name in (CONFIG, WEIGHTS, GRAPH):
        (tmp_path / name).symlink_to(made / name)
    assert load_engine(tmp_path).config == TINY == HandNetwork.from_pretrained(tmp_path).config
