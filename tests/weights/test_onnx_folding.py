"""ONNX files whose graphs scale, add, reorder and reshape between their layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.network import reference
from sqznet.network.variants import Wiring

from ..support import networks
from ..support.onnx_files import Exporter
from .test_onnx import Array, assert_runs_alike, assert_valid, read

SIZE = 64


def column(values: Any) -> Array:
    return np.asarray(values, np.float32).reshape(-1, 1, 1)


def numbers(count: int, low: float, high: float, seed: int = 3) -> Array:
    return np.random.default_rng(seed).uniform(low, high, count).astype(np.float32)


@dataclass
class Folded(Exporter):
    """Writes some convolutions in parts, whose product is the tensors that were given."""

    bias: str = ""  # how it is added: "Add", "first" (as the first input), "Sub" or "Reshape"
    scale: str = ""  # how the result is scaled: "Mul", "Div" or "BatchNormalization"
    before: str = ""  # how the input of conv10 is scaled: "Mul" or "BatchNormalization"
    split: str = "relu"  # where the ReLU of a fire is: "relu" or "concat"
    opset: int = 13

    def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
        weight, bias = (self.made[f"{name}.{part}"] for part in ("weight", "bias"))
        kept = dict(self.made)
        scale, shift = numbers(len(bias), 0.4, 2.0), np.zeros_like(bias)
        if self.scale:
            weight = weight / scale.reshape(-1, 1, 1, 1)
            if self.scale == "BatchNormalization":
                shift = numbers(len(bias), -1, 1, seed=4)
            bias = (bias - shift) / scale
        if self.before and name == "classifier.1":
            x, weight, bias = self.scaled_input(x, weight, bias)
        self.made = {**kept, f"{name}.weight": weight, f"{name}.bias": bias}
        if self.bias:
            del self.made[f"{name}.bias"]
        y = super().conv(name, x, relu=False, **attributes)
        self.made = kept
        if self.bias:
            y = self.added(name, y, bias)
        if self.scale:
            y = self.scaled(name, y, scale, shift)
        return self.node("Relu", [y]) if relu else y

    def added(self, name: str, y: str, bias: Array) -> str:
        sign = -1 if self.bias == "Sub" else 1
        if self.bias == "Reshape":
            flat = self.constant(f"{name} flat", bias)
            shape = self.constant(f"{name} shape", np.array([1, -1, 1, 1], np.int64))
            constant = self.node("Reshape", [flat, shape])
        else:
            constant = self.constant(f"{name} added", column(sign * bias))
        inputs = [constant, y] if self.bias == "first" else [y, constant]
        return self.node("Sub" if self.bias == "Sub" else "Add", inputs)

    def scaled(self, name: str, y: str, scale: Array, shift: Array) -> str:
        if self.scale != "BatchNormalization":
            factor = scale if self.scale == "Mul" else 1 / scale
            return self.node(self.scale, [y, self.constant(f"{name} scale", column(factor))])
        return self.normalized(name, y, scale, shift)

    def normalized(self, name: str, y: str, scale: Array, shift: Array) -> str:
        """(y - mean) / sqrt(variance + epsilon) * gamma + shift, which is scale * y + shift."""
        mean, variance = numbers(len(scale), -1, 1, 5), numbers(len(scale), 0.5, 2, 6)
        epsilon = 0.125
        gamma = scale * np.sqrt(variance + epsilon)
        parts = {"gamma": gamma, "beta": shift + mean * scale, "mean": mean, "var": variance}
        read = [self.constant(f"{name} {key}", array) for key, array in parts.items()]
        return self.node("BatchNormalization", [y, *read], epsilon=epsilon)

    def scaled_input(self, x: str, weight: Array, bias: Array) -> tuple[str, Array, Array]:
        channels = weight.shape[1]
        if self.before == "Mul":
            half = self.constant("half", np.float32([0.5]))
            return self.node("Mul", [x, half]), weight * 2, bias
        scale, shift = numbers(channels, -2, -0.5, 7), numbers(channels, -1, 1, 8)
        x = self.normalized("before", x, scale, shift)
        weight = weight / scale.reshape(1, -1, 1, 1)
        return x, weight, bias - (weight[:, :, 0, 0] * shift).sum(axis=1)

    def fire(self, name: str, index: int, x: str) -> str:
        if self.split == "relu":
            return super().fire(name, index, x)
        squeezed = self.conv(f"{name}.squeeze", x)
        ones = self.conv(f"{name}.expand1x1", squeezed, relu=False)
        threes = self.conv(f"{name}.expand3x3", squeezed, relu=False, pads=[1, 1, 1, 1])
        return self.node("Relu", [self.node("Concat", [ones, threes], axis=1)])


def assert_close(found: weights.Checkpoint, made: Mapping[str, Array]) -> None:
    assert set(found.tensors) == set(made)
    for name, tensor in found.tensors.items():
        assert tensor.dtype == "float32"
        values = np.frombuffer(tensor.data, np.float32).reshape(tensor.shape)
        np.testing.assert_allclose(values, made[name], rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("bypass", ["", "simple", "complex"])
@pytest.mark.parametrize(
    "options",
    [
        {"bias": "Add"},
        {"bias": "first"},
        {"bias": "Sub"},
        {"bias": "Reshape"},
        {"scale": "Mul"},
        {"scale": "Div", "bias": "Add"},
        {"scale": "BatchNormalization"},
        {"before": "Mul", "bias": "Add"},
        {"before": "BatchNormalization"},
    ],
    ids=str,
)
def test_constants_between_layers_are_folded(
    tmp_path: Path, options: Mapping[str, Any], bypass: str
) -> None:
    made = networks.tensors(bypass=bypass)
    content = Folded(made, bypass=bypass, **options).bytes()
    checkpoint = read(tmp_path, content)
    assert_close(checkpoint, made)
    assert checkpoint.variant == "squeezenet1_1" + (f"_{bypass}_bypass" if bypass else "")
    assert_runs_alike(tmp_path / "net.onnx")
    assert_valid(content)


def test_a_normalization_between_concatenation_and_relu(tmp_path: Path) -> None:
    class Joined(Folded):
        def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
            y = super().node(op, inputs, **attributes)
            if op != "Concat" or self.split == "relu":
                return y
            factor = super().constant(f"{y} factor", np.float32([2.0]))
            return super().node("Mul", [y, factor])

    made = networks.tensors()
    read(tmp_path, Joined(made, scale="BatchNormalization", split="concat").bytes())
    assert_runs_alike(tmp_path / "net.onnx")


class AfterRelu(Exporter):
    """Scales the parts of fires after their ReLU, and, where `pooled`, the map after a pool."""

    shift = 0.25
    factor = 0.5
    pooled = False

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        y = super().node(op, inputs, **attributes)
        if op != ("MaxPool" if self.pooled else "Concat"):
            return y
        y = super().node("Mul", [y, self.constant(f"{y} factor", np.float32(self.factor))])
        return super().node("Add", [y, self.constant(f"{y} shift", np.float32([self.shift]))])


@pytest.mark.parametrize("pooled", [False, True])
def test_what_follows_a_relu_is_folded_into_the_next_convolutions(
    tmp_path: Path, pooled: bool
) -> None:
    made = networks.tensors()
    exporter = AfterRelu(made)
    exporter.pooled = pooled
    checkpoint = read(tmp_path, exporter.bytes())
    name = "features.3.squeeze" if pooled else "features.4.squeeze"
    weight = made[f"{name}.weight"]
    expected = {
        f"{name}.weight": weight * 0.5,
        f"{name}.bias": made[f"{name}.bias"] + 0.25 * weight.sum(axis=(1, 2, 3)),
    }
    for key, values in expected.items():
        found = np.frombuffer(checkpoint.tensors[key].data, "<f4").reshape(values.shape)
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-6)
    assert_runs_alike(tmp_path / "net.onnx")


@pytest.mark.parametrize("bypass", ["simple", "complex"])
def test_a_bypass_adds_only_what_is_scaled_alike(tmp_path: Path, bypass: str) -> None:
    made = networks.tensors(bypass=bypass)
    exporter = AfterRelu(made, bypass=bypass)
    if bypass == "simple":  # both are halved, the fire's input by the fire before it
        read(tmp_path, exporter.bytes())
        assert_runs_alike(tmp_path / "net.onnx")
        return
    with pytest.raises(WeightsError, match="adds values that are scaled differently"):
        read(tmp_path, exporter.bytes())


def test_negative_factors_before_a_pool_are_refused(tmp_path: Path) -> None:
    exporter = AfterRelu(networks.tensors())
    exporter.factor = -1.0
    with pytest.raises(WeightsError, match=r"MaxPool node .* factors that are not above 0"):
        read(tmp_path, exporter.bytes())


def test_an_addition_before_a_padded_convolution_is_refused(tmp_path: Path) -> None:
    class Shifted(Exporter):
        def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
            if name == "features.3.expand3x3":
                x = self.node("Add", [x, self.constant("one", np.ones((1, 1, 1), np.float32))])
            return super().conv(name, x, relu, **attributes)

    with pytest.raises(WeightsError, match="pads its input with zeros after something was added"):
        read(tmp_path, Shifted(networks.tensors()).bytes())


@pytest.mark.parametrize(
    ("constant", "message"),
    [
        (np.full((2, 1, 1), 2.0, np.float32), "6 channels are scaled by 2 numbers"),
        (np.random.default_rng(0).random((6, 15, 15)).astype("f4"), "one number for each channel"),
        (np.full((1,), np.inf, np.float32), "not finite"),
        (np.zeros((1, 0, 1), np.float32), "is empty"),
    ],
)
def test_bad_constants(tmp_path: Path, constant: Array, message: str) -> None:
    class Bad(Exporter):
        def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
            if name == "features.3.squeeze":
                x = self.node("Mul", [x, self.constant("bad", constant)])
            return super().conv(name, x, relu, **attributes)

    with pytest.raises(WeightsError, match=message):
        read(tmp_path, Bad(networks.tensors()).bytes())


# --- Heads -----------------------------------------------------------------------------------


def logits(
    made: Mapping[str, Array], wiring: Wiring, variant: str | None = None
) -> tuple[Array, Array]:
    x = networks.inputs(1, 1, SIZE, SIZE)
    return x, reference.forward(networks.network(made, variant, wiring), made, x)[0]


class Head(Exporter):
    """Ends in a matrix after the average, in which case conv10 has no ReLU."""

    kind = "Gemm"

    def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
        return x if name == "classifier.1" else super().conv(name, x, relu, **attributes)

    def finish(self, x: str) -> str:
        weight = self.made["classifier.1.weight"]
        bias = self.constant("head bias", self.made["classifier.1.bias"])
        if self.kind == "Conv":
            read = [x, self.constant("head", weight), bias]
            return self.node("Flatten", [self.node("Conv", read)])
        x = self.node("Dropout", [self.node("Flatten", [x])])
        matrix = weight[:, :, 0, 0]
        if self.kind == "Gemm":
            half = self.constant("head", matrix / 2)
            return self.node("Gemm", [x, half, bias], transB=1, alpha=2.0)
        matrix = np.ascontiguousarray(matrix.T)
        if self.kind == "Gemm, not transposed":
            return self.node("Gemm", [x, self.constant("head", matrix), bias])
        return self.node("Add", [self.node("MatMul", [x, self.constant("head", matrix)]), bias])


@pytest.mark.parametrize("kind", ["Gemm", "Gemm, not transposed", "MatMul", "Conv"])
def test_a_layer_after_the_average(tmp_path: Path, kind: str) -> None:
    made = networks.tensors()
    exporter = Head(made)
    exporter.kind = kind
    checkpoint = read(tmp_path, exporter.bytes())
    assert checkpoint.wiring == Wiring(conv10_relu=False)
    x, expected = logits(made, checkpoint.wiring)
    found = sqznet.load(tmp_path / "net.onnx", threads=1).logits(x)[0]
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert_runs_alike(tmp_path / "net.onnx")


class NoRelu(Exporter):
    def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
        return super().conv(name, x, relu and name != "classifier.1", **attributes)


def test_a_head_without_relu(tmp_path: Path) -> None:
    made = networks.tensors()
    made["classifier.1.bias"] -= 20
    checkpoint = read(tmp_path, NoRelu(made).bytes())
    assert checkpoint.wiring.conv10_relu is False
    assert "no Relu" in checkpoint.reasons["conv10_relu"]
    x, expected = logits(made, checkpoint.wiring)
    assert expected.min() < 0
    found = sqznet.load(tmp_path / "net.onnx", threads=1).logits(x)[0]
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("tail", "activation"),
    [
        (["Sigmoid"], "sigmoid"),
        (["Flatten", "Sigmoid"], "sigmoid"),
        (["Flatten", "LogSoftmax"], "softmax"),
        (["Flatten"], None),
        (["Flatten", "Relu"], None),
    ],
)
def test_the_end_says_what_makes_scores(
    tmp_path: Path, tail: Sequence[str], activation: str | None
) -> None:
    checkpoint = read(tmp_path, Exporter(networks.tensors(), tail=tail).bytes())
    assert checkpoint.wiring.activation == activation
    assert checkpoint.wiring.softmax == (activation == "softmax")


def test_a_factor_of_the_logits_is_folded(tmp_path: Path) -> None:
    class Tempered(Exporter):
        factor = 4.0

        def finish(self, x: str) -> str:
            x = self.node("Flatten", [x])
            x = self.node("Div", [x, self.constant("factor", np.float32(self.factor))])
            return self.node("Softmax", [x], axis=1)

    made = networks.tensors()
    checkpoint = read(tmp_path, Tempered(made).bytes())
    for part in ("weight", "bias"):
        name = f"classifier.1.{part}"
        expected = made[name] / 4
        values = np.frombuffer(checkpoint.tensors[name].data, "<f4").reshape(expected.shape)
        np.testing.assert_allclose(values, expected, rtol=1e-6)
    negative = Tempered(made)
    negative.factor = -1.0
    with pytest.raises(WeightsError, match="changed after its ReLU"):
        read(tmp_path, negative.bytes())


def test_the_output_that_comes_from_a_network_counts(tmp_path: Path) -> None:
    class Two(Exporter):
        def finish(self, x: str) -> str:
            self.also.append(self.node("ArgMax", [x], axis=1))
            return super().finish(x)

    content = Two(networks.tensors(), tail=["Flatten", "Softmax"]).bytes()
    assert read(tmp_path, content).wiring.softmax
