"""Writes ONNX files of 8-bit integers as static quantizers do, calibrated with one input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sqznet.network import reference

from .onnx_files import Exporter, entry, node

Array = Any


@dataclass
class Int8Exporter(Exporter):
    """A network whose activations and weights are 8-bit integers.

    x: the input whose ranges become the grids; operators: QLinearConv and the like, instead of
    floats between QuantizeLinear and DequantizeLinear; kind: of activations; is_symmetric: with the
    zero point 0, as int8; by_channel: whether each output channel has a weight scale of its own;
    own_halves: whether the parts of a fire have grids of their own before they are joined;
    rounds_last: whether the output of the last convolution is rounded.
    """

    x: Array = field(default_factory=lambda: np.zeros((1, 3, 64, 64), np.float32))
    operators: bool = False
    kind: str = "uint8"
    is_symmetric: bool = False
    by_channel: bool = True
    own_halves: bool = True
    rounds_last: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.values: dict[str, Array] = {}  # in float32, NCHW
        self.grids: dict[str, list[str]] = {}  # the names of scale and zero point
        self.scales: dict[str, Array] = {}

    def bytes(self) -> bytes:
        written = super().bytes()
        return written + entry(8, entry(1, "com.microsoft") + entry(2, 1))

    def add(self, op: str, inputs: Sequence[str], domain: str = "", **attributes: Any) -> str:
        self.count += 1
        output = self.name(self.count, op)
        message = node(op, inputs, [output], f"node {self.count}", **attributes)
        self.nodes.append(message + entry(7, domain))
        return output

    def grid_of(self, value: Array) -> tuple[Array, Array]:
        low, high = min(float(value.min()), 0.0), max(float(value.max()), 0.0)
        bounds = np.iinfo("int8" if self.is_symmetric else self.kind)
        if self.is_symmetric:
            return np.float32(max(high, -low) / 127), np.int8(0)
        scale = np.float32((high - low) / 255)
        return scale, bounds.dtype.type(round(bounds.min - low / float(scale)))

    def rounded(self, x: str, value: Array, grid: Sequence[str] | None = None) -> str:
        """`x` after the nodes that round it: floats, or integers for operators."""
        names = list(grid or self.stored_grid(value))
        integers = self.add("QuantizeLinear", [x, *names])
        return self.known(
            integers if self.operators else self.floats(integers, names), value, names
        )

    def stored_grid(self, value: Array) -> list[str]:
        scale, zero = self.grid_of(value)
        number = len(self.scales)
        names = [f"scale {number}", f"zero {number}"]
        self.scales[names[0]] = scale
        return [self.constant(name, item) for name, item in zip(names, (scale, zero), strict=True)]

    def known(self, name: str, value: Array, grid: Sequence[str]) -> str:
        self.values[name], self.grids[name] = value, list(grid)
        return name

    def floats(self, x: str, grid: Sequence[str], **attributes: Any) -> str:
        return self.add("DequantizeLinear", [x, *grid], **attributes)

    def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
        if x == self.input:
            x = self.rounded(x, self.x)
        weight, bias = self.made[f"{name}.weight"], self.made[f"{name}.bias"]
        stride = attributes.get("strides", [1])[0]
        value = reference.conv2d(
            self.values[x], weight, bias, stride=stride, padding=attributes.get("pads", [0])[0]
        )
        value = reference.relu(value)
        most = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        scales = ((most if self.by_channel else np.full_like(most, most.max())) / 127).astype("f4")
        integers = np.rint(weight / scales.reshape(-1, 1, 1, 1)).astype(np.int8)
        units = scales * self.scales[self.grids[x][0]]
        if not self.by_channel:
            scales, units = scales[0], units[0]
        stored = {
            "integers": integers,
            "step": np.asarray(scales, np.float32),
            "zero": np.zeros(np.shape(scales), np.int8),
            "bias": np.rint(bias / units).astype(np.int32),
            "unit": np.asarray(units, np.float32),
        }
        w, s, z, b, u = (self.constant(f"{name} {key}", item) for key, item in stored.items())
        if self.operators:
            grid = self.stored_grid(value)
            read = [x, *self.grids[x], w, s, z, *grid, b]
            return self.known(self.add("QLinearConv", read, **attributes), value, grid)
        axis = {"axis": 0} if self.by_channel else {}
        parameters = [self.floats(w, [s, z], **axis), self.floats(b, [u], **axis)]
        y = self.add("Relu", [self.add("Conv", [x, *parameters], **attributes)])
        part = name.rpartition(".")[2]
        is_plain = (part.startswith("expand") and not self.own_halves) or (
            part == "1" and not self.rounds_last
        )
        return self.known(y, value, []) if is_plain else self.rounded(y, value)

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        values = [self.values.get(name) for name in inputs]
        if op == "MaxPool":
            value = reference.max_pool(values[0], bool(attributes["ceil_mode"]))
            grid = self.grids[inputs[0]]
            y = self.add(op, inputs, **attributes)
            return self.known(y, value, grid) if self.operators else self.rounded(y, value, grid)
        if op not in ("Concat", "GlobalAveragePool", "Add"):
            return self.add(op, inputs, **attributes)
        if op == "Concat":
            value = np.concatenate(values, axis=1)
        elif op == "Add":
            value = values[0] + values[1]
        else:
            value = values[0].mean(axis=(2, 3), keepdims=True)
        if not self.operators:
            return self.rounded(self.add(op, inputs, **attributes), value)
        grid = self.stored_grid(value)
        if op == "Concat":
            read = [*grid, *(n for name in inputs for n in (name, *self.grids[name]))]
            y = self.add("QLinearConcat", read, "com.microsoft", **attributes)
            return self.known(y, value, grid)
        if op == "Add":
            read = [n for name in inputs for n in (name, *self.grids[name])]
            y = self.add("QLinearAdd", [*read, *grid], "com.microsoft")
            return self.known(y, value, grid)
        read = [inputs[0], *self.grids[inputs[0]], *grid]
        y = self.add("QLinearGlobalAveragePool", read, "com.microsoft", channels_last=0)
        return self.floats(y, grid)
