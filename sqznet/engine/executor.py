"""Runs a network: packs its weights once, plans its steps and buffers once for each input size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from functools import partial
from threading import Lock
from typing import Protocol
from weakref import WeakSet

from sqznet import _kernels
from sqznet.engine import bands
from sqznet.engine.gate import Gate
from sqznet.engine.program import Operand, Program, Rows, Value, Workspace
from sqznet.errors import WeightsError
from sqznet.network import graph
from sqznet.weights.checkpoint import RawTensor

# Weight and bias of a convolution, by its name.
Parameters = Callable[[str], tuple[_kernels.Tensor, _kernels.Tensor]]
PackedLayer = _kernels.Conv | _kernels.Stem | _kernels.Fire | _kernels.Classifier

# Workspaces kept for reuse, whatever their sizes: enough for several callers of one model, but a
# stray size or a burst of callers must not hold memory for ever.
KEPT_WORKSPACES = 8
KEPT_BYTES = 64 << 20


class Layers(Protocol):
    """The layers of a network with packed weights, for one kernel table and thread pool."""

    #: Whether `add` takes bands of rows.
    in_bands: bool

    def add(self, program: Program, index: int, x: Operand, y: Operand, above: int = 0) -> None:
        """Append the steps of the layer of that index, from ``x`` to ``y``.

        ``x``: what the layer before gives; for the first one the images, within their border.
        ``above``: how many rows of a band of ``x`` a fire reads above the first that it writes.
        """
        ...

    def on(self, pool: _kernels.ThreadPool) -> Layers:
        """The same packed weights, for another thread pool."""
        ...


class FloatLayers:
    """Layers as they are: each a kernel, and one more for a bypass."""

    in_bands = True

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

    def add(self, program: Program, index: int, x: Operand, y: Operand, above: int = 0) -> None:
        layer = self._network.layers[index]
        if isinstance(layer, graph.MaxPool):
            pool = partial(_kernels.bind_max_pool, self._table, self._pool)
            program.step(partial(pool, ceil_mode=layer.ceil_mode), x, y)
        elif not isinstance(layer, graph.Fire):
            self._step(program, self._packed[layer.name], x, y)
        else:
            self._fire(program, layer, x, y, above)

    def on(self, pool: _kernels.ThreadPool) -> FloatLayers:
        other = copy(self)
        other._pool = pool
        return other

    def _fire(self, program: Program, fire: graph.Fire, x: Operand, y: Operand, above: int) -> None:
        kernel = self._packed[fire.name]
        assert isinstance(kernel, _kernels.Fire)
        scratch = self._scratch(program, kernel, y)
        program.step(partial(kernel.bind, self._pool, above=above), x, scratch, y)
        if fire.bypass is None:
            return
        if isinstance(x, Rows):  # of them, those that are written
            x = x.part(above, above + y.shape[1])
        if fire.bypass == "complex":
            through = program.value(*y.shape)
            self._step(program, self._packed[f"{fire.name}.bypass"], x, through)
            x = through
        program.step(partial(_kernels.bind_add, self._table, self._pool), x, y, y)

    def _step(self, program: Program, kernel: PackedLayer, x: Operand, y: Operand) -> None:
        program.step(partial(kernel.bind, self._pool), x, self._scratch(program, kernel, x), y)

    def _scratch(self, program: Program, kernel: PackedLayer, x: Operand) -> Value:
        n, h, w, _ = x.shape
        return program.scratch(kernel.scratch(n, h, w, self._pool.threads))


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
        self._gate = Gate()
        _EXECUTORS.add(self)

    def alone(self) -> Executor:
        """The same packed weights for callers that are threads enough: each runs by itself."""
        other = copy(self)
        other.pool = _kernels.ThreadPool(1)
        other._layers = self._layers.on(other.pool)
        other._idle = []
        other._lock = Lock()
        other._gate = Gate()
        _EXECUTORS.add(other)
        return other

    @contextmanager
    def workspace(
        self, n: int, height: int, width: int, keep: tuple[str, ...] = ()
    ) -> Iterator[Workspace]:
        """A workspace for one run, once there is a core for it; see ``acquire``."""
        # Where callers fill the cores, none takes another's for its loops.
        self.pool.crowded = self._gate.enter()
        try:
            workspace = self.acquire(n, height, width, keep)
            try:
                yield workspace
            finally:
                self.release(workspace)
        finally:
            self._gate.leave()

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
        border, layers = self.network.padding, self.network.layers
        source = x = program.value(n, height + 2 * border, width + 2 * border, 3)
        shapes = self.network.shapes(height, width)
        for group in bands.groups(layers):
            if self._may_band(group, keep) and (rows := bands.rows_of_a_band(group, shapes)):
                y = program.value(n, *shapes[group[-1]])
                bands.add(program, self._layers.add, layers, shapes, group, rows, x, y)
                x = y
                continue
            for index in group:
                program.layer, layer = index, layers[index]
                y = program.value(n, *shapes[index])
                self._layers.add(program, index, x, y)
                x = y
                if not isinstance(layer, graph.MaxPool):
                    outputs[layer.name] = y
        kept = {name: outputs[name] for name in keep}
        for value in kept.values():
            value.last = len(program.steps)
        if border:
            # Zeroed once, when the arena is made, so no other value may ever lie there.
            source.last = len(program.steps)
        return Workspace(program, source, x, kept, border)

    def _may_band(self, group: range, keep: tuple[str, ...]) -> bool:
        """Maps that outlive the run must be there as a whole."""
        names = {getattr(self.network.layers[index], "name", None) for index in group}
        return self._layers.in_bands and names.isdisjoint(keep)


# A fork may come while another thread holds a lock that only it could release.
_EXECUTORS: WeakSet[Executor] = WeakSet()


def _renew_locks() -> None:
    for executor in _EXECUTORS:
        executor._lock = Lock()
        executor._gate = Gate()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


def _parameters(
    tensors: Mapping[str, RawTensor], origin: str, name: str
) -> tuple[_kernels.Tensor, _kernels.Tensor]:
    def unpacked(name: str) -> _kernels.Tensor:
        raw = tensors[name].floats()
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
