"""The layers of a network with packed float32 weights: one kernel each, plus one for a bypass."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from sqznet import _kernels
from sqznet.engine.program import Dtype, Operand, Program, Rows, Value
from sqznet.network.layers import (
    Classifier,
    Conv,
    Fire,
    Joined,
    Layer,
    MaxPool,
    Network,
    PaddedConv,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Gives the weight and bias of a convolution by its name.
Parameters = Callable[[str], tuple[_kernels.Tensor, _kernels.Tensor]]
Tensor = _kernels.Tensor
Six = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
Single = (
    _kernels.Conv
    | _kernels.Squeeze
    | _kernels.Stem
    | _kernels.Classifier
    | _kernels.HalfConv
    | _kernels.HalfStem
    | _kernels.HalfClassifier
)
WholeFire = _kernels.Fire | _kernels.HalfFire
Kernel = Single | WholeFire | _kernels.PaddedConv


# The type codes of arrays.
_CODES: Mapping[Dtype, str] = {
    "float32": "f",
    "float16": "e",
    "int32": "i",
    "int8": "b",
    "uint8": "B",
}


class PackedLayers(Protocol):
    """The layers of a network with packed weights, for one set of kernels and thread pool."""

    #: Whether `add` accepts bands of rows.
    in_bands: bool
    #: Whether the network's input must stay valid to the end of a run.
    keeps_input: bool

    @property
    def border(self) -> bytes | None:
        """What the border of the input holds, a byte for each channel; None: zeros."""
        ...

    @property
    def input_dtype(self) -> Dtype:
        """The type of the network's input."""
        ...

    def dtype_of(self, layer: Layer) -> Dtype:
        """The type of a layer's output."""
        ...

    def add(self, program: Program, layer: Layer, x: Operand, y: Operand, above: int = 0) -> None:
        """Appends the steps of a layer, from ``x`` to ``y``.

        ``x``: the output of the layer before; for the first layer, the images with their border.
        ``above``: if ``x`` is a band, the number of its rows above the first row that is written.
        """
        ...

    def on(self, pool: _kernels.ThreadPool) -> PackedLayers:
        """The same packed weights with another thread pool."""
        ...

    def floats(self, name: str, values: _kernels.Tensor) -> npt.NDArray[np.float32]:
        """A copy of an output of the layer with this name, as floats."""
        ...


class FloatMaps:
    """The part of ``PackedLayers`` that layers share whose maps hold the numbers themselves."""

    border: bytes | None = None
    input_dtype: Dtype = "float32"
    keeps_input = False

    def dtype_of(self, layer: Layer) -> Dtype:
        return "float32"

    def floats(self, name: str, values: _kernels.Tensor) -> npt.NDArray[np.float32]:
        import numpy as np

        return np.array(values, np.float32)


class FloatLayers(FloatMaps):
    """See ``PackedLayers``. A layer that is shared by branches is packed once."""

    in_bands = True

    def __init__(
        self,
        network: Network,
        parameters: Parameters,
        kernels: _kernels.Kernels,
        pool: _kernels.ThreadPool,
    ) -> None:
        self.pool = pool
        self._packed: dict[str, Packed] = {}
        for layer in network.layers:
            if layer.name not in self._packed:
                self._packed[layer.name] = self.packed(layer, parameters, kernels)

    def packed(self, layer: Layer, parameters: Parameters, kernels: _kernels.Kernels) -> Packed:
        return _PACKED[type(layer)](layer, parameters, kernels.f32)

    def add(self, program: Program, layer: Layer, x: Operand, y: Operand, above: int = 0) -> None:
        self._packed[layer.name].add(program, self.pool, x, y, above)

    def on(self, pool: _kernels.ThreadPool) -> FloatLayers:
        from copy import copy  # costs time that a first answer does not need

        other = copy(self)
        other.pool = pool
        return other


class Packed(Protocol):
    """A layer with packed weights."""

    def add(
        self, program: Program, pool: _kernels.ThreadPool, x: Operand, y: Operand, above: int
    ) -> None: ...


class PackedKernel:
    """A layer that is one kernel."""

    def __init__(self, kernel: Single) -> None:
        self.kernel = kernel

    def add(
        self, program: Program, pool: _kernels.ThreadPool, x: Operand, y: Operand, above: int
    ) -> None:
        program.step(partial(self.kernel.bind, pool), x, _scratch(program, self.kernel, pool, x), y)


class PackedPool:
    """``bind``: binds the operation to a thread pool, ``x`` and ``y``."""

    def __init__(self, bind: Callable[..., _kernels.Step]) -> None:
        self.bind = bind

    def add(
        self, program: Program, pool: _kernels.ThreadPool, x: Operand, y: Operand, above: int
    ) -> None:
        program.step(partial(self.bind, pool), x, y)


class PackedPaddedConv:
    def __init__(
        self, layer: PaddedConv, parameters: Parameters, kernels: _kernels.Float32Kernels
    ) -> None:
        self.kernel = _kernels.PaddedConv(kernels, *parameters(layer.name), relu=layer.relu)

    def add(
        self, program: Program, pool: _kernels.ThreadPool, x: Operand, y: Operand, above: int
    ) -> None:
        scratch = _scratch(program, self.kernel, pool, y)
        program.step(partial(self.kernel.bind, pool, above=above), x, scratch, y)


class PackedFire:
    """A fire, and ``bind_add`` if a bypass is added to it: its input, or a convolution of this."""

    def __init__(
        self,
        kernel: WholeFire,
        bind_add: Callable[..., _kernels.Step] | None,
        bypass: PackedKernel | None,
    ) -> None:
        self.kernel = kernel
        self.bind_add = bind_add
        self.bypass = bypass

    def add(
        self, program: Program, pool: _kernels.ThreadPool, x: Operand, y: Operand, above: int
    ) -> None:
        scratch = _scratch(program, self.kernel, pool, y)
        program.step(partial(self.kernel.bind, pool, above=above), x, scratch, y)
        if self.bind_add is None:
            return
        if isinstance(x, Rows):  # only the rows that are written
            x = x.part(above, above + y.shape[1])
        if self.bypass is not None:
            through = program.value(*y.shape, dtype=y.dtype)
            self.bypass.add(program, pool, x, through, 0)
            x = through
        program.step(partial(self.bind_add, pool), x, y, y)


def _fire_parameters(layer: Fire, parameters: Parameters) -> Six:
    """The weights and biases of squeeze and expands."""
    return (
        *parameters(f"{layer.name}.squeeze"),
        *parameters(f"{layer.name}.expand1x1"),
        *parameters(f"{layer.name}.expand3x3"),
    )


def _scratch(program: Program, kernel: Kernel, pool: _kernels.ThreadPool, x: Operand) -> Value:
    n, h, w, _ = x.shape
    return program.scratch(kernel.scratch(n, h, w, pool.threads))


def _pack_conv(
    layer: Conv, parameters: Parameters, kernels: _kernels.Float32Kernels
) -> PackedKernel:
    weight, bias = parameters(layer.name)
    if (layer.kernel, layer.stride) == (7, 2):
        return PackedKernel(_kernels.Stem(kernels, weight, bias))
    if (layer.kernel, layer.stride) == (1, 1):  # it reads what a ReLU has left
        return PackedKernel(_kernels.Squeeze(kernels, weight, bias, layer.relu))
    return PackedKernel(_kernels.Conv(kernels, weight, bias, layer.stride, layer.relu))


def packed_pool(
    bind: Callable[..., _kernels.Step], layer: MaxPool, _parameters: Parameters, kernels: object
) -> PackedPool:
    """``bind``: binds the operation to ``kernels``, a thread pool and tensors."""
    return PackedPool(partial(bind, kernels, ceil_mode=layer.ceil_mode))


def packed_fire(
    whole: Callable[..., WholeFire],
    conv: Callable[..., Single],
    bind_add: Callable[..., _kernels.Step],
    layer: Fire,
    parameters: Parameters,
    kernels: object,
) -> PackedFire:
    """``whole``, ``conv``: the kernels' classes; ``bind_add``: binds the sum of two maps."""
    bypass = None
    if layer.bypass == "complex":
        weight, bias = parameters(f"{layer.name}.bypass")
        bypass = PackedKernel(conv(kernels, weight, bias, relu=False))
    add = partial(bind_add, kernels) if layer.bypass is not None else None
    return PackedFire(whole(kernels, *_fire_parameters(layer, parameters)), add, bypass)


def _pack_joined(
    layer: Joined, parameters: Parameters, kernels: _kernels.Float32Kernels
) -> PackedKernel:
    """One kernel for all parts: their weights are rows of one matrix."""
    weights, biases = zip(*(parameters(part.name) for part in layer.parts), strict=True)
    return PackedKernel(_kernels.Squeeze(kernels, stacked(weights), stacked(biases), relu=False))


def stacked(tensors: Sequence[_kernels.Tensor]) -> _kernels.Tensor:
    """Tensors that differ in their first dimension alone, as one. Without NumPy, which takes longer
    to import than a first answer."""
    first = tensors[0]
    rows = sum(tensor.shape[0] for tensor in tensors)
    content = array(_CODES[first.dtype])
    for tensor in tensors:
        content.frombytes(memoryview(tensor).tobytes())
    return _kernels.Tensor.over(content, (rows, *first.shape[1:]), first.dtype)


class PackedLinearClassifier:
    """A classifier without ReLU. The average then commutes with the convolution, which is left
    with one pixel: the mean of the map and of the zeros around it."""

    def __init__(
        self, layer: Classifier, parameters: Parameters, kernels: _kernels.Float32Kernels
    ) -> None:
        self._padding = layer.padding
        self._conv = PackedKernel(_kernels.Conv(kernels, *parameters(layer.name), relu=False))

    def add(
        self, program: Program, pool: _kernels.ThreadPool, x: Operand, y: Operand, above: int
    ) -> None:
        n, height, width, channels = x.shape
        cells = (height + 2 * self._padding) * (width + 2 * self._padding)
        mean = program.value(n, 1, 1, channels)
        program.step(partial(partial, _mean, cells), x, mean)
        self._conv.add(program, pool, mean, y, 0)


def _mean(cells: int, x: _kernels.Tensor, mean: _kernels.Tensor) -> None:
    import numpy as np

    sums = np.sum(np.asarray(x), axis=(1, 2), keepdims=True, dtype=np.float64)
    np.asarray(mean)[...] = sums / cells


def _pack_classifier(
    layer: Classifier, parameters: Parameters, kernels: _kernels.Float32Kernels
) -> Packed:
    if not layer.relu:
        return PackedLinearClassifier(layer, parameters, kernels)
    return PackedKernel(
        _kernels.Classifier(kernels, *parameters(layer.name), padding=layer.padding)
    )


# How to pack each kind of layer.
_PACKED: Mapping[type, Callable[..., Packed]] = {
    Conv: _pack_conv,
    MaxPool: partial(packed_pool, _kernels.bind_max_pool),
    Fire: partial(packed_fire, _kernels.Fire, _kernels.Conv, _kernels.bind_add),
    Classifier: _pack_classifier,
    Joined: _pack_joined,
    PaddedConv: PackedPaddedConv,
}
