"""8-bit ONNX (QDQ) by onnxruntime's quantizer: weights by channel, calibrated on photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from benchmarks.material import find_photos, network_input, some
from benchmarks.model_files import onnx_file
from benchmarks.network import INPUT, Array, Plan, Shape, Weights

_PHOTOS = 16


class _Photos(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
    def __init__(self, batch: int) -> None:
        photos = find_photos()
        self._inputs: Iterator[Array] = (
            network_input(some(photos, batch, start)) for start in range(0, _PHOTOS, batch)
        )

    def get_next(self) -> Any:
        x = next(self._inputs, None)
        return None if x is None else {INPUT: x}


def write(plan: Plan, weights: Weights, shape: Shape, path: Path) -> Path:
    """Write a fixed-shape model; `shape` is (batch, height, width)."""
    floats = onnx_file.write(plan, weights, shape, path.with_name(f"{path.stem}-fp32.onnx"))
    quantize_static(
        str(floats),
        str(path),
        _Photos(shape[0]),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    return path
