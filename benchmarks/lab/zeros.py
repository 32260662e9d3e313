"""Measures the worst case of skipping zeros: its cost if there is nothing to skip.

Weights are random and biases so positive that no activation is zero; the input is random, too. The
kernels always skip zeros, so the dense path is assembled from parts that never do:

* a fire module is its squeeze as a plain convolution, then the same module with a one-channel input
  (its expands, and a squeeze with almost no work), minus that squeeze as a plain convolution;
* the classifier is its 1x1 convolution alone, without the average: slightly in favor of dense.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import network
from benchmarks.engines.base import SIZE
from benchmarks.lab import stepping
from benchmarks.network import Array
from sqznet import _kernels
from sqznet.diagnostics.measuring import layer_names
from sqznet.engine.executor import Executor
from sqznet.engine.float_layers import Kernel
from sqznet.network.layers import Classifier, Fire

Call = Callable[[], object]
Shape = tuple[int, int, int, int]
Pair = tuple[_kernels.Tensor, _kernels.Tensor]
_SHARES = (
    0.05,
    0.25,
    0.5,
    0.75,
    0.8,
    0.84,
    0.9,
    1.0,
)  # denser around the switch to the dense kernel


def random_weights(variant: str) -> dict[str, Array]:
    """Weights around zero with biases that keep every activation above zero."""
    rng = np.random.default_rng(0)
    weights: dict[str, Array] = {}
    for layer in network.layers(variant):
        if isinstance(layer, network.Conv):
            shape = (layer.outputs, layer.inputs, layer.kernel, layer.kernel)
            scale = 0.05 / np.sqrt(layer.inputs * layer.kernel**2)
            weights[f"{layer.key}.weight"] = rng.normal(0, scale, shape).astype(np.float32)
            weights[f"{layer.key}.bias"] = rng.uniform(0.9, 1.1, layer.outputs).astype(np.float32)
    return weights


def measure(variant: str = "1.1", rounds: int = 60) -> dict[str, Any]:
    """Milliseconds of every fire module and the classifier, skipping (as sqznet runs) and dense."""
    weights = random_weights(variant)
    owner = stepping.executor({name: stepping.raw(value) for name, value in weights.items()})
    image = np.random.default_rng(1).uniform(0.5, 1.5, (1, 3, SIZE, SIZE)).astype(np.float32)
    steps = stepping.Steps(owner, image)
    density = min(steps.densities())
    pairs = _pairs(owner, weights)
    runs: list[list[float]] = []
    parts: dict[str, list[list[float]]] = {name: [] for name in pairs}
    for _ in range(rounds):  # interleaved, so that slow periods affect both
        runs.append(steps.once())
        for name, calls in pairs.items():
            parts[name].append([_warm_ms(call) for call in calls])
    columns = zip(steps.names, zip(*runs, strict=True), strict=True)
    others = sum(statistics.median(c) * 1e3 for name, c in columns if name not in pairs)
    layers = {}
    for name, samples in parts.items():
        skipping, dense, *extra = (statistics.median(c) for c in zip(*samples, strict=True))
        layers[name] = {"skipping_ms": skipping, "dense_ms": dense - sum(extra)}
    total, total_dense = (
        others + sum(layer[kind] for layer in layers.values())
        for kind in ("skipping_ms", "dense_ms")
    )
    return {
        "variant": variant,
        "least_density": density,
        "skipping_ms": total,
        "dense_ms": total_dense,
        "ratio": total / total_dense,
        "layers": layers,
        "by_density": _by_density(owner, weights, rounds),
    }


def _pairs(owner: Executor, weights: dict[str, Array]) -> dict[str, tuple[Call, ...]]:
    """By layer: the layer on a map without zeros, its dense path, and the time to subtract."""
    out: dict[str, tuple[Call, ...]] = {}
    shapes = owner.network.shapes(SIZE, SIZE)
    before = (SIZE, SIZE, 3)
    for name, layer, shape in zip(
        layer_names(owner.network), owner.network.layers, shapes, strict=True
    ):
        h, w, c = before
        if isinstance(layer, Fire):
            squeeze = _pair(weights, f"{layer.name}.squeeze")
            thin = stepping.tensor(np.full((layer.squeeze, 1, 1, 1), 0.001, np.float32)), squeeze[1]
            expand1 = _pair(weights, f"{layer.name}.expand1x1")
            expand3 = _pair(weights, f"{layer.name}.expand3x3")
            y = (1, h, w, layer.channels)
            fire = _kernels.Fire(owner.kernels.f32, *squeeze, *expand1, *expand3)
            rest = _kernels.Fire(owner.kernels.f32, *thin, *expand1, *expand3)
            out[name] = (
                _call(owner, fire, (1, h, w, c), y),
                # One call, so that it fills the caches as the layer itself does.
                _both(
                    _conv(owner, squeeze, (1, h, w, c), layer.squeeze),
                    _call(owner, rest, (1, h, w, 1), y),
                ),
                _conv(owner, thin, (1, h, w, 1), layer.squeeze),
            )
        elif isinstance(layer, Classifier):
            pair = _pair(weights, layer.name)
            classifier = _kernels.Classifier(owner.kernels.f32, *pair)
            out[name] = (
                _call(owner, classifier, (1, h, w, c), (1, 1, 1, layer.classes)),
                _conv(owner, pair, (1, h, w, c), layer.classes),
            )
        before = shape
    return out


def _both(first: Call, second: Call) -> Call:
    def call() -> None:
        first()
        second()

    return call


def _pair(weights: dict[str, Array], name: str) -> Pair:
    return stepping.tensor(weights[f"{name}.weight"]), stepping.tensor(weights[f"{name}.bias"])


def _conv(owner: Executor, pair: Pair, x: Shape, outputs: int) -> Call:
    return _call(owner, _kernels.Conv(owner.kernels.f32, *pair), x, (*x[:3], outputs))


def _call(owner: Executor, layer: Kernel, x: Shape, y: Shape) -> Call:
    source, out = _kernels.Tensor(x), _kernels.Tensor(y)
    np.asarray(source)[...] = 1.0
    nbytes = max(1, layer.scratch(*x[:3], owner.pool.threads))
    scratch = _kernels.Tensor((1, 1, 1, nbytes), "uint8")
    return lambda: layer(owner.pool, source, scratch, out)


def _by_density(owner: Executor, weights: dict[str, Array], rounds: int) -> list[dict[str, float]]:
    """The classifier's time over that of its dense convolution, by share of channels not zero.

    The same channels are zero in all pixels, so that sharing a list between pixels makes no
    difference; the share just below the switch to the dense kernel is the worst.
    """
    layer = owner.network.layers[-1]
    assert isinstance(layer, Classifier)
    h, w, channels = owner.network.shapes(SIZE, SIZE)[-2]
    pair = _pair(weights, layer.name)
    dense = _conv(owner, pair, (1, h, w, channels), layer.classes)
    packed = _kernels.Classifier(owner.kernels.f32, *pair)
    scratch = _kernels.Tensor((1, 1, 1, max(1, packed.scratch(1, h, w, 1))), "uint8")
    logits = _kernels.Tensor((1, 1, 1, layer.classes))
    order = np.random.default_rng(2).permutation(channels)
    sources = []
    for share in _SHARES:
        sources.append(_kernels.Tensor((1, h, w, channels)))
        np.asarray(sources[-1])[...] = np.where(order < share * channels, 1.0, 0.0)
    samples: list[list[float]] = []
    for _ in range(rounds):
        row = [_warm_ms(partial(packed, owner.pool, s, scratch, logits)) for s in sources]
        samples.append([*row, _warm_ms(dense)])
    *medians, base = (statistics.median(column) for column in zip(*samples, strict=True))
    return [
        {"density": share, "ratio": median / base}
        for share, median in zip(_SHARES, medians, strict=True)
    ]


def _warm_ms(call: Call) -> float:
    call()  # a warm-up, so that the caches hold this layer's data
    return stepping.seconds(call) * 1e3


def text(record: dict[str, Any]) -> str:
    """The results of `measure` as text."""
    worst = max(record["by_density"], key=lambda point: point["ratio"])
    curve = ", ".join(f"{p['density']:.2f}: {p['ratio']:.2f}" for p in record["by_density"])
    slowest = max(record["layers"].items(), key=lambda i: i[1]["skipping_ms"] / i[1]["dense_ms"])
    of_slowest = slowest[1]["skipping_ms"] / slowest[1]["dense_ms"]
    return (
        f"Nothing to skip (SqueezeNet {record['variant']}, random weights and input, "
        f"{record['least_density']:.0%} of all activations not zero), one thread:\n"
        f"skipping {record['skipping_ms']:.2f} ms, dense path {record['dense_ms']:.2f} ms: "
        f"ratio {record['ratio']:.2f}; worst in {slowest[0]}, {of_slowest:.2f}\n"
        f"conv10 by density of its input, relative to the dense convolution: {curve}; "
        f"worst {worst['ratio']:.2f}\n"
        "The dense path is assembled from parts that never skip, see benchmarks/lab/zeros.py."
    )
