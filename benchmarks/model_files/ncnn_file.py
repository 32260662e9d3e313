"""ncnn: a text file of layers (.param) and a file of weights (.bin).

A line is `type name #inputs #outputs inputs... outputs... key=value...`; a blob may be read only
once, so one that feeds two layers goes through a Split. In the .bin each convolution is a four-byte
tag (0 for plain float32), the weights in OIHW order, then the bias without a tag.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmarks.network import INPUT, Average, Concat, Conv, Layer, Plan, Pool, Weights

MAGIC = 7767517


def write(plan: Plan, weights: Weights, path: Path) -> Path:
    """Write `path` (.param) and its neighbor ending in .bin; any input size works."""
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
            f"{layer.name} {_parameters(layer)}"
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
                out.write(bytes(4))
                out.write(weights[f"{layer.key}.weight"].astype("<f4").tobytes())
                out.write(weights[f"{layer.key}.bias"].astype("<f4").tobytes())
    return path


_TYPES = {Conv: "Convolution", Pool: "Pooling", Concat: "Concat", Average: "Pooling"}


def _sources(layer: Layer) -> tuple[str, ...]:
    return layer.sources if isinstance(layer, Concat) else (layer.source,)


def _parameters(layer: Layer) -> str:
    if isinstance(layer, Conv):
        size = layer.outputs * layer.inputs * layer.kernel**2
        # outputs, kernel, stride, padding, has bias, number of weights, activation (1: ReLU)
        return f"0={layer.outputs} 1={layer.kernel} 3={layer.stride} 4={layer.pad} 5=1 6={size} 9=1"
    if isinstance(layer, Pool):
        return "0=0 1=3 2=2 5=0"  # maximum, kernel, stride, ceil
    if isinstance(layer, Concat):
        return "0=0"
    return "0=1 4=1"  # average, global
