"""Runs a network: packs its weights once, plans its buffers once for each input size.

A step is a kernel bound to its packed weights and to parts of one arena; running the network is
calling the steps in order. No step allocates, and the kernels release the GIL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from weakref import WeakSet

from sqznet import _kernels, graph
from sqznet.errors import WeightsError
from sqznet.weights.checkpoint import RawTensor

PackedLayer = _kernels.Conv | _kernels.Stem | _kernels.Fire | _kernels.Classifier

# Workspaces kept for reuse, whatever their sizes: enough for several callers of one model, but a
# stray size or a burst of callers must not hold memory for ever.
KEPT_WORKSPACES = 8
KEPT_BYTES = 64 << 20


@dataclass(eq=False)
class _Value:
    """A map between layers: its NHWC shape and the steps that write it first and read it last."""

    shape: tuple[int, int, int, int]
    first: int
    last: int
    offset: int = 0

    @property
    def floats(self) -> int:
        n, h, w, c = self.shape
        # Whole cache lines, so that every map starts on one.
        return -(-n * h * w * c // 16) * 16


@dataclass
class _Program:
    """Values and steps of one input size; a step names its values, not yet any memory."""

    values: list[_Value] = field(default_factory=list)
    steps: list[tuple[Callable[..., None], tuple[_Value, ...]]] = field(default_factory=list)

    def value(self, *shape: int) -> _Value:
        n, h, w, c = shape
        now = len(self.steps)
        self.values.append(_Value((n, h, w, c), now, now))
        return self.values[-1]

    def step(self, kernel: Callable[..., None], *operands: _Value) -> None:
        for value in operands:
            value.last = len(self.steps)
        self.steps.append((kernel, operands))

    def allocate(self) -> int:
        """Offsets for all values, first fit, largest first; returns the arena's size in floats."""
        placed: list[_Value] = []
        for value in sorted(self.values, key=lambda v: -v.floats):
            value.offset = 0
            for other in sorted(placed, key=lambda v: v.offset):
                overlap_in_time = value.first <= other.last and other.first <= value.last
                if overlap_in_time and value.offset + value.floats > other.offset:
                    value.offset = max(value.offset, other.offset + other.floats)
            placed.append(value)
        return max(v.offset + v.floats for v in placed)


class Workspace:
    """The memory and the steps for ``n`` images of one size. Used by one caller at a time."""

    def __init__(self, program: _Program, source: _Value, logits: _Value) -> None:
        arena = _kernels.Tensor((1, 1, 1, program.allocate()))
        self.nbytes = arena.shape[3] * 4
        tensors = {id(v): arena.part(v.offset, v.shape) for v in program.values}
        self.steps = [
            partial(kernel, *(tensors[id(v)] for v in operands))
            for kernel, operands in program.steps
        ]
        self.input = tensors[id(source)]
        self.logits = tensors[id(logits)]

    def image(self, index: int) -> _kernels.Tensor:
        """The input of one image, (1, H, W, 3)."""
        _, h, w, c = self.input.shape
        return self.input.part(index * h * w * c, (1, h, w, c))

    def run(self) -> None:
        """From ``input`` (N, H, W, 3) to ``logits`` (N, 1, 1, classes)."""
        for step in self.steps:
            step()


class Executor:
    """A network with packed weights, ready to run on one kernel table and thread pool."""

    def __init__(
        self,
        network: graph.Network,
        tensors: Mapping[str, RawTensor],
        table: _kernels.KernelTable,
        pool: _kernels.ThreadPool,
        origin: str = "the checkpoint",
    ) -> None:
        self.network = network
        self.table = table
        self.pool = pool
        self._layers = {
            name: layer
            for part in network.layers
            for name, layer in _pack(part, tensors, table, origin)
        }
        self._idle: list[Workspace] = []  # the one used last at the end
        self._lock = Lock()
        _EXECUTORS.add(self)

    def acquire(self, n: int, height: int, width: int) -> Workspace:
        """A workspace that nobody else uses, until it is given to ``release``."""
        with self._lock:
            for i in reversed(range(len(self._idle))):
                if self._idle[i].input.shape[:3] == (n, height, width):
                    return self._idle.pop(i)
        return self._plan(n, height, width)

    def release(self, workspace: Workspace) -> None:
        with self._lock:
            self._idle.append(workspace)
            while len(self._idle) > 1 and (
                len(self._idle) > KEPT_WORKSPACES
                or sum(kept.nbytes for kept in self._idle) > KEPT_BYTES
            ):
                del self._idle[0]

    def _plan(self, n: int, height: int, width: int) -> Workspace:
        program = _Program()
        source = x = program.value(n, height, width, 3)
        shapes = self.network.shapes(height, width)
        for layer, shape in zip(self.network.layers, shapes, strict=True):
            if isinstance(layer, graph.MaxPool):
                y = program.value(n, *shape)
                pool = partial(_kernels.max_pool, self.table, self.pool)
                program.step(partial(pool, ceil_mode=layer.ceil_mode), x, y)
            else:
                y = self._layer(program, layer.name, x, shape)
            if isinstance(layer, graph.Fire) and layer.bypass is not None:
                if layer.bypass == "complex":
                    x = self._layer(program, f"{layer.name}.bypass", x, shape)
                program.step(partial(_kernels.add, self.table, self.pool), x, y, y)
            x = y
        return Workspace(program, source, x)

    def _layer(
        self, program: _Program, name: str, x: _Value, shape: tuple[int, int, int]
    ) -> _Value:
        layer, (n, h, w, _) = self._layers[name], x.shape
        scratch = program.value(1, 1, 1, max(1, layer.scratch(n, h, w, self.pool.threads)))
        y = program.value(n, *shape)
        program.step(partial(layer, self.pool), x, scratch, y)
        return y


# A fork may come while another thread holds a lock that only it could release.
_EXECUTORS: WeakSet[Executor] = WeakSet()


def _renew_locks() -> None:
    for executor in _EXECUTORS:
        executor._lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


def _pack(
    layer: graph.Layer,
    tensors: Mapping[str, RawTensor],
    table: _kernels.KernelTable,
    origin: str,
) -> list[tuple[str, PackedLayer]]:
    def unpacked(name: str) -> _kernels.Tensor:
        raw = tensors[name]
        out, cin, kh, kw = raw.shape if len(raw.shape) == 4 else (*raw.shape, 1, 1, 1)
        tensor = _kernels.Tensor.from_bytes(raw.data, raw.dtype, (out, cin, kh, kw))
        if not tensor.is_finite():
            raise WeightsError(f"{origin}: {name} holds values that are not finite in float32")
        return tensor

    def pair(name: str) -> tuple[_kernels.Tensor, _kernels.Tensor]:
        return unpacked(f"{name}.weight"), unpacked(f"{name}.bias")

    if isinstance(layer, graph.Conv):
        weight, bias = pair(layer.name)
        if (layer.kernel, layer.stride) == (7, 2):
            return [(layer.name, _kernels.Stem(table, weight, bias))]
        return [(layer.name, _kernels.Conv(table, weight, bias, stride=layer.stride))]
    if isinstance(layer, graph.Classifier):
        classifier = _kernels.Classifier(table, *pair(layer.name), padding=layer.padding)
        return [(layer.name, classifier)]
    if isinstance(layer, graph.MaxPool):
        return []
    parts = [pair(f"{layer.name}.{part}") for part in ("squeeze", "expand1x1", "expand3x3")]
    packed: list[tuple[str, PackedLayer]] = [
        (layer.name, _kernels.Fire(table, *parts[0], *parts[1], *parts[2]))
    ]
    if layer.bypass == "complex":
        name = f"{layer.name}.bypass"
        packed.append((name, _kernels.Conv(table, *pair(name), relu=False)))
    return packed
