"""The int8 layers of a network whose file rounds its activations itself.

Where such a file rounds bytes further, for instance the halves of a fire to one grid, a table says
what becomes of each byte. If it rounds the result of its last convolution, bytes are averaged.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from functools import partial

from sqznet import _kernels
from sqznet.engine.float_layers import Parameters
from sqznet.engine.int8_layers import ByteMaps, Kernel, integers_of, pack_sum, vector
from sqznet.engine.program import Operand, Program, Value
from sqznet.network.layers import Classifier, Conv, Fire, Layer, MaxPool, Network
from sqznet.quantization.description import Grid
from sqznet.quantization.plan import Plan

# The part of a tensor that a step reads or writes.
Part = Callable[[_kernels.Tensor], _kernels.Tensor]


class RecodedLayers(ByteMaps):
    """See ``PackedLayers``."""

    in_bands = False

    def __init__(
        self,
        plan: Plan,
        network: Network,
        parameters: Parameters,
        kernels: _kernels.Kernels,
        pool: _kernels.ThreadPool,
    ) -> None:
        super().__init__(plan)
        self._plan = plan
        self._integers = partial(integers_of, plan, parameters)
        self._kernels = kernels.int8
        self._pool = pool
        self._convs: dict[str, _kernels.ByteConv] = {}
        # Layers that are one kernel, because no table comes between their convolutions.
        self._fires: dict[str, _kernels.ByteFire] = {}
        self._sums: dict[str, _kernels.ByteSum] = {}
        self._classifiers: dict[str, _kernels.ByteClassifier] = {}
        for layer in network.layers:
            if not isinstance(layer, MaxPool):
                _PACK[type(layer)](self, layer)

    def add(self, program: Program, layer: Layer, x: Operand, y: Operand, above: int = 0) -> None:
        _ADD[type(layer)](self, program, layer, x, y)

    def on(self, pool: _kernels.ThreadPool) -> RecodedLayers:
        from copy import copy  # costs time that a first answer does not need

        other = copy(self)
        other._pool = pool
        return other

    # --- Packing ---

    def _pack_stem(self, layer: Conv) -> None:
        self._pack(layer.name, layer.stride)

    def _pack_fire(self, layer: Fire) -> None:
        names = _parts(layer)
        if layer.bypass is not None:
            self._sums[layer.name] = pack_sum(layer, self._integers, self._plan, self._kernels)
        if self._plan.convs[names[0]].table:
            for name in names:
                self._pack(name)
            return
        squeeze, ones, threes = map(self._integers, names)
        self._fires[layer.name] = _kernels.ByteFire(self._kernels, *squeeze, *ones, *threes)

    def _pack_classifier(self, layer: Classifier) -> None:
        if layer.name in self._plan.classes:
            self._pack(layer.name)
            return
        border = vector(array("B", self._plan.convs[layer.name].border), "uint8")
        self._classifiers[layer.name] = _kernels.ByteClassifier(
            self._kernels,
            *self._integers(layer.name),
            border,
            padding=layer.padding,
            relu=layer.relu,
        )

    def _pack(self, name: str, stride: int = 1) -> None:
        self._convs[name] = _kernels.ByteConv(self._kernels, *self._integers(name), stride=stride)

    # --- Steps ---

    def _stem(self, program: Program, layer: Conv, x: Operand, y: Operand) -> None:
        self._conv(program, layer.name, x, y)
        self._recode(program, layer.name, y)

    def _max_pool(self, program: Program, layer: MaxPool, x: Operand, y: Operand) -> None:
        bind = partial(_kernels.bind_max_pool_u8, self._kernels, self._pool)
        program.step(partial(bind, ceil_mode=layer.ceil_mode), x, y)

    def _fire(self, program: Program, layer: Fire, x: Operand, y: Operand) -> None:
        squeeze, ones, threes = _parts(layer)
        first: Part = partial(_channels, 0, layer.expand1x1)
        second: Part = partial(_channels, layer.expand1x1, layer.expand3x3)
        n, h, w, _ = x.shape
        if layer.name in self._fires:
            self._kernel(program, self._fires[layer.name], x, y)
        else:
            squeezed = program.value(n, h, w, layer.squeeze, dtype="uint8")
            self._conv(program, squeeze, x, squeezed)
            padded = program.value(n, h + 2, w + 2, layer.squeeze, dtype="uint8")
            table = _table(self._plan.convs[squeeze].table)
            program.step(partial(_recode_to, self._pool, table), squeezed, padded)
            self._conv(program, ones, padded, y, _without_border, first)
            self._conv(program, threes, padded, y, _whole, second)
        self._recode(program, ones, y, first)
        self._recode(program, threes, y, second)
        if layer.name in self._sums:
            self._kernel(program, self._sums[layer.name], x, y)

    def _classifier(self, program: Program, layer: Classifier, x: Operand, y: Operand) -> None:
        if layer.name in self._classifiers:
            self._kernel(program, self._classifiers[layer.name], x, y)
        else:
            n, h, w, _ = x.shape
            maps = program.value(n, h, w, layer.classes, dtype="uint8")
            self._conv(program, layer.name, x, maps)
            self._recode(program, layer.name, maps)
            edge = vector(array("B", self._plan.convs[layer.name].of_zeros), "uint8")
            border = (h + 2 * layer.padding) * (w + 2 * layer.padding) - h * w
            unit = vector(self._plan.classes[layer.name])
            program.step(partial(_mean, self._pool, edge, border, unit), maps, y)
        for grid in self._plan.logits:
            program.step(partial(_round, grid), y)

    def _conv(
        self,
        program: Program,
        name: str,
        x: Operand,
        y: Operand,
        read: Part | None = None,
        write: Part | None = None,
    ) -> None:
        conv = self._convs[name]
        bind = partial(_convolve, partial(conv.bind, self._pool), read or _whole, write or _whole)
        program.step(bind, x, self._scratch(program, conv, x), y)

    def _kernel(self, program: Program, kernel: Kernel, x: Operand, y: Operand) -> None:
        program.step(partial(kernel.bind, self._pool), x, self._scratch(program, kernel, x), y)

    def _scratch(self, program: Program, kernel: Kernel, x: Operand) -> Value:
        n, h, w, _ = x.shape
        return program.scratch(kernel.scratch(n, h, w, self._pool.threads))

    def _recode(self, program: Program, name: str, y: Operand, part: Part | None = None) -> None:
        """Rounds what a convolution wrote to a part of ``y`` further, if the file does."""
        if entries := self._plan.convs[name].table:
            bind = partial(_recode_part, self._pool, _table(entries), part or _whole)
            program.step(bind, y)


_PACK: Mapping[type, Callable[..., None]] = {
    Conv: RecodedLayers._pack_stem,
    Fire: RecodedLayers._pack_fire,
    Classifier: RecodedLayers._pack_classifier,
}
_ADD: Mapping[type, Callable[..., None]] = {
    Conv: RecodedLayers._stem,
    MaxPool: RecodedLayers._max_pool,
    Fire: RecodedLayers._fire,
    Classifier: RecodedLayers._classifier,
}


def _parts(layer: Fire) -> tuple[str, str, str]:
    return f"{layer.name}.squeeze", f"{layer.name}.expand1x1", f"{layer.name}.expand3x3"


def _table(entries: bytes) -> _kernels.Tensor:
    return _kernels.Tensor.over(array("B", entries), (1, len(entries), 1, 1), "uint8")


# --- Parts of tensors -----------------------------------------------------------------------------


def _whole(x: _kernels.Tensor) -> _kernels.Tensor:
    return x


def _without_border(x: _kernels.Tensor) -> _kernels.Tensor:
    return x.inside(1)


def _channels(first: int, count: int, x: _kernels.Tensor) -> _kernels.Tensor:
    return x.channels(first, count)


# --- Steps, bound to the parts of their tensors ---------------------------------------------------


def _convolve(
    bind: Callable[..., _kernels.Step],
    read: Part,
    write: Part,
    x: _kernels.Tensor,
    scratch: _kernels.Tensor,
    y: _kernels.Tensor,
) -> _kernels.Step:
    return bind(read(x), scratch, write(y))


def _recode_part(
    pool: _kernels.ThreadPool, table: _kernels.Tensor, part: Part, y: _kernels.Tensor
) -> _kernels.Step:
    return _kernels.bind_recode(pool, part(y), table, part(y))


def _recode_to(
    pool: _kernels.ThreadPool, table: _kernels.Tensor, x: _kernels.Tensor, y: _kernels.Tensor
) -> _kernels.Step:
    return _kernels.bind_recode(pool, x, table, y)


def _mean(
    pool: _kernels.ThreadPool,
    edge: _kernels.Tensor,
    border: int,
    unit: _kernels.Tensor,
    x: _kernels.Tensor,
    y: _kernels.Tensor,
) -> _kernels.Step:
    return _kernels.bind_mean_u8(pool, x, edge, border, unit, y)


def _round(grid: Grid, x: _kernels.Tensor) -> _kernels.Step:
    return _kernels.bind_round_to(x, *grid)
