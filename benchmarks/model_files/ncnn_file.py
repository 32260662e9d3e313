"""ncnn: a text file of layers (.param) and a file of weights (.bin).

A line is `type name #inputs #outputs inputs... outputs... key=value...`; a blob may be read only
once, so one that feeds two layers goes through a Split. In the .bin each convolution is a four-byte
tag (0 for plain float32), the weights in OIHW order, then the bias without a tag. An 8-bit one has
another tag and integers, padded to four bytes, and after the bias the factors to integers: one for
each output channel, one for the input, and, if it writes bytes too, one for these.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.model_files import ranges
from benchmarks.network import INPUT, Array, Average, Concat, Conv, Layer, Plan, Pool, Weights

MAGIC = 7767517
_LEAST = np.float32(1e-10)
_INTEGERS = 0x000D4B38  # the tag of 8-bit weights
_INT8, _INT8_TO_INT8 = 2, 102  # values of a convolution's key 8


def write(plan: Plan, weights: Weights, path: Path, int8: bool = False) -> Path:
    """Write `path` (.param) and its neighbor ending in .bin; any input size works.

    int8: as ncnn2table and ncnn2int8 do with the method "aciq" off: symmetric bytes, and a
    convolution that only convolutions read writes bytes.
    """
    factors = _factors(plan, weights) if int8 else {}
    readers = Counter(source for layer in plan for source in _sources(layer))
    taken: Counter[str] = Counter()

    def blob(name: str) -> str:
        if readers[name] == 1:
            return name
        taken[name] += 1
        return f"{name}_{taken[name]}"

    lines = [f"Input {INPUT} 0 1 {INPUT}"]
    blobs = 1
    for layer in plan:
        inputs = [blob(source) for source in _sources(layer)]
        lines.append(
            f"{_TYPES[type(layer)]} {layer.name} {len(inputs)} 1 {' '.join(inputs)} "
            f"{layer.name} {_parameters(layer, len(factors.get(layer.name, ())))}"
        )
        blobs += 1
        if readers[layer.name] > 1:
            copies = [f"{layer.name}_{i + 1}" for i in range(readers[layer.name])]
            lines.append(
                f"Split {layer.name}_split 1 {len(copies)} {layer.name} {' '.join(copies)}"
            )
            blobs += len(copies)
    path.write_text("\n".join([str(MAGIC), f"{len(lines)} {blobs}", *lines, ""]), encoding="ascii")
    with path.with_suffix(".bin").open("wb") as out:
        for layer in plan:
            if isinstance(layer, Conv):
                weight = weights[f"{layer.key}.weight"]
                bias = weights[f"{layer.key}.bias"].astype("<f4").tobytes()
                if int8:
                    own = _by_channel(weight)
                    given = np.array(factors[layer.name], "<f4")
                    out.write(_INTEGERS.to_bytes(4, "little") + _integers(weight, own) + bias)
                    out.write(own.tobytes() + given.tobytes())
                else:
                    out.write(bytes(4) + weight.astype("<f4").tobytes() + bias)
    return path


def _factors(plan: Plan, weights: Weights) -> dict[str, tuple[float, ...]]:
    """The factors to bytes of what each convolution reads and, if it writes bytes, of these."""
    largest = {
        name: max(-least, most) for name, (least, most) in ranges.measure(plan, weights).items()
    }
    convs = [layer for layer in plan if isinstance(layer, Conv)]
    only_convs = {layer.source for layer in convs} - {
        source for layer in plan if not isinstance(layer, Conv) for source in _sources(layer)
    }
    return {
        layer.name: tuple(
            127 / largest[name]
            for name in (layer.source, layer.name)
            if name == layer.source or name in only_convs
        )
        for layer in convs
    }


def _by_channel(weight: Array) -> Array:
    most = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    return np.asarray(127 / np.maximum(most, _LEAST), "<f4")  # 1.0 has channels without weights


def _integers(weight: Array, factors: Array) -> bytes:
    data = np.round(weight * factors.reshape(-1, 1, 1, 1)).astype(np.int8).tobytes()
    return data + bytes(-len(data) % 4)


_TYPES = {Conv: "Convolution", Pool: "Pooling", Concat: "Concat", Average: "Pooling"}


def _sources(layer: Layer) -> tuple[str, ...]:
    return layer.sources if isinstance(layer, Concat) else (layer.source,)


def _parameters(layer: Layer, factors: int) -> str:
    """factors: the number of those of its maps; 0 for floats."""
    if isinstance(layer, Conv):
        size = layer.outputs * layer.inputs * layer.kernel**2
        # outputs, kernel, stride, padding, has bias, number of weights, activation (1: ReLU)
        floats = (
            f"0={layer.outputs} 1={layer.kernel} 3={layer.stride} 4={layer.pad} 5=1 6={size} "
            f"9={int(layer.relu)}"
        )
        return floats + ("", f" 8={_INT8}", f" 8={_INT8_TO_INT8}")[factors]
    if isinstance(layer, Pool):
        return "0=0 1=3 2=2 5=0"  # maximum, kernel, stride, ceil
    if isinstance(layer, Concat):
        return "0=0"
    return "0=1 4=1"  # average, global
