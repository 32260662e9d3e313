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
from sqznet.engine.int8_layers import (
    ByteLayers,
    integers_of,
    pack_classifier,
    pack_fire,
    pack_sum,
    vector,
)
from sqznet.engine.program import Operand, Program
from sqznet.network.layers import Classifier, Conv, Fire, Layer, MaxPool, Network
from sqznet.quantization.description import Grid
from sqznet.quantization.plan import Plan

# The part of a tensor that a step reads or writes.
Part = Callable[[_kernels.Tensor], _kernels.Tensor]


class RecodedLayers(ByteLayers):
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
        super().__init__(plan, kernels.int8, pool)
        self._plan = plan
        self._integers = partial(integers_of, plan, parameters)
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

    # --- Packing ---

    def _pack_stem(self, layer: Conv) -> None:
        self._pack(layer.name, layer.stride)

    def _pack_fire(self, layer: Fire) -> None:
        names, packing = _parts(layer), (self._integers, self._plan, self.kernels)
        if layer.bypass is not None:
            self._sums[layer.name] = pack_sum(layer, *packing)
        if self._plan.convs[names[0]].table:
            for name in names:
                self._pack(name)
            return
        self._fires[layer.name] = pack_fire(layer, *packing)

    def _pack_classifier(self, layer: Classifier) -> None:
        if layer.name in self._plan.classes:
            self._pack(layer.name)
            return
        self._classifiers[layer.name] = pack_classifier(
            layer, self._integers, self._plan, self.kernels
        )

    def _pack(self, name: str, stride: int = 1) -> None:
        self._convs[name] = _kernels.ByteConv(self.kernels, *self._integers(name), stride=stride)

    # --- Steps ---

    def _stem(self, program: Program, layer: Conv, x: Operand, y: Operand) -> None:
        self._conv(program, layer.name, x, y)
        self._recode(program, layer.name, y)

    def _fire(self, program: Program, layer: Fire, x: Operand, y: Operand) -> None:
        squeeze, ones, threes = _parts(layer)
        first: Part = partial(_channels, 0, layer.expand1x1)
        second: Part = partial(_channels, layer.expand1x1, layer.expand3x3)
        n, h, w, _ = x.shape
        if layer.name in self._fires:
            self.step(program, self._fires[layer.name], x, y)
        else:
            squeezed = program.value(n, h, w, layer.squeeze, dtype="uint8")
            self._conv(program, squeeze, x, squeezed)
            padded = program.value(n, h + 2, w + 2, layer.squeeze, dtype="uint8")
            table = _table(self._plan.convs[squeeze].table)
            program.step(partial(_recode_to, self.pool, table), squeezed, padded)
            self._conv(program, ones, padded, y, _without_border, first)
            self._conv(program, threes, padded, y, _whole, second)
        self._recode(program, ones, y, first)
        self._recode(program, threes, y, second)
        if layer.name in self._sums:
            self.step(program, self._sums[layer.name], x, y)

    def _classifier(self, program: Program, layer: Classifier, x: Operand, y: Operand) -> None:
        if layer.name in self._classifiers:
            self.step(program, self._classifiers[layer.name], x, y)
        else:
            n, h, w, _ = x.shape
            maps = program.value(n, h, w, layer.classes, dtype="uint8")
            self._conv(program, layer.name, x, maps)
            self._recode(program, layer.name, maps)
            edge = vector(array("B", self._plan.convs[layer.name].of_zeros), "uint8")
            border = (h + 2 * layer.padding) * (w + 2 * layer.padding) - h * w
            unit = vector(self._plan.classes[layer.name])
            program.step(partial(_mean, self.pool, edge, border, unit), maps, y)
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
        bind = partial(_convolve, partial(conv.bind, self.pool), read or _whole, write or _whole)
        program.step(bind, x, self.scratch(program, conv, x), y)

    def _recode(self, program: Program, name: str, y: Operand, part: Part | None = None) -> None:
        """Rounds what a convolution wrote to a part of ``y`` further, if the file does."""
        if entries := self._plan.convs[name].table:
            bind = partial(_recode_part, self.pool, _table(entries), part or _whole)
            program.step(bind, y)


_PACK: Mapping[type, Callable[..., None]] = {
    Conv: RecodedLayers._pack_stem,
    Fire: RecodedLayers._pack_fire,
    Classifier: RecodedLayers._pack_classifier,
}
_ADD: Mapping[type, Callable[..., None]] = {
    Conv: RecodedLayers._stem,
    MaxPool: RecodedLayers.max_pool,
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
