"""Runs a network: packs its weights once, and plans steps and buffers once per input size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from sqznet import _kernels
from sqznet.engine import bands, cpu
from sqznet.engine.float_layers import FloatLayers, PackedLayers, Parameters
from sqznet.engine.overflow import Bounds, Norm
from sqznet.engine.program import Program, Workspace
from sqznet.errors import WeightsError
from sqznet.forks import renewed
from sqznet.network.layers import INPUT, Network
from sqznet.weights.checkpoint import RawTensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Result = TypeVar("Result")

# Limits for the workspaces that are kept for reuse, of all sizes together: enough for several
# callers of one model, but a rare size or a burst of callers must not hold memory forever.
KEPT_WORKSPACES = 8
KEPT_BYTES = 64 << 20


class Executor:
    """A network with packed weights, ready to run with one set of kernels and one thread pool.

    ``layers`` packs the weights: as floats, or in another way if the file needs it.
    """

    def __init__(
        self,
        network: Network,
        tensors: Mapping[str, RawTensor],
        kernels: _kernels.Kernels,
        pool: _kernels.ThreadPool,
        origin: str = "the checkpoint",
        layers: Callable[
            [Network, Parameters, _kernels.Kernels, _kernels.ThreadPool], PackedLayers
        ] = FloatLayers,
    ) -> None:
        self.network = network
        self.kernels = kernels
        self.pool = pool
        norms: dict[str, Norm] = {}
        parameters = partial(_parameters, tensors, origin, norms)
        self._layers: PackedLayers = layers(network, parameters, kernels, pool)
        self._bounds = Bounds(network, norms, origin)
        self.safe_input = self._bounds.safe_input
        self._idle: list[Workspace] = []  # in order of use, the latest at the end
        renewed(self)

    def renew(self) -> None:
        self._lock = Lock()
        self._gate = _kernels.Gate(_room)

    def alone(self) -> Executor:
        """The same packed weights for callers with their own threads: each call uses one thread."""
        from copy import copy  # costs time that a first answer does not need

        other = copy(self)
        other.pool = _kernels.ThreadPool(1)
        other._layers = self._layers.on(other.pool)
        other._idle = []
        return renewed(other)

    def run(
        self,
        n: int,
        height: int,
        width: int,
        work: Callable[[Workspace], Result],
        keep: tuple[str, ...] = (),
        largest_input: float = 0.0,
    ) -> Result:
        """What ``work`` returns, called with a workspace once a core is free; see ``acquire``."""
        # Not a context manager: those of contextlib are Python code, in which an exception from
        # outside, such as Ctrl-C's, would lose the place.
        place = self._gate.place()
        try:
            # If the callers fill the cores, each runs its loops on its own core only.
            self.pool.crowded = place.enter()
            workspace = self.acquire(n, height, width, keep, largest_input)
            try:
                return work(workspace)
            finally:
                self.release(workspace)
        finally:
            place.leave()

    @property
    def callers(self) -> int:
        """How many callers of ``run`` have a place now."""
        return self._gate.inside

    def acquire(
        self,
        n: int,
        height: int,
        width: int,
        keep: tuple[str, ...] = (),
        largest_input: float = 0.0,
    ) -> Workspace:
        """A workspace for exclusive use, until it is passed to ``release``.

        ``keep``: names of layers whose maps are outputs too, besides those of the heads.
        ``largest_input``: the largest magnitude that the input will have. If values could overflow,
        ``run`` checks them, and raises WeightsError if they may have.
        """
        check = None
        if largest_input > self.safe_input:
            keep = self.network.map_names
            check = partial(self._bounds.check, largest_input=largest_input)
        workspace = self._acquire(n, height, width, (*self.network.outputs, *keep))
        workspace.check = check
        return workspace

    def _acquire(self, n: int, height: int, width: int, outputs: tuple[str, ...]) -> Workspace:
        with self._lock:
            for i in reversed(range(len(self._idle))):
                idle = self._idle[i]
                if idle.input.shape[:3] == (n, height, width) and tuple(idle.outputs) == outputs:
                    return self._idle.pop(i)
        return self._plan(n, height, width, outputs)

    def floats(self, name: str, values: _kernels.Tensor) -> npt.NDArray[np.float32]:
        """A copy of an output of the layer with this name, as floats."""
        return self._layers.floats(name, values)

    def release(self, workspace: Workspace) -> None:
        with self._lock:
            self._idle.append(workspace)
            while len(self._idle) > 1 and (
                len(self._idle) > KEPT_WORKSPACES
                or sum(kept.nbytes for kept in self._idle) > KEPT_BYTES
            ):
                del self._idle[0]

    def _plan(self, n: int, height: int, width: int, outputs: tuple[str, ...]) -> Workspace:
        program, network = Program(), self.network
        layers, shapes = network.layers, network.shapes(height, width)
        names = network.map_names
        border = network.padding
        packed = self._layers
        dtypes = [packed.dtype_of(layer) for layer in layers]
        entry = program.value(
            n, height + 2 * border, width + 2 * border, 3, dtype=packed.input_dtype
        )
        maps = {INPUT: entry}
        read_whole = {*outputs, *(branch.input for branch in network.branches)}
        start = 0
        for branch in network.branches:
            x = maps[branch.input]
            part = range(start, start + len(branch.layers))
            for group in bands.groups(layers, part):
                may_band = packed.in_bands and read_whole.isdisjoint(
                    names[index] for index in group[:-1]
                )
                rows = bands.rows_of_a_band(group, shapes, dtypes) if may_band else 0
                if rows:
                    last = group[-1]
                    y = program.value(n, *shapes[last], dtype=dtypes[last])
                    bands.add(program, packed, layers, shapes, group, rows, x, y)
                    x = maps[names[last]] = y
                    continue
                for index in group:
                    program.layer, layer = index, layers[index]
                    y = program.value(n, *shapes[index], dtype=dtypes[index])
                    packed.add(program, layer, x, y)
                    x = maps[names[index]] = y
            maps[branch.output] = x
            start = part.stop
        wanted = {name: maps[name] for name in outputs}
        for value in wanted.values():
            value.last = len(program.steps)
        if border or packed.keeps_input:
            # A border is filled once, when the arena is allocated. So no other value may use this
            # memory.
            entry.last = len(program.steps)
        return Workspace(program, entry, wanted, border, packed.border)


def _room() -> int:
    return cpu.usable_cores()[0]


def _parameters(
    tensors: Mapping[str, RawTensor], origin: str, norms: dict[str, Norm], name: str
) -> tuple[_kernels.Tensor, _kernels.Tensor]:
    """The weight and bias of a convolution; adds its norm to ``norms``."""

    def unpacked(name: str) -> tuple[_kernels.Tensor, float, float]:
        raw = tensors[name].floats()
        out, cin, kh, kw = raw.shape if len(raw.shape) == 4 else (*raw.shape, 1, 1, 1)
        tensor = _kernels.Tensor.from_bytes(raw.data, raw.dtype, (out, cin, kh, kw))
        largest, positive = tensor.largest_rows()
        if not isfinite(largest) and not tensor.is_finite():
            raise WeightsError(f"{origin}: {name} holds values that are not finite in float32")
        return tensor, largest, positive

    weight, magnitude, positive = unpacked(f"{name}.weight")
    bias, largest_bias, _ = unpacked(f"{name}.bias")
    norms[name] = Norm(magnitude, positive, largest_bias)
    return weight, bias
