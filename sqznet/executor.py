"""Runs a network: packs its weights once, plans its buffers once for each input size.

A step is a kernel bound to its packed weights and to parts of one arena; running the network is
calling the steps in order. No step allocates, and the kernels release the GIL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Protocol
from weakref import WeakSet

from sqznet import _kernels, graph
from sqznet.errors import WeightsError
from sqznet.weights.checkpoint import RawTensor

# Weight and bias of a convolution, by its name.
Parameters = Callable[[str], tuple[_kernels.Tensor, _kernels.Tensor]]
PackedLayer = _kernels.Conv | _kernels.Stem | _kernels.Fire | _kernels.Classifier

# Workspaces kept for reuse, whatever their sizes: enough for several callers of one model, but a
# stray size or a burst of callers must not hold memory for ever.
KEPT_WORKSPACES = 8
KEPT_BYTES = 64 << 20


@dataclass(eq=False)
class Value:
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
class Program:
    """Values and steps of one input size; a step names its values, not yet any memory."""

    values: list[Value] = field(default_factory=list)
    steps: list[tuple[Callable[..., None], tuple[Value, ...]]] = field(default_factory=list)

    def value(self, *shape: int) -> Value:
        n, h, w, c = shape
        now = len(self.steps)
        self.values.append(Value((n, h, w, c), now, now))
        return self.values[-1]

    def step(self, kernel: Callable[..., None], *operands: Value) -> None:
        for value in operands:
            value.last = len(self.steps)
        self.steps.append((kernel, operands))

    def allocate(self) -> int:
        """Offsets for all values, first fit, largest first; returns the arena's size in floats."""
        placed: list[Value] = []
        for value in sorted(self.values, key=lambda v: -v.floats):
            value.offset = 0
            for other in sorted(placed, key=lambda v: v.offset):
                overlap_in_time = value.first <= other.last and other.first <= value.last
                if overlap_in_time and value.offset + value.floats > other.offset:
                    value.offset = max(value.offset, other.offset + other.floats)
            placed.append(value)
        return max(v.offset + v.floats for v in placed)


class Workspace:
    """The memory and the steps for ``n`` images of one size. Used by one caller at a time.

    ``logits``: what the last layer gives, (N, 1, 1, classes); the last fire's map of a network
    without a classifier.

    ``border``: pixels around each image that belong to the source and stay zero. ``kept``: maps
    (N, H, W, C) that outlive the run, by their layer's name. ``ends``: how many of the steps are
    done once each layer is.
    """

    def __init__(
        self,
        program: Program,
        source: Value,
        logits: Value,
        kept: Mapping[str, Value],
        border: int,
        ends: Sequence[int],
    ) -> None:
        arena = _kernels.Tensor((1, 1, 1, program.allocate()))
        self.nbytes = arena.shape[3] * 4
        tensors = {id(v): arena.part(v.offset, v.shape) for v in program.values}
        self.steps = [
            partial(kernel, *(tensors[id(v)] for v in operands))
            for kernel, operands in program.steps
        ]
        self._source = tensors[id(source)]
        self._border = border
        self.ends = ends
        self.input = self._source.inside(border)
        self.logits = tensors[id(logits)]
        self.kept = {name: tensors[id(value)] for name, value in kept.items()}

    def image(self, index: int) -> _kernels.Tensor:
        """The input of one image, (1, H, W, 3)."""
        _, h, w, c = self._source.shape
        return self._source.part(index * h * w * c, (1, h, w, c)).inside(self._border)

    def run(self) -> None:
        """From ``input`` (N, H, W, 3) to ``logits`` (N, 1, 1, classes)."""
        for step in self.steps:
            step()


class Layers(Protocol):
    """The layers of a network with packed weights, for one kernel table and thread pool."""

    def add(self, program: Program, index: int, x: Value, shape: tuple[int, int, int]) -> Value:
        """Append the steps of the layer of that index; returns its output, (N, *shape).

        ``x``: what the layer before gives; for the first one the images, within their border.
        """
        ...

    def on(self, pool: _kernels.ThreadPool) -> Layers:
        """The same packed weights, for another thread pool."""
        ...


class FloatLayers:
    """Layers as they are: each a kernel, and one more for a bypass."""

    def __init__(
        self,
        network: graph.Network,
        parameters: Parameters,
        table: _kernels.KernelTable,
        pool: _kernels.ThreadPool,
    ) -> None:
        self._network = network
        self._table = table
        self._pool = pool
        self._packed = {
            name: layer for part in network.layers for name, layer in _pack(part, parameters, table)
        }

    def add(self, program: Program, index: int, x: Value, shape: tuple[int, int, int]) -> Value:
        layer = self._network.layers[index]
        if isinstance(layer, graph.MaxPool):
            y = program.value(x.shape[0], *shape)
            pool = partial(_kernels.max_pool, self._table, self._pool)
            program.step(partial(pool, ceil_mode=layer.ceil_mode), x, y)
            return y
        y = self._step(program, layer.name, x, shape)
        if isinstance(layer, graph.Fire) and layer.bypass is not None:
            if layer.bypass == "complex":
                x = self._step(program, f"{layer.name}.bypass", x, shape)
            program.step(partial(_kernels.add, self._table, self._pool), x, y, y)
        return y

    def on(self, pool: _kernels.ThreadPool) -> FloatLayers:
        other = copy(self)
        other._pool = pool
        return other

    def _step(self, program: Program, name: str, x: Value, shape: tuple[int, int, int]) -> Value:
        layer, (n, h, w, _) = self._packed[name], x.shape
        scratch = program.value(1, 1, 1, max(1, layer.scratch(n, h, w, self._pool.threads)))
        y = program.value(n, *shape)
        program.step(partial(layer, self._pool), x, scratch, y)
        return y


class Executor:
    """A network with packed weights, ready to run on one kernel table and thread pool.

    ``layers`` packs them: as floats, or in another way for a file that asks for one.
    """

    def __init__(
        self,
        network: graph.Network,
        tensors: Mapping[str, RawTensor],
        table: _kernels.KernelTable,
        pool: _kernels.ThreadPool,
        origin: str = "the checkpoint",
        layers: Callable[
            [graph.Network, Parameters, _kernels.KernelTable, _kernels.ThreadPool], Layers
        ] = FloatLayers,
    ) -> None:
        self.network = network
        self.table = table
        self.pool = pool
        self._layers: Layers = layers(network, partial(_parameters, tensors, origin), table, pool)
        self._idle: list[Workspace] = []  # the one used last at the end
        self._lock = Lock()
        _EXECUTORS.add(self)

    def alone(self) -> Executor:
        """The same packed weights for callers that are threads enough: each runs by itself."""
        other = copy(self)
        other.pool = _kernels.ThreadPool(1)
        other._layers = self._layers.on(other.pool)
        other._idle = []
        other._lock = Lock()
        _EXECUTORS.add(other)
        return other

    def acquire(self, n: int, height: int, width: int, keep: tuple[str, ...] = ()) -> Workspace:
        """A workspace that nobody else uses, until it is given to ``release``.

        ``keep``: names of layers whose output stays readable after the run, in ``kept``.
        """
        with self._lock:
            for i in reversed(range(len(self._idle))):
                idle = self._idle[i]
                if idle.input.shape[:3] == (n, height, width) and tuple(idle.kept) == keep:
                    return self._idle.pop(i)
        return self._plan(n, height, width, keep)

    def release(self, workspace: Workspace) -> None:
        with self._lock:
            self._idle.append(workspace)
            while len(self._idle) > 1 and (
                len(self._idle) > KEPT_WORKSPACES
                or sum(kept.nbytes for kept in self._idle) > KEPT_BYTES
            ):
                del self._idle[0]

    def _plan(self, n: int, height: int, width: int, keep: tuple[str, ...]) -> Workspace:
        program = Program()
        outputs: dict[str, Value] = {}
        ends: list[int] = []
        border = self.network.padding
        source = x = program.value(n, height + 2 * border, width + 2 * border, 3)
        shapes = self.network.shapes(height, width)
        for index, layer in enumerate(self.network.layers):
            x = self._layers.add(program, index, x, shapes[index])
            ends.append(len(program.steps))
            if not isinstance(layer, graph.MaxPool):
                outputs[layer.name] = x
        kept = {name: outputs[name] for name in keep}
        for value in kept.values():
            value.last = len(program.steps)
        if border:
            # Zeroed once, when the arena is made, so no other value may ever lie there.
            source.last = len(program.steps)
        return Workspace(program, source, x, kept, border, ends)


# A fork may come while another thread holds a lock that only it could release.
_EXECUTORS: WeakSet[Executor] = WeakSet()


def _renew_locks() -> None:
    for executor in _EXECUTORS:
        executor._lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


def _parameters(
    tensors: Mapping[str, RawTensor], origin: str, name: str
) -> tuple[_kernels.Tensor, _kernels.Tensor]:
    def unpacked(name: str) -> _kernels.Tensor:
        raw = tensors[name]
        out, cin, kh, kw = raw.shape if len(raw.shape) == 4 else (*raw.shape, 1, 1, 1)
        tensor = _kernels.Tensor.from_bytes(raw.data, raw.dtype, (out, cin, kh, kw))
        if not tensor.is_finite():
            raise WeightsError(f"{origin}: {name} holds values that are not finite in float32")
        return tensor

    return unpacked(f"{name}.weight"), unpacked(f"{name}.bias")


def _pack(
    layer: graph.Layer, parameters: Parameters, table: _kernels.KernelTable
) -> list[tuple[str, PackedLayer]]:
    if isinstance(layer, graph.Conv):
        weight, bias = parameters(layer.name)
        if (layer.kernel, layer.stride) == (7, 2):
            return [(layer.name, _kernels.Stem(table, weight, bias))]
        return [(layer.name, _kernels.Conv(table, weight, bias, stride=layer.stride))]
    if isinstance(layer, graph.Classifier):
        classifier = _kernels.Classifier(table, *parameters(layer.name), padding=layer.padding)
        return [(layer.name, classifier)]
    if isinstance(layer, graph.MaxPool):
        return []
    parts = [parameters(f"{layer.name}.{part}") for part in ("squeeze", "expand1x1", "expand3x3")]
    packed: list[tuple[str, PackedLayer]] = [
        (layer.name, _kernels.Fire(table, *parts[0], *parts[1], *parts[2]))
    ]
    if layer.bypass == "complex":
        name = f"{layer.name}.bypass"
        packed.append((name, _kernels.Conv(table, *parameters(name), relu=False)))
    return packed
