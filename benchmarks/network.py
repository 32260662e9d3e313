"""SqueezeNet 1.0 and 1.1 as a flat list of layers, and their computation in NumPy float64.

The list is what every rival's model file is generated from; the float64 run of it is what every
engine's answer is checked against before that engine is timed. Nothing here comes from sqznet, so
a mistake in sqznet cannot hide in the benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Weights = Mapping[str, Array]
Reference = npt.NDArray[np.float64]

INPUT = "image"
OUTPUT = "logits"


@dataclass(frozen=True)
class Conv:
    """A square convolution with bias, followed by a ReLU but for a detector's outputs."""

    name: str
    source: str
    key: str  # weights are `<key>.weight` (OIHW) and `<key>.bias`
    inputs: int
    outputs: int
    kernel: int
    stride: int
    pad: int
    relu: bool = True


@dataclass(frozen=True)
class Pool:
    """Max pooling 3x3 with stride 2; a last, clipped window counts (ceil)."""

    name: str
    source: str


@dataclass(frozen=True)
class Concat:
    """Concatenates the channels of the sources."""

    name: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Average:
    """Mean over height and width."""

    name: str
    source: str


Layer = Conv | Pool | Concat | Average
Plan = tuple[Layer, ...]
Shape = tuple[int, int, int]  # batch, height, width

# Per variant: stem (outputs, kernel), then, in order, "pool" or the torchvision index of a fire.
_PLANS: dict[str, tuple[tuple[int, int], tuple[str | int, ...]]] = {
    "1.0": ((96, 7), ("pool", 3, 4, 5, "pool", 7, 8, 9, 10, "pool", 12)),
    "1.1": ((64, 3), ("pool", 3, 4, "pool", 6, 7, "pool", 9, 10, 11, 12)),
}
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


def layers(variant: str, classes: int = 1000) -> Plan:
    """The layers of a variant ("1.0" or "1.1") in the order they run; the last is OUTPUT."""
    (channels, kernel), order = _PLANS[variant]
    fires = iter(_FIRES)
    plan: list[Layer] = [Conv("conv1", INPUT, "features.0", 3, channels, kernel, 2, 0)]
    for step in order:
        source = plan[-1].name
        if step == "pool":
            plan.append(Pool(f"pool{len(plan)}", source))
            continue
        squeeze, expand = next(fires)
        fire, key = f"fire{step}", f"features.{step}"
        squeezed = f"{fire}_squeeze"
        plan += [
            Conv(squeezed, source, f"{key}.squeeze", channels, squeeze, 1, 1, 0),
            Conv(f"{fire}_1x1", squeezed, f"{key}.expand1x1", squeeze, expand, 1, 1, 0),
            Conv(f"{fire}_3x3", squeezed, f"{key}.expand3x3", squeeze, expand, 3, 1, 1),
            Concat(fire, (f"{fire}_1x1", f"{fire}_3x3")),
        ]
        channels = 2 * expand
    plan.append(Conv("conv10", plan[-1].name, "classifier.1", channels, classes, 1, 1, 0))
    plan.append(Average(OUTPUT, "conv10"))
    return tuple(plan)


def pooled(size: int) -> int:
    """Cells along one side after a Pool."""
    return -(-(size - 3) // 2) + 1


def shapes(plan: Plan, height: int, width: int) -> dict[str, tuple[int, int, int]]:
    """(channels, height, width) of every layer's output."""
    out = {INPUT: (3, height, width)}
    for layer in plan:
        if isinstance(layer, Concat):
            _, h, w = out[layer.sources[0]]
            out[layer.name] = (sum(out[s][0] for s in layer.sources), h, w)
            continue
        c, h, w = out[layer.source]
        if isinstance(layer, Conv):
            h, w = ((n + 2 * layer.pad - layer.kernel) // layer.stride + 1 for n in (h, w))
            out[layer.name] = (layer.outputs, h, w)
        elif isinstance(layer, Pool):
            out[layer.name] = (c, pooled(h), pooled(w))
        else:
            out[layer.name] = (c, 1, 1)
    return out


def forward(plan: Plan, weights: Weights, image: Array) -> Reference:
    """Logits (N, classes) in float64 of `image` (N, 3, H, W), one image at a time."""
    return np.stack([maps(plan, weights, one)[OUTPUT] for one in image])


def maps(plan: Plan, weights: Weights, image: Array) -> dict[str, Reference]:
    """What every layer makes of one `image` (3, H, W), in float64."""
    values: dict[str, Reference] = {INPUT: image.astype(np.float64)}
    for layer in plan:
        if isinstance(layer, Conv):
            out = _conv(layer, weights, values[layer.source])
        elif isinstance(layer, Pool):
            out = _pool(values[layer.source])
        elif isinstance(layer, Concat):
            out = np.concatenate([values[s] for s in layer.sources])
        else:
            out = values[layer.source].mean(axis=(1, 2))
        values[layer.name] = out
    return values


def _conv(layer: Conv, weights: Weights, x: Reference) -> Reference:
    x = np.pad(x, ((0, 0), (layer.pad, layer.pad), (layer.pad, layer.pad)))
    k, s = layer.kernel, layer.stride
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))[:, ::s, ::s]
    _, h, w = windows.shape[:3]
    columns = windows.transpose(0, 3, 4, 1, 2).reshape(-1, h * w)
    kernel = weights[f"{layer.key}.weight"].astype(np.float64).reshape(layer.outputs, -1)
    bias = weights[f"{layer.key}.bias"].astype(np.float64)
    out: Reference = (kernel @ columns + bias[:, None]).reshape(-1, h, w)
    return np.maximum(out, 0) if layer.relu else out


def _pool(x: Reference) -> Reference:
    _, h, w = x.shape
    below, right = 2 * pooled(h) + 1 - h, 2 * pooled(w) + 1 - w
    x = np.pad(x, ((0, 0), (0, below), (0, right)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2]
    out: Reference = windows.max(axis=(3, 4))
    return out
