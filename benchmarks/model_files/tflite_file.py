"""TensorFlow Lite: a flatbuffer, written with the schema classes that ship in ai-edge-litert.

The graph is NHWC. SAME padding is what both the 3x3 expands (one cell all round) and ceil-mode
pooling of an even side (one cell after) need; pooling an odd side needs none, which is VALID.

An 8-bit file follows TensorFlow Lite's specification of int8: a scale and a zero point for each
map, a scale for each output channel of the weights, and one for all that a Concat joins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from benchmarks.model_files import ranges
from benchmarks.network import (
    INPUT,
    OUTPUT,
    Average,
    Concat,
    Conv,
    Plan,
    Pool,
    Shape,
    Weights,
    shapes,
)

_Grid = tuple[float, int]  # scale and zero point of a map
_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int8): schema.TensorType.INT8,
}


class _Builder:
    """Collects tensors, their buffers and the operators of one subgraph.

    grids: of all maps in an 8-bit file; empty for floats.
    """

    def __init__(self, grids: dict[str, _Grid]) -> None:
        self.grids = grids
        self.buffers = [schema.BufferT()]  # buffer 0 is empty: tensors computed at run time
        self.tensors: list[Any] = []
        self.index: dict[str, int] = {}
        self.codes: list[Any] = []
        self.operators: list[Any] = []

    def tensor(
        self, name: str, shape: tuple[int, ...], data: Any = None, scales: Any = None
    ) -> None:
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name, list(shape)
        tensor.type = schema.TensorType.INT8 if self.grids else schema.TensorType.FLOAT32
        if data is None and self.grids:
            scale, zero = self.grids[name]
            tensor.quantization = _quantization([scale], [zero])
        if scales is not None:
            tensor.quantization = _quantization(scales, [0] * len(scales))
        if data is not None:
            tensor.type = _TYPES[data.dtype]
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.index[name] = len(self.tensors)
        self.tensors.append(tensor)

    def operator(
        self, code: int, inputs: list[str], output: str, kind: int = 0, options: Any = None
    ) -> None:
        known = [c.builtinCode for c in self.codes]
        if code not in known:
            entry = schema.OperatorCodeT()
            entry.builtinCode = code
            entry.deprecatedBuiltinCode = min(code, 127)
            entry.version = _VERSIONS.get(code, 1) if self.grids else 1
            self.codes.append(entry)
            known.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = known.index(code)
        operator.inputs = [self.index[name] for name in inputs]
        operator.outputs = [self.index[output]]
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        self.operators.append(operator)

    def finish(self) -> bytes:
        graph = schema.SubGraphT()
        graph.name = "squeezenet"
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [self.index[INPUT]], [self.index[OUTPUT]]
        model = schema.ModelT()
        model.version = 3
        model.subgraphs, model.buffers, model.operatorCodes = [graph], self.buffers, self.codes
        packer = flatbuffers.Builder(1 << 20)
        packer.Finish(model.Pack(packer), b"TFL3")
        return bytes(packer.Output())


# Of the operators' definitions, from which on they take int8, convolutions with scales by channel.
_VERSIONS = {
    schema.BuiltinOperator.CONV_2D: 3,
    schema.BuiltinOperator.MAX_POOL_2D: 2,
    schema.BuiltinOperator.CONCATENATION: 2,
    schema.BuiltinOperator.MEAN: 2,
}


def _quantization(scales: Any, zeros: list[int]) -> Any:
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = list(scales), zeros
    quantization.quantizedDimension = 0
    return quantization


def _grids(plan: Plan, weights: Weights) -> dict[str, _Grid]:
    """The grids of all maps, from their ranges on photos."""
    grids: dict[str, _Grid] = {}
    for name, (least, most) in ranges.measure(plan, weights).items():
        scale = (most - least) / 255
        grids[name] = scale, round(-128 - least / scale)
    for layer in plan:
        if isinstance(layer, Concat):
            grids.update(dict.fromkeys(layer.sources, grids[layer.name]))
        elif isinstance(layer, Pool):
            grids[layer.name] = grids[layer.source]
    return grids


def write(plan: Plan, weights: Weights, shape: Shape, path: Path, int8: bool = False) -> Path:
    """Write a fixed-shape model; `shape` is (batch, height, width), the input is NHWC.

    int8: its input and output are int8, too.
    """
    batch, height, width = shape
    sizes = shapes(plan, height, width)
    build = _Builder(_grids(plan, weights) if int8 else {})
    build.tensor(INPUT, (batch, height, width, 3))
    for layer in plan:
        c, h, w = sizes[layer.name]
        build.tensor(layer.name, (batch, c) if isinstance(layer, Average) else (batch, h, w, c))
        if isinstance(layer, Conv):
            _conv(build, layer, weights)
        elif isinstance(layer, Pool):
            _pool(build, layer, sizes[layer.source][1:])
        elif isinstance(layer, Concat):
            concat = schema.ConcatenationOptionsT()
            concat.axis = 3
            kind = schema.BuiltinOptions.ConcatenationOptions
            code = schema.BuiltinOperator.CONCATENATION
            build.operator(code, list(layer.sources), layer.name, kind, concat)
        else:
            axes, mean = f"{layer.name}_axes", schema.ReducerOptionsT()
            build.tensor(axes, (2,), np.array([1, 2], np.int32))
            mean.keepDims = False
            kind = schema.BuiltinOptions.ReducerOptions
            inputs = [layer.source, axes]
            build.operator(schema.BuiltinOperator.MEAN, inputs, layer.name, kind, mean)
    path.write_bytes(build.finish())
    return path


def _conv(build: _Builder, layer: Conv, weights: Weights) -> None:
    kernel, bias = f"{layer.key}.weight", f"{layer.key}.bias"
    ohwi, added = weights[kernel].transpose(0, 2, 3, 1), weights[bias]
    scales = sums = None
    if build.grids:
        most = np.abs(ohwi).reshape(layer.outputs, -1).max(axis=1)
        scales = np.maximum(most, np.float32(1e-10)) / np.float32(127)  # 1.0 has channels of zeros
        sums = scales * np.float32(build.grids[layer.source][0])
        ohwi = np.round(ohwi / scales.reshape(-1, 1, 1, 1)).astype(np.int8)
        added = np.round(added / sums).astype(np.int32)
    build.tensor(kernel, ohwi.shape, ohwi, scales)
    build.tensor(bias, (layer.outputs,), added, sums)
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.SAME if layer.pad else schema.Padding.VALID
    options.strideH = options.strideW = layer.stride
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU
    build.operator(
        schema.BuiltinOperator.CONV_2D,
        [layer.source, kernel, bias],
        layer.name,
        schema.BuiltinOptions.Conv2DOptions,
        options,
    )


def _pool(build: _Builder, layer: Pool, size: tuple[int, int]) -> None:
    if size[0] % 2 != size[1] % 2:
        raise ValueError(f"{layer.name}: one side even and one odd ({size}) has no tflite padding")
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.VALID if size[0] % 2 else schema.Padding.SAME
    options.strideH = options.strideW = 2
    options.filterHeight = options.filterWidth = 3
    build.operator(
        schema.BuiltinOperator.MAX_POOL_2D,
        [layer.source],
        layer.name,
        schema.BuiltinOptions.Pool2DOptions,
        options,
    )
