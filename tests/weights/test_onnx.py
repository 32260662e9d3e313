"""ONNX files: all the ways in which exporters write a SqueezeNet give the same network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.images.preprocessing import PRESETS
from sqznet.network.variants import Wiring
from sqznet.weights import Checkpoint

from ..support import networks
from ..support.onnx_files import Exporter, Storage, bfloat16, caffe2_names

Array = Any
FLOOR: Mapping[str, Any] = {}
END_PADS = {"pads": [0, 0, 1, 1]}
CEIL = {"ceil_mode": 1}


def read(folder: Path, content: bytes) -> Checkpoint:
    path = folder / "net.onnx"
    path.write_bytes(content)
    return weights.read(path)


def assert_holds(checkpoint: Checkpoint, made: Mapping[str, Array], dtype: str = "float32") -> None:
    assert set(checkpoint.tensors) == set(made)
    for name, array in made.items():
        expected = bfloat16(array) if dtype == "bfloat16" else array.astype(dtype)
        assert checkpoint.tensors[name].dtype == dtype
        assert checkpoint.tensors[name].shape == array.shape
        assert bytes(checkpoint.tensors[name].data) == expected.tobytes()


def assert_runs_alike(path: Path, softmax: bool = False) -> None:
    """Compares sqznet's logits (or their softmax) with those of onnxruntime for the same file."""
    ort = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    ort.set_default_logger_severity(4)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = networks.inputs(1, 1, *session.get_inputs()[0].shape[2:])
    expected = session.run(None, {session.get_inputs()[0].name: x})[0].reshape(-1)
    found = sqznet.load(path, threads=1).logits(x)[0].astype(np.float64)
    if softmax:
        found = np.exp(found - found.max())
        found /= found.sum()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def assert_valid(content: bytes) -> None:
    onnx = pytest.importorskip("onnx", reason="checks the file with onnx's own checker")
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)


# --- Ways to write a tensor ------------------------------------------------------------------


@pytest.mark.parametrize("place", ["initializer", "input", "constant"])
@pytest.mark.parametrize("kind", ["raw", "packed", "unpacked", "external"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_tensors_are_found_in_every_storage(
    tmp_path: Path, place: str, kind: str, dtype: str
) -> None:
    made = networks.tensors(classes=3)
    storage = Storage(kind, dtype)
    exporter = Exporter(made, storage=storage, place=place, ir_version=3 if place == "input" else 8)
    content = exporter.bytes()
    (tmp_path / storage.location).write_bytes(storage.external)
    assert_holds(read(tmp_path, content), made, dtype)


def test_float32_is_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(Exporter(networks.tensors()).bytes())
    tensors = weights.read(path).tensors.values()
    assert len({id(tensor.data.obj) for tensor in tensors}) == 1


def test_an_omitted_bias_is_zero(tmp_path: Path) -> None:
    made = networks.tensors()
    del made["features.6.squeeze.bias"]
    checkpoint = read(tmp_path, Exporter(made).bytes())
    made["features.6.squeeze.bias"] = np.zeros(len(made["features.6.squeeze.weight"]), np.float32)
    assert_holds(checkpoint, made)


@pytest.mark.parametrize(
    "location", ["", "/etc/passwd", "../weights.data", "a/../../b", "C:\\x", "a//b", "a\0b"]
)
def test_external_data_stays_in_the_folder(tmp_path: Path, location: str) -> None:
    content = Exporter(networks.tensors(), storage=Storage("external", location=location)).bytes()
    with pytest.raises(WeightsError, match="expected a file in the model's own folder"):
        read(tmp_path, content)


def test_external_data_that_is_missing_or_short(tmp_path: Path) -> None:
    storage = Storage("external")
    content = Exporter(networks.tensors(), storage=storage).bytes()
    with pytest.raises(WeightsError, match="which is not beside the model"):
        read(tmp_path, content)
    (tmp_path / storage.location).write_bytes(storage.external[:-1])
    with pytest.raises(WeightsError, match="ends at byte"):
        read(tmp_path, content)


# --- Ways to write a network -----------------------------------------------------------------


@pytest.mark.parametrize("opset", range(7, 29))
def test_every_operator_set(tmp_path: Path, opset: int) -> None:
    made = networks.tensors()
    exporter = Exporter(
        made,
        opset=opset,
        ir_version=3 if opset < 9 else 8,
        place="input" if opset < 9 else "initializer",
        pool=END_PADS if opset < 10 else CEIL,
        average="ReduceMean",
        dropout=True,
        tail=["Flatten", "Softmax"],
    )
    content = exporter.bytes()
    checkpoint = read(tmp_path, content)
    assert_holds(checkpoint, made)
    assert checkpoint.variant == "squeezenet1_1"
    assert checkpoint.wiring == Wiring(0, 0, True, True, activation="softmax")
    assert_valid(content)


@pytest.mark.parametrize("base", ["squeezenet1_0", "squeezenet1_1"])
@pytest.mark.parametrize("bypass", ["", "simple", "complex"])
@pytest.mark.parametrize("pool", [FLOOR, CEIL, END_PADS], ids=["floor", "ceil", "pads"])
def test_variants_and_pools(
    tmp_path: Path, base: str, bypass: str, pool: Mapping[str, Any]
) -> None:
    made = networks.tensors(base, bypass=bypass)
    content = Exporter(made, base, bypass, pool=pool, input_shape=(1, 3, 60, 68)).bytes()
    checkpoint = read(tmp_path, content)
    assert_holds(checkpoint, made)
    assert checkpoint.variant == base + (f"_{bypass}_bypass" if bypass else "")
    assert checkpoint.wiring == Wiring(0, 0, pool != FLOOR, False)
    assert checkpoint.preprocessing.size == (60, 68)
    assert checkpoint.warnings == ()
    assert_runs_alike(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("convs", "expected"),
    [
        ({"classifier.1": {"pads": [1, 1, 1, 1]}}, Wiring(0, 1)),
        ({"classifier.1": {"auto_pad": "SAME_UPPER"}}, Wiring(0, 0)),
        ({"features.0": {"pads": [1, 1, 1, 1]}}, Wiring(1, 0)),
        ({"features.0": {"auto_pad": "VALID"}}, Wiring(0, 0)),
        ({"features.0": {"auto_pad": "SAME_LOWER"}}, Wiring(1, 0)),  # at an odd size
    ],
)
def test_paddings(tmp_path: Path, convs: Mapping[str, Any], expected: Wiring) -> None:
    exporter = Exporter(networks.tensors(), convs=convs, input_shape=(1, 3, 67, 67))
    checkpoint = read(tmp_path, exporter.bytes())
    assert checkpoint.wiring == expected
    assert_runs_alike(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    "tail", [["Softmax"], ["Flatten", "Softmax"], ["Softmax", "Flatten"], ["Identity", "Softmax"]]
)
def test_like_the_zoo_files_that_came_from_caffe2(tmp_path: Path, tail: list[str]) -> None:
    """Opset 9, tensors among the inputs, Dropout, softmax; pools and kernel show that it is 1.1."""
    made = networks.tensors(classes=5)
    exporter = Exporter(
        made, opset=9, ir_version=3, place="input", pool=FLOOR, dropout=True, input="data_0",
        name=caffe2_names, tail=tail, input_shape=(1, 3, 224, 224),
    )  # fmt: skip
    checkpoint = read(tmp_path, exporter.bytes())
    assert_holds(checkpoint, made)
    assert checkpoint.variant == "squeezenet1_1"
    assert checkpoint.wiring == Wiring(0, 0, False, True, activation="softmax")
    assert checkpoint.preprocessing == PRESETS["onnx-zoo-1.0"]
    assert "Softmax" in checkpoint.reasons["preprocessing"]
    assert_runs_alike(tmp_path / "net.onnx", softmax=True)


def test_an_average_over_the_whole_map(tmp_path: Path) -> None:
    made = networks.tensors()
    window = {"average": "AveragePool", "convs": {"classifier.1": {"pads": [1, 1, 1, 1]}}}
    read(tmp_path, Exporter(made, average_kernel=[5, 5], **window).bytes())
    assert_runs_alike(tmp_path / "net.onnx")
    with pytest.raises(WeightsError, match=r"averages windows of \[3, 3\], expected .* \[5, 5\]"):
        read(tmp_path, Exporter(made, average_kernel=[3, 3], **window).bytes())


def test_an_unspecified_input_size_means_224(tmp_path: Path) -> None:
    content = Exporter(networks.tensors(), input_shape=("N", 3, "H", "W")).bytes()
    checkpoint = read(tmp_path, content)
    assert checkpoint.preprocessing == PRESETS["torchvision"]
    assert checkpoint.reasons["preprocessing"] == "the default for onnx files"


def test_sqznets_metadata(tmp_path: Path) -> None:
    made = networks.tensors(classes=2)
    metadata = {
        "sqznet.preprocessing": json.dumps(PRESETS["keras"].to_dict()),
        "sqznet.labels": '["cat", "dog"]',
        "sqznet.variant": "squeezenet1_1",
        "author": "someone",
    }
    checkpoint = read(tmp_path, Exporter(made, metadata=metadata).bytes())
    assert checkpoint.preprocessing == PRESETS["keras"]
    assert checkpoint.labels == ("cat", "dog")
    assert checkpoint.metadata["author"] == "someone"
    assert checkpoint.reasons["labels"] == "the file's metadata"
    metadata["sqznet.variant"] = "squeezenet1_0"
    with pytest.raises(WeightsError, match="says 'squeezenet1_0', its graph is a squeezenet1_1"):
        read(tmp_path, Exporter(made, metadata=metadata).bytes())


# --- Files to refuse -------------------------------------------------------------------------


class Odd(Exporter):
    """An exporter that writes one layer differently."""

    def __init__(self, made: Mapping[str, Array], change: str) -> None:
        super().__init__(made)
        self.change = change

    def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
        if name == "features.0" and self.change == "sqrt":
            x = self.node("Sqrt", [x])
        if name == "features.6.squeeze" and self.change == "no relu":
            return super().conv(name, x, False, **attributes)
        if name == "features.4.squeeze" and self.change == "leaky":
            return self.node("LeakyRelu", [super().conv(name, x, False, **attributes)])
        return super().conv(name, x, relu, **attributes)

    def fire(self, name: str, index: int, x: str) -> str:
        if index == 1 and self.change == "order":
            squeezed = self.conv(f"{name}.squeeze", x)
            ones = self.conv(f"{name}.expand1x1", squeezed)
            threes = self.conv(f"{name}.expand3x3", squeezed, pads=[1, 1, 1, 1])
            return self.node("Concat", [threes, ones], axis=1)
        y = super().fire(name, index, x)
        return self.node("Add", [x, y]) if self.change == "bypass" and index == 1 else y


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sqrt", "reads the Sqrt node .*expected an input of the graph, or nodes that scale it"),
        ("no relu", "no Relu follows the Conv node .*a squeeze convolution"),
        ("leaky", "found the LeakyRelu node 'node 1[0-9]', expected a squeeze convolution"),
        ("order", "the Concat node .* joins convolutions of 3x3 and 1x1"),
        ("bypass", "bypasses around fire3, expected them around fire3, 5, 7 and 9"),
    ],
)
def test_other_graphs_are_refused_by_node(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        read(tmp_path, Odd(networks.tensors(), change).bytes())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opset": 6}, "operator set 6, expected 7 to 28"),
        ({"opset": 29}, "operator set 29"),
        ({"ir_version": 2}, "IR version 2, expected 3 or newer"),
        ({"base": "squeezenet1_0"}, "."),
        ({"pool": {"pads": [1, 1, 1, 1]}}, "the MaxPool node .* is neither in floor nor in ceil"),
        ({"pool": {"auto_pad": "SAME_UPPER"}}, "auto_pad 'SAME_UPPER'"),
        ({"pool": {"ceil_mode": 1, "pads": [0, 0, 1, 1]}}, "neither in floor nor in ceil mode"),
        ({"pool": {"strides": [1, 1]}}, r"has strides \[1, 1\], expected \[2, 2\]"),
        ({"pool": {"kernel_shape": [2, 2]}}, r"windows of \[2, 2\], expected \[3, 3\]"),
        ({"convs": {"features.0": {"strides": [1, 1]}}}, r"strides \[1, 1\]"),
        ({"convs": {"features.0": {"pads": [0, 0, 1, 1]}}}, "expected the same on every side"),
        ({"convs": {"features.0": {"auto_pad": "SAME_UPPER"}}}, "expected the same on every side"),
        ({"convs": {"features.3.expand3x3": {"pads": [0, 0, 0, 0]}}}, "a padding of 0, expected 1"),
        ({"convs": {"features.3.squeeze": {"group": 3}}}, "has 3 groups"),
        ({"convs": {"features.3.squeeze": {"kernel_shape": [3, 3]}}}, "says kernel_shape"),
        ({"input_shape": (1, 64, 64, 3)}, "expected N x 3 x H x W"),
        ({"tail": ["Tanh"]}, "found the Tanh node"),
    ],
)
def test_odd_options_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    made = networks.tensors("squeezenet1_1")
    if "base" in options:  # 1.0's layers after 1.1's first convolution
        made = networks.tensors("squeezenet1_0") | {"features.0.weight": made["features.0.weight"]}
        message = "after a first convolution of 3x3, .* 'pfffpffffpf'"
    with pytest.raises(WeightsError, match=message):
        read(tmp_path, Exporter(made, **options).bytes())


def test_pools_in_different_modes(tmp_path: Path) -> None:
    """Pads only where they matter mean ceil mode; otherwise, pools must agree."""

    class Mixed(Exporter):
        padded = (False, True, True)
        seen = 0

        def node(self, op: str, inputs: Any, **attributes: Any) -> str:
            if op == "MaxPool":
                attributes["pads"] = [0, 0, 1, 1] if self.padded[self.seen] else [0, 0, 0, 0]
                self.seen += 1
            return super().node(op, inputs, **attributes)

    at = {"pool": FLOOR, "input_shape": (1, 3, 67, 67)}
    # 67 pixels: 33 before the first pool, where both modes agree, then 16 and 8.
    assert read(tmp_path, Mixed(networks.tensors(), **at).bytes()).wiring.ceil_mode
    assert_runs_alike(tmp_path / "net.onnx")
    at["input_shape"] = (1, 3, 61, 61)  # 30 and, in floor mode, 14: both matter
    with pytest.raises(WeightsError, match=r"some pools are in floor mode .* and some in ceil"):
        read(tmp_path, Mixed(networks.tensors(), **at).bytes())
