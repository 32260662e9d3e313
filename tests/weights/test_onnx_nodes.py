"""ONNX files that write a layer with other nodes, or with its axes in another order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet.errors import WeightsError

from ..support import networks
from ..support.onnx_files import Exporter, entry
from .test_onnx import assert_runs_alike, read
from .test_onnx_folding import assert_close, logits

# --- Other orders of axes --------------------------------------------------------------------


class ChannelsLast(Exporter):
    """Each convolution between two Transposes, the rest with channels last, as TensorFlow has it
    and converters leave it."""

    def to_nchw(self, x: str) -> str:
        return self.node("Transpose", [x], perm=[0, 3, 1, 2])

    def to_nhwc(self, x: str) -> str:
        return self.node("Transpose", [x], perm=[0, 2, 3, 1])

    def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
        kernel = self.constant(f"{name}.hwio", self.made[f"{name}.weight"].transpose(2, 3, 1, 0))
        weight = self.node("Transpose", [kernel], perm=[3, 2, 0, 1])
        y = self.to_nhwc(self.node("Conv", [self.to_nchw(x), weight], **attributes))
        y = self.node("Add", [y, self.constant(f"{name}.added", self.made[f"{name}.bias"])])
        return self.node("Relu", [y]) if relu else y

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        if op == "MaxPool":
            return self.to_nhwc(super().node(op, [self.to_nchw(inputs[0])], **attributes))
        if op == "Concat":
            attributes["axis"] = 3
        if op == "ReduceMean":
            attributes["axes"] = [1, 2]
        return super().node(op, inputs, **attributes)


@pytest.mark.parametrize("bypass", ["", "simple", "complex"])
def test_transposes_between_all_layers(tmp_path: Path, bypass: str) -> None:
    made = networks.tensors(bypass=bypass)
    exporter = ChannelsLast(
        made, bypass=bypass, input_shape=(1, 64, 64, 3), average="ReduceMean", tail=["Flatten"]
    )
    checkpoint = read(tmp_path, exporter.bytes())
    assert_close(checkpoint, made)
    x, expected = logits(made, checkpoint.wiring, checkpoint.variant)
    found = sqznet.load(tmp_path / "net.onnx", threads=1).logits(x)[0]
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    ort = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    session = ort.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    (theirs,) = session.run(None, {"data": last})
    assert np.abs(found - theirs[0]).max() <= 1e-4 * np.abs(expected).max()


def test_a_layer_between_other_axes_is_refused(tmp_path: Path) -> None:
    class Turned(Exporter):
        def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
            if op == "Concat":
                return super().node("Transpose", [super().node(op, inputs, **attributes)])
            return super().node(op, inputs, **attributes)

    with pytest.raises(WeightsError, match=r"joins axis|reordered"):
        read(tmp_path, Turned(networks.tensors()).bytes())


# --- Pads and pools --------------------------------------------------------------------------


class Padded(Exporter):
    """Pads as nodes of their own."""

    value = 0.0
    op = "Conv"

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        if op == self.op and (op == "MaxPool" or attributes.pop("pads", None)):
            before, after = (0, 1) if op == "MaxPool" else (1, 1)
            pads = [0, 0, before, before, 0, 0, after, after]
            read = [
                self.constant(f"pads {self.count}", np.array(pads)),
                self.constant(f"value {self.count}", np.float32(self.value)),
            ]
            inputs = [super().node("Pad", [inputs[0], *read]), *inputs[1:]]
        return super().node(op, inputs, **attributes)


@pytest.mark.parametrize("op", ["Conv", "MaxPool"])
def test_pads_as_nodes(tmp_path: Path, op: str) -> None:
    exporter = Padded(networks.tensors(), pool={} if op == "MaxPool" else {"ceil_mode": 1})
    exporter.op = op
    checkpoint = read(tmp_path, exporter.bytes())
    assert checkpoint.wiring.ceil_mode
    assert_close(checkpoint, networks.tensors())
    exporter = Padded(networks.tensors())
    exporter.value = 1.0
    with pytest.raises(WeightsError, match="not a pad of zeros around rows and columns"):
        read(tmp_path, exporter.bytes())


@pytest.mark.parametrize(
    ("size", "pads", "expected"),
    [
        # 1.1 at 60 pixels: 29, 14, 7 in both modes but for the second pool, which reads 14.
        (60, ([0, 0, 0, 0], [0, 0, 2, 2], [0, 0, 0, 0]), True),
        (60, ([0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]), True),
        (60, ([0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]), False),
        (60, ([0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2]), None),  # 29 + 2: a window of zeros
        (60, ([0, 0, 0, 0], [0, 0, 3, 3], [0, 0, 0, 0]), None),
        (60, ([1, 1, 0, 0], [0, 0, 2, 2], [0, 0, 0, 0]), None),
    ],
)
def test_pads_are_judged_by_their_windows(
    tmp_path: Path, size: int, pads: Sequence[Sequence[int]], expected: bool | None
) -> None:
    class Pools(Exporter):
        seen = 0

        def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
            if op == "MaxPool":
                attributes["pads"] = pads[self.seen]
                self.seen += 1
            return super().node(op, inputs, **attributes)

    content = Pools(networks.tensors(), pool={}, input_shape=(1, 3, size, size)).bytes()
    if expected is None:
        with pytest.raises(WeightsError, match=r"MaxPool node .* is neither in floor nor in ceil"):
            read(tmp_path, content)
        return
    assert read(tmp_path, content).wiring.ceil_mode is expected
    assert_runs_alike(tmp_path / "net.onnx")


@pytest.mark.parametrize(("size", "ceil_mode"), [(64, None), (66, True)])
def test_same_padding_of_pools(tmp_path: Path, size: int, ceil_mode: bool | None) -> None:
    """It is ceil mode where each pool reads an even size, and pads on both sides elsewhere."""
    exporter = Exporter(
        networks.tensors(), pool={"auto_pad": "SAME_UPPER"}, input_shape=(1, 3, size, size)
    )
    if ceil_mode is None:
        with pytest.raises(WeightsError, match="auto_pad 'SAME_UPPER'"):
            read(tmp_path, exporter.bytes())
        return
    assert read(tmp_path, exporter.bytes()).wiring.ceil_mode is ceil_mode
    assert_runs_alike(tmp_path / "net.onnx")


# --- Other nodes for the same ----------------------------------------------------------------


class Fused(Exporter):
    """As onnxruntime's optimizer writes it: the ReLU in the convolution, and the bypass too."""

    activation = "Relu"

    def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
        attributes = {"activation": self.activation, **attributes} if relu else attributes
        y = self.node("FusedConv", [x, *self.parameters(name)], **attributes)
        self.nodes[-1] += entry(7, "com.microsoft")
        return y


@pytest.mark.parametrize("bypass", ["", "simple", "complex"])
def test_fused_convolutions(tmp_path: Path, bypass: str) -> None:
    made = networks.tensors(bypass=bypass)
    checkpoint = read(tmp_path, Fused(made, bypass=bypass).bytes())
    assert_close(checkpoint, made)
    wrong = Fused(made, bypass=bypass)
    wrong.activation = "Tanh"
    with pytest.raises(WeightsError, match="found the Tanh node"):
        read(tmp_path, wrong.bytes())


class FusedBypass(Fused):
    def fire(self, name: str, index: int, x: str) -> str:
        if f"{name}.bypass.weight" not in self.made:
            return super().fire(name, index, x)
        bypass, self.bypass = self.bypass, ""
        y = super().fire(name, index, x)
        self.bypass = bypass
        y = self.node("FusedConv", [x, *self.parameters(f"{name}.bypass"), y])
        self.nodes[-1] += entry(7, "com.microsoft")
        return y


def test_an_addition_fused_into_a_convolution(tmp_path: Path) -> None:
    made = networks.tensors(bypass="complex")
    checkpoint = read(tmp_path, FusedBypass(made, bypass="complex").bytes())
    assert_close(checkpoint, made)
    assert checkpoint.variant == "squeezenet1_1_complex_bypass"


class OtherRelu(Exporter):
    kind = "Clip"

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        if op != "Relu":
            return super().node(op, inputs, **attributes)
        read = [*inputs, self.constant(f"bound {self.count}", np.float32(0))]
        if self.kind == "Clip to 6":
            read.append(self.constant(f"six {self.count}", np.float32(6)))
        return super().node(self.kind.split()[0], read, **attributes)


@pytest.mark.parametrize("kind", ["Clip", "Max"])
def test_other_nodes_for_a_relu(tmp_path: Path, kind: str) -> None:
    exporter = OtherRelu(networks.tensors())
    exporter.kind = kind
    assert_close(read(tmp_path, exporter.bytes()), networks.tensors())


def test_a_relu_with_an_upper_bound_is_refused(tmp_path: Path) -> None:
    exporter = OtherRelu(networks.tensors())
    exporter.kind = "Clip to 6"
    with pytest.raises(WeightsError, match="found the Clip node"):
        read(tmp_path, exporter.bytes())


@pytest.mark.parametrize(
    ("domain", "advice"),
    [
        ("com.microsoft.nchwc", "level ORT_ENABLE_EXTENDED or lower"),
        ("pkg.onnxscript.torch_lib", "inline_local_functions"),
        ("my.domain", "unknown domain 'my.domain'"),
    ],
)
def test_domains_of_other_programs(tmp_path: Path, domain: str, advice: str) -> None:
    class Other(Exporter):
        def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
            y = super().conv(name, x, False, **attributes)
            self.nodes[-1] += entry(7, domain)
            return self.node("Relu", [y]) if relu else y

    with pytest.raises(WeightsError, match=advice):
        read(tmp_path, Other(networks.tensors()).bytes())
