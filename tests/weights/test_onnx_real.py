"""ONNX files from real tools: the shared files, onnxruntime's quantizer, torch."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.network.variants import TOPOLOGIES, Wiring

from ..engine.test_rounded_layers import expected
from ..support import networks
from ..support.onnx_files import Exporter

Array = Any
VARIANTS = ("squeezenet1_0", "squeezenet1_1")


def photos(shared: Path) -> list[Path]:
    with open(shared / "reference" / "labels.csv", encoding="utf-8") as file:
        return [shared / "images" / row[0] for row in csv.reader(file) if row[0].endswith("G")]


def session(path: Path, optimized: bool = True) -> Any:
    """onnxruntime with the file; if not optimized, it runs every node as in the file."""
    ort = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_shared_files_hold_the_tensors_of_the_pth(shared: Path, variant: str) -> None:
    found = weights.read(shared / "weights" / f"{variant}.onnx")
    expected = weights.read(shared / "weights" / f"{variant}.pth").tensors
    assert found.variant == variant
    assert found.wiring == Wiring(0, 0, True, False)
    assert set(found.tensors) == set(expected)
    for name, tensor in expected.items():
        assert found.tensors[name].shape == tensor.shape
        assert bytes(found.tensors[name].data) == bytes(tensor.data)


@pytest.mark.parametrize("variant", VARIANTS)
def test_shared_files_give_the_reference_logits(shared: Path, variant: str) -> None:
    model = sqznet.load(shared / "weights" / f"{variant}.onnx", preprocessing="squash-bgr")
    with np.load(shared / "reference" / "logits_224.npz") as stored:
        expected = stored[f"{variant}.squash"]
    for i, path in enumerate(photos(shared)[:2]):
        found = model.logits(model.preprocess(path))[0]
        assert np.abs(found - expected[i]).max() <= 1e-4 * np.abs(expected[i]).max()


@pytest.mark.parametrize("variant", VARIANTS)
def test_int8_weights_are_those_of_the_onnx_library(shared: Path, variant: str) -> None:
    onnx = pytest.importorskip("onnx", reason="reads the file with onnx's own reader")
    path = shared / "weights" / f"{variant}.qdq-int8.onnx"
    graph = onnx.load(path).graph
    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    found = weights.read(path)
    assert found.warnings == ()
    seen = 0
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in arrays:
            continue
        values, scale, zero_point = (arrays[name] for name in node.input)
        along = [-1] + [1] * (values.ndim - 1)
        expected = (values.astype(np.int32) - zero_point.reshape(along)) * scale.reshape(along)
        tensor = found.tensors[node.input[0].removesuffix("_quantized")]
        assert tensor.shape == values.shape
        assert tensor.dtype == ("int8" if values.dtype == np.int8 else "float32")
        assert bytes(tensor.floats().data) == expected.astype(np.float32).tobytes()
        seen += 1
    assert seen == len(found.tensors)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("count", [40, pytest.param(250, marks=pytest.mark.slow)])
def test_int8_files_agree_with_onnxruntime(shared: Path, variant: str, count: int) -> None:
    path = shared / "weights" / f"{variant}.qdq-int8.onnx"
    model = sqznet.load(path, preprocessing="squash-bgr")
    rival = session(path)
    chosen = photos(shared)
    chosen = chosen[:: len(chosen) // count]
    assert len(chosen) >= count
    same = 0
    for photo in chosen:
        x = model.preprocess(photo)
        same += int(model.logits(x).argmax() == rival.run(None, {"data": x})[0].argmax())
    assert same >= 0.97 * len(chosen), f"{same} of {len(chosen)}"


@pytest.mark.parametrize("variant", VARIANTS)
def test_int8_files_give_onnxruntimes_logits(shared: Path, variant: str) -> None:
    path = shared / "weights" / f"{variant}.qdq-int8.onnx"
    model = sqznet.load(path, preprocessing="squash-bgr")
    (step,) = {grid.scale for grid in weights.read(path).activations["average"]}
    rival = session(path, optimized=False)
    for photo in photos(shared)[:12]:
        x = model.preprocess(photo)
        steps = np.abs(model.logits(x) - rival.run(None, {"data": x})[0]) / step
        # Sums in another order round a few values halfway between two steps the other way.
        assert steps.max() < 3.01
        assert (steps < 1.01).mean() > 0.98


class Calibration:
    """The calibration data for onnxruntime's quantizer."""

    def __init__(self, name: str, inputs: list[Array]) -> None:
        self._inputs: Iterator[Array] = iter(inputs)
        self._name = name

    def get_next(self) -> dict[str, Array] | None:
        x = next(self._inputs, None)
        return None if x is None else {self._name: x}


def quantized(path: Path, exporter: Exporter, inputs: list[Array], **options: Any) -> Path:
    """The file that onnxruntime's quantizer makes from a network."""
    pytest.importorskip("onnx", reason="onnxruntime's quantizer needs it")
    tools = pytest.importorskip("onnxruntime.quantization", reason="uses its quantizer")
    plain = path.with_name("plain.onnx")
    plain.write_bytes(exporter.bytes())
    format_name, kind = options.pop("format_name"), options.pop("kind")
    tools.quantize_static(
        plain,
        path,
        Calibration("data", inputs),
        quant_format=tools.QuantFormat[format_name],
        activation_type=tools.QuantType[kind],
        weight_type=tools.QuantType[kind],
        **options,
    )
    return path


def assert_rounded_alike(path: Path, inputs: list[Array], compared: bool) -> None:
    """Checks that the logits are within a step of NumPy's and, if compared, of onnxruntime's."""
    model, checkpoint = sqznet.load(path, threads=1), weights.read(path)
    tensors = {
        name: np.frombuffer(tensor.floats().data, "<f4").reshape(tensor.shape)
        for name, tensor in checkpoint.tensors.items()
    }
    network = networks.network(tensors, checkpoint.variant)
    step = checkpoint.activations["average"][-1].scale
    rival = session(path, optimized=False)
    for x in inputs:
        found = model.logits(x)
        assert np.abs(found - expected(network, tensors, checkpoint.activations, x)).max() <= (
            1.01 * step
        )
        if compared:
            y = rival.run(None, {"data": x})[0].reshape(found.shape)
            assert np.abs(found - y).max() <= 1.01 * step


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("format_name", ["QDQ", "QOperator"])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", ["QInt8", "QUInt8"])
@pytest.mark.parametrize(
    "bypass", ["", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("simple", "complex"))]
)
def test_files_of_onnxruntimes_quantizer(
    tmp_path: Path, format_name: str, per_channel: bool, kind: str, bypass: str
) -> None:
    made = networks.tensors(classes=4, bypass=bypass, seed=3)
    inputs = [networks.inputs(seed, 1, 64, 64) for seed in range(3)]
    path = quantized(
        tmp_path / "quantized.onnx",
        Exporter(made, bypass=bypass),
        inputs,
        format_name=format_name,
        per_channel=per_channel,
        kind=kind,
    )
    checkpoint = weights.read(path)
    if not bypass and kind == "QInt8":
        assert sqznet.load(path).precision == "int8"
    else:
        assert checkpoint.warnings == () or "needed because" in checkpoint.warnings[0]
    assert checkpoint.wiring == Wiring(0, 0, True, False)
    assert checkpoint.variant == "squeezenet1_1" + (f"_{bypass}_bypass" if bypass else "")
    for name, array in made.items():
        found = np.frombuffer(checkpoint.tensors[name].floats().data, "<f4").reshape(array.shape)
        # A weight is off by at most one step of 8 bits. The step of a bias depends on the range of
        # its layer's input; the logits below show whether it was scaled correctly.
        if array.ndim == 4:
            assert np.abs(found - array).max() <= np.abs(array).max() / 127, name
    # In a QOperator file, onnxruntime multiplies integers. On x86 processors without VNNI, its sums
    # of two products saturate at 32767, so only integers with fewer bits are certainly correct.
    assert_rounded_alike(path, inputs, compared=format_name == "QDQ")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("format_name", "tail", "options"),
    [
        ("QDQ", ["Flatten"], {"ActivationSymmetric": True}),  # no ReLU is merged
        ("QDQ", ["Flatten"], {"AddQDQPairToWeight": True}),
        ("QDQ", ["Flatten"], {"DedicatedQDQPair": True}),
        ("QOperator", ["Flatten", "Softmax"], {}),
    ],
)
def test_options_of_onnxruntimes_quantizer(
    tmp_path: Path, format_name: str, tail: list[str], options: dict[str, bool]
) -> None:
    exporter = Exporter(networks.tensors(classes=4, seed=3), tail=tail)
    inputs = [networks.inputs(seed, 1, 64, 64) for seed in range(3)]
    path = quantized(
        tmp_path / "quantized.onnx",
        exporter,
        inputs,
        format_name=format_name,
        kind="QInt8",
        extra_options=options,
    )
    assert weights.read(path).wiring.softmax == ("Softmax" in tail)
    assert_rounded_alike(path, inputs, compared=format_name == "QDQ")


def torch_squeezenet(torch: Any, made: dict[str, Array], base: str) -> Any:
    """The network of these tensors as a torch module, with torchvision's wiring."""
    nn = torch.nn

    def conv(name: str, **options: Any) -> Any:
        weight = torch.from_numpy(made[f"{name}.weight"])
        out, cin, kernel, _ = weight.shape
        layer = nn.Conv2d(cin, out, kernel, **options)
        layer.weight.data, layer.bias.data = weight, torch.from_numpy(made[f"{name}.bias"])
        return layer

    class Fire(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, name: str) -> None:
            super().__init__()
            self.squeeze, self.ones = conv(f"{name}.squeeze"), conv(f"{name}.expand1x1")
            self.threes = conv(f"{name}.expand3x3", padding=1)

        def forward(self, x: Any) -> Any:
            x = torch.relu(self.squeeze(x))
            return torch.cat([torch.relu(self.ones(x)), torch.relu(self.threes(x))], 1)

    layers = [conv("features.0", stride=2), nn.ReLU(inplace=True)]
    topology = TOPOLOGIES[base]
    for position in sorted(topology.fires + topology.pools):
        is_pool = position in topology.pools
        layers.append(
            nn.MaxPool2d(3, 2, ceil_mode=True) if is_pool else Fire(f"features.{position}")
        )
    layers += [nn.Dropout(0.5), conv("classifier.1"), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten()).eval()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exporter", ["torchscript", "torchscript-open", "dynamo", "dynamo-open"])
@pytest.mark.parametrize("base", VARIANTS)
def test_torchs_exporters(tmp_path: Path, base: str, exporter: str) -> None:
    torch = pytest.importorskip("torch", reason="exports with torch")
    dynamo = exporter.startswith("dynamo")
    pytest.importorskip("onnxscript" if dynamo else "onnx", reason="torch's exporter needs it")
    made = networks.tensors(base)
    net = torch_squeezenet(torch, made, base)
    path = tmp_path / "net.onnx"
    options: dict[str, Any] = {"dynamo": dynamo}
    if exporter == "torchscript-open":
        options |= {"input_names": ["x"], "dynamic_axes": {"x": {0: "n", 2: "h", 3: "w"}}}
    if exporter == "dynamo-open":
        options["dynamic_shapes"] = ({0: torch.export.Dim("n", max=8)},)
    torch.onnx.export(net, (torch.zeros(2, 3, 64, 64),), str(path), **options)
    checkpoint = weights.read(path)
    assert checkpoint.variant == base
    assert checkpoint.wiring == Wiring(0, 0, True, False)
    for name, array in made.items():
        assert bytes(checkpoint.tensors[name].data) == array.tobytes()
