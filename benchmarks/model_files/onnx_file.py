"""ONNX: read by onnxruntime, OpenVINO, OpenCV and MNN's converter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.network import (
    INPUT,
    OUTPUT,
    Average,
    Concat,
    Conv,
    Layer,
    Plan,
    Pool,
    Shape,
    Weights,
)

OPSET = 13  # old enough for every reader here
IR_VERSION = 8


def write(plan: Plan, weights: Weights, shape: Shape, path: Path) -> Path:
    """Write a fixed-shape fp32 model; `shape` is (batch, height, width)."""
    batch, height, width = shape
    nodes: list[Any] = []
    initializers: list[Any] = []
    for layer in plan:
        nodes += _nodes(layer)
        if isinstance(layer, Conv):
            initializers += [
                numpy_helper.from_array(weights[name], name)
                for name in (f"{layer.key}.weight", f"{layer.key}.bias")
            ]
    classes = next(layer.outputs for layer in reversed(plan) if isinstance(layer, Conv))
    image = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [batch, 3, height, width])
    logits = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [batch, classes])
    graph = helper.make_graph(nodes, "squeezenet", [image], [logits], initializers)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def _nodes(layer: Layer) -> list[Any]:
    if isinstance(layer, Conv):
        linear = f"{layer.name}_linear"
        return [
            helper.make_node(
                "Conv",
                [layer.source, f"{layer.key}.weight", f"{layer.key}.bias"],
                [linear],
                kernel_shape=[layer.kernel] * 2,
                strides=[layer.stride] * 2,
                pads=[layer.pad] * 4,
            ),
            helper.make_node("Relu", [linear], [layer.name]),
        ]
    if isinstance(layer, Pool):
        return [
            helper.make_node(
                "MaxPool",
                [layer.source],
                [layer.name],
                kernel_shape=[3, 3],
                strides=[2, 2],
                ceil_mode=1,
            )
        ]
    if isinstance(layer, Concat):
        return [helper.make_node("Concat", list(layer.sources), [layer.name], axis=1)]
    assert isinstance(layer, Average)
    mean = f"{layer.name}_mean"
    return [
        helper.make_node("GlobalAveragePool", [layer.source], [mean]),
        helper.make_node("Flatten", [mean], [layer.name], axis=1),
    ]
