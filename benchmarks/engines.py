"""Which engine runs the network best: `python -m benchmarks.engines [--photos-3d DIR --side left]`

Milliseconds for one and two crops, with landmarks and without, and for one of the smaller size, in rounds that
alternate; the largest difference of any number that the network answers to PyTorch's; PA-MPJPE on photos with true
joints if a folder is given; what the engine adds to a checkpoint's files, and to an installation. OpenVINO takes part
where it is installed (its package brings one that reports on users, so that it is no dependency of this one), int8 with
`--int8 PHOTOS`, a folder of photos to calibrate on, and PyTorch's compiler with `--compile`, which needs a C++ compiler
and minutes.
"""
from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from safetensors.numpy import load_file

from handpose import HandEstimator, load_photo
from handpose.network.checkpoint import CHECKPOINT, GRAPH, WEIGHTS, read_config
from handpose.network.engine import (
    Engine,
    OnnxEngine,
    Prediction,
    TorchEngine,
    make_queries,
    merge_queries,
)
from handpose.network.hand_network import HandNetwork
from handpose.network.onnx_export import OUTPUTS
from handpose.network.onnx_session import usual_threads
from train.scoring.measure import ALIGNED, IMAGE, PA, measure
from train.scoring.test_sets import photos_with_joints

from .timing import Clock

PACKAGES = {"torch": ("torch", "roma", "sympy", "networkx"), "onnxruntime": ("onnxruntime", "flatbuffers", "protobuf"),
            "openvino": ("openvino", "openvino-telemetry")}


class WholeModel:
    """An engine of anything that runs an ONNX model with its weights inside."""

    def __init__(self, run: Callable[[dict[str, np.ndarray]], list[np.ndarray]], config):
        self.config, self._run = config, run

    def __call__(self, crops: np.ndarray, landmarks: np.ndarray | None = None) -> list[Prediction]:
        queries = make_queries(len(crops), landmarks)
        return merge_queries(*self._run({"images": crops, **queries}), landmarks)


def whole_model() -> onnx.ModelProto:
    """The shipped network as one ONNX model, fp32."""
    model, weights = onnx.load_from_string((CHECKPOINT / GRAPH).read_bytes()), load_file(CHECKPOINT / WEIGHTS)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(onnx.numpy_helper.from_array(weights[tensor.name].astype(np.float32), tensor.name))
    return model


def compiled() -> Engine:
    """PyTorch with the network compiled, for each number of crops anew."""
    network = HandNetwork.from_pretrained()
    network.predict = torch.compile(network.predict, dynamic=False)
    return TorchEngine(network)


def openvino(precision: str, threads: int) -> Engine:
    import openvino as ov

    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    core = ov.Core()
    compiled = core.compile_model(core.read_model(whole_model().SerializeToString()), "CPU", options)
    request = compiled.create_infer_request()
    return WholeModel(lambda inputs: [np.array(value) for value in request.infer(inputs).values()],
                      read_config(CHECKPOINT))


def int8(folder: Path, threads: int) -> tuple[Engine, int]:
    """ONNX Runtime with the backbone's and the pyramid's convolutions in int8, calibrated on the hands of up to 100
    photos; and the model's bytes."""
    import onnxruntime as ort
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Hands(CalibrationDataReader):
        def __init__(self, engine: OnnxEngine):
            asked, estimator = [], HandEstimator.load(threads=threads)
            estimator.engine = lambda crops, points: asked.append(
                {"images": crops, **make_queries(len(crops), points)}) or engine(crops, points)
            estimator.engine.config = engine.config
            for path in sorted(folder.rglob("*.jpg"))[:100]:
                estimator(load_photo(path))
            self.asked = iter(asked)

        def get_next(self):
            return next(self.asked, None)

    with TemporaryDirectory() as place:
        fp32, ready, small = (Path(place) / f"{name}.onnx" for name in ("fp32", "ready", "int8"))
        onnx.save(whole_model(), fp32)
        quant_pre_process(fp32, ready, skip_symbolic_shape=True)
        quantize_static(ready, small, Hands(OnnxEngine.load(CHECKPOINT)), op_types_to_quantize=["Conv", "Relu", "Add"],
                        per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        content = small.read_bytes()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return WholeModel(lambda inputs: session.run([*OUTPUTS], inputs), read_config(CHECKPOINT)), len(content)


def installed_mb(packages: tuple[str, ...]) -> float:
    """The size of these distributions' files, MB."""
    files = [file.locate() for package in packages for file in metadata.files(package) or []]
    return sum(Path(file).stat().st_size for file in files if Path(file).is_file()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--runs", type=int, default=40, help="rounds (default: %(default)s)")
    add("--threads", type=int, default=usual_threads())
    add("--photos-3d", type=Path, metavar="DIR", help="photos with true 3D joints, as train.evaluate takes them")
    add("--side", choices=("left", "right"), help="of all their hands, where the labels do not say")
    add("--compile", action="store_true", help="also PyTorch's compiler")
    add("--int8", type=Path, metavar="DIR", help="also quantise, calibrated on the photos in a folder")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    weights, graph = ((CHECKPOINT / name).stat().st_size for name in (WEIGHTS, GRAPH))
    engines: dict[str, Engine] = {"PyTorch, eager": TorchEngine(HandNetwork.from_pretrained()),
                                  "ONNX Runtime": OnnxEngine.load(CHECKPOINT, args.threads)}
    size = {"PyTorch, eager": weights, "ONNX Runtime": weights + graph}
    package = {"PyTorch, eager": "torch", "ONNX Runtime": "onnxruntime"}
    if args.compile:
        engines["PyTorch, compiled"], size["PyTorch, compiled"] = compiled(), weights
        package["PyTorch, compiled"] = "torch"
    if args.int8:
        engines["ONNX Runtime, int8"], size["ONNX Runtime, int8"] = int8(args.int8, args.threads)
        package["ONNX Runtime, int8"] = "onnxruntime"
    if find_spec("openvino"):
        for precision in ("f32", "bf16"):
            name = f"OpenVINO, {precision}"
            engines[name], size[name], package[name] = openvino(precision, args.threads), weights + graph, "openvino"

    rng, config = np.random.default_rng(0), read_config(CHECKPOINT)
    crops, live_crop = (rng.integers(0, 256, (count, size, size, 3), np.uint8)
                        for count, size in ((2, config.input_size), (1, config.live_size or config.input_size)))
    points = rng.normal(size=(2, 21, 6)).astype(np.float32) * 0.3
    clock = Clock()
    for _ in range(args.runs + 3):
        for name, engine in engines.items():
            for count in (1, 2):
                clock(f"{name} {count}", engine, crops[:count], points[:count])
            clock(f"{name} alone", engine, crops[:1])
            clock(f"{name} live", engine, live_crop)
    expected = engines["PyTorch, eager"](crops, points)
    errors = dict.fromkeys(engines, "")
    if args.photos_3d:
        estimator = HandEstimator.load(threads=args.threads)
        cases = [replace(case, found=tuple(estimator.find(load_photo(case.photo).rgb)))
                 for case in photos_with_joints(args.photos_3d, args.side)]
        for name, estimator.engine in engines.items():
            scores = measure(estimator, cases)
            errors[name] = " / ".join(f"{np.nanmean(scores[method][PA]):.3f}" for method in (ALIGNED, IMAGE))
    print(f"{args.threads} threads, {args.runs} rounds; ms p50 (p95), with landmarks unless alone; PA-MPJPE mm with "
          "landmarks / from the image alone")
    print("| engine | one hand | two hands | one, alone | the same, live | differs by | PA-MPJPE | checkpoint MB | "
          "installed MB |\n|---|---|---|---|---|---|---|---|---|")
    for name, engine in engines.items():
        apart = max(float(np.abs(np.asarray(a) - b).max()) for one, other in
                    zip(engine(crops, points), expected, strict=True) for a, b in zip(one[:5], other[:5], strict=True))
        times = (f"{clock.ms(f'{name} {what}'):.1f} ({clock.ms(f'{name} {what}', 95):.1f})"
                 for what in (1, 2, "alone", "live"))
        print(f"| {name} | {' | '.join(times)} | {apart:.1e} | {errors[name]} | {size[name] / 1e6:.1f} | "
              f"{installed_mb(PACKAGES[package[name]]):.0f} |")


if __name__ == "__main__":
    main()
