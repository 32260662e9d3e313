"""The layers of networks, and the network: a trunk, and heads that read its maps.

A layer knows its output shape, the input rows that it reads for given output rows, and its tensors.
Maps are (height, width, channels); tensors are OIHW.

Source: Iandola et al., arXiv:1602.07360 (the fire module and its bypasses).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqznet.errors import SqznetError

Shape = tuple[int, ...]  # of a tensor, OIHW or O
MapShape = tuple[int, int, int]

#: The name of the map that the trunk reads, as `Branch.input`.
INPUT = "input"


class _Layer:
    """What layers share.

    The input pixels of one output pixel are a square of ``kernel`` pixels a side. The squares are
    ``stride`` pixels apart; the first starts ``padding`` pixels before the map's edge. Unless a
    layer says otherwise, its output is as large as its input, with ``channels`` channels.
    """

    kernel, stride, padding = 1, 1, 0
    channels: int

    def __init__(self, name: str) -> None:
        self.name = name

    def output_shape(self, shape: MapShape) -> MapShape:
        height, width, _ = shape
        return height, width, self.channels

    def rows_read(self, first: int, stop: int, height: int) -> tuple[int, int]:
        """The input rows that the output rows ``first`` to ``stop`` need."""
        return max(0, first - self.padding), min(stop + self.padding, height)

    def tensors(self, channels: int) -> dict[str, Shape]:
        """The name and shape of every tensor, for an input with that many channels."""
        return {}

    def misfit(self, channels: int) -> str | None:
        """Why the layer cannot read that many channels, or None."""
        return None


class Conv(_Layer):
    """A convolution, then ReLU if ``relu``. ``padding``: zero pixels on each side of its input, for
    the stem only."""

    def __init__(
        self,
        name: str,
        channels: int,
        kernel: int,
        stride: int = 2,
        padding: int = 0,
        relu: bool = True,
    ) -> None:
        super().__init__(name)
        self.channels = channels
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.relu = relu

    def output_size(self, size: int) -> int:
        padded = size + 2 * self.padding
        return 0 if size < 1 or padded < self.kernel else (padded - self.kernel) // self.stride + 1

    def output_shape(self, shape: MapShape) -> MapShape:
        height, width, _ = shape
        return self.output_size(height), self.output_size(width), self.channels

    def rows_read(self, first: int, stop: int, height: int) -> tuple[int, int]:
        """The input rows, padding included, that the output rows ``first`` to ``stop`` need."""
        return first * self.stride, min((stop - 1) * self.stride + self.kernel, height)

    def tensors(self, channels: int) -> dict[str, Shape]:
        return _conv(self.name, self.channels, channels, self.kernel)


def pooled_size(size: int, ceil_mode: bool) -> int:
    """The number of 3-wide windows of stride 2 along a side of ``size`` pixels, 0 or more."""
    return max(0, (size - 2) // 2 + 1 if ceil_mode else (size - 3) // 2 + 1)


class MaxPool(_Layer):
    """Max pooling with 3x3 windows and stride 2; in ceil mode, a last, clipped window counts."""

    kernel, stride = 3, 2

    def __init__(self, name: str, ceil_mode: bool = True) -> None:
        super().__init__(name)
        self.ceil_mode = ceil_mode

    def output_shape(self, shape: MapShape) -> MapShape:
        height, width, channels = shape
        return pooled_size(height, self.ceil_mode), pooled_size(width, self.ceil_mode), channels

    def rows_read(self, first: int, stop: int, height: int) -> tuple[int, int]:
        return first * 2, min((stop - 1) * 2 + 3, height)


class Fire(_Layer):
    """Squeeze 1x1, then expand 1x1 beside expand 3x3. A bypass adds the input to the output.

    ``bypass`` is ``None``, ``"simple"`` (the input itself) or ``"complex"`` (the input after a 1x1
    convolution without ReLU, for fires that change the channel count).
    """

    kernel, padding = 3, 1

    def __init__(
        self, name: str, squeeze: int, expand1x1: int, expand3x3: int, bypass: str | None = None
    ) -> None:
        super().__init__(name)
        self.squeeze = squeeze
        self.expand1x1 = expand1x1
        self.expand3x3 = expand3x3
        self.bypass = bypass
        self.channels = expand1x1 + expand3x3

    def tensors(self, channels: int) -> dict[str, Shape]:
        found = {
            **_conv(f"{self.name}.squeeze", self.squeeze, channels, 1),
            **_conv(f"{self.name}.expand1x1", self.expand1x1, self.squeeze, 1),
            **_conv(f"{self.name}.expand3x3", self.expand3x3, self.squeeze, 3),
        }
        if self.bypass == "complex":
            found |= _conv(f"{self.name}.bypass", self.channels, channels, 1)
        return found

    def misfit(self, channels: int) -> str | None:
        if self.bypass != "simple" or self.channels == channels:
            return None
        return (
            f"{self.name} turns {channels} channels into {self.channels}, "
            "which a simple bypass cannot add"
        )


class Classifier(_Layer):
    """1x1 convolution, ReLU, global average. ``padding``: zero pixels around the convolution's
    input, see ``ClassifierArgs`` in the kernels. ``relu``: False where the ReLU is left out."""

    def __init__(self, name: str, classes: int, padding: int = 0, relu: bool = True) -> None:
        super().__init__(name)
        self.classes = self.channels = classes
        self.padding = padding
        self.relu = relu

    def output_shape(self, shape: MapShape) -> MapShape:
        return 1, 1, self.classes

    def rows_read(self, first: int, stop: int, height: int) -> tuple[int, int]:
        return 0, height

    def tensors(self, channels: int) -> dict[str, Shape]:
        return _conv(self.name, self.classes, channels, 1)


class Joined(_Layer):
    """1x1 convolutions of one map, whose outputs are joined. No ReLU follows."""

    def __init__(self, name: str, parts: tuple[Conv, ...]) -> None:
        super().__init__(name)
        self.parts = parts
        self.channels = sum(part.channels for part in parts)

    def tensors(self, channels: int) -> dict[str, Shape]:
        found: dict[str, Shape] = {}
        for part in self.parts:
            found |= part.tensors(channels)
        return found


class PaddedConv(_Layer):
    """3x3 convolution of a map with one pixel of zeros around it, then ReLU if ``relu``."""

    kernel, padding = 3, 1

    def __init__(self, name: str, channels: int, relu: bool = True) -> None:
        super().__init__(name)
        self.channels = channels
        self.relu = relu

    def tensors(self, channels: int) -> dict[str, Shape]:
        return _conv(self.name, self.channels, channels, 3)


Layer = Conv | MaxPool | Fire | Classifier | Joined | PaddedConv


def _conv(name: str, out: int, cin: int, kernel: int) -> dict[str, Shape]:
    return {f"{name}.weight": (out, cin, kernel, kernel), f"{name}.bias": (out,)}


class Branch:
    """A sequence of layers from the map of the layer (or branch) ``input`` to an output."""

    def __init__(self, input: str, layers: tuple[Layer, ...], output: str) -> None:
        self.input = input
        self.layers = layers
        self.output = output


class Network:
    """A network: the name of its variant, the trunk's layers in order, and its heads by name.

    ``activation``: what makes scores of the classifier's logits, "softmax", "sigmoid" or "none".

    A head is a tuple of branches; each comes after the branch that it reads. The classifier is the
    head ``"classifier"``; its only branch has the output ``"logits"``. A detector is the head
    ``"detector"``, see `sqznet.network.detector`. A network that was saved without its head has
    none. Branches may share a layer and its weights.
    """

    def __init__(
        self,
        variant: str,
        trunk: tuple[Layer, ...],
        heads: Mapping[str, tuple[Branch, ...]],
        activation: str = "softmax",
    ) -> None:
        self.variant = variant
        self.trunk = trunk
        self.heads = heads
        self.activation = activation

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The trunk, then the branches of all heads, in execution order."""
        trunk = Branch(INPUT, self.trunk, self.trunk[-1].name)
        return (trunk, *(branch for head in self.heads.values() for branch in head))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers in execution order."""
        return tuple(layer for branch in self.branches for layer in branch.layers)

    @property
    def map_names(self) -> tuple[str, ...]:
        """A name for the map of each layer in execution order: the layer's own, with that of the
        output of its branch where branches share the layer."""
        names = [layer.name for layer in self.layers]
        shared = {name for name in names if names.count(name) > 1}
        return tuple(
            f"{layer.name}:{branch.output}" if layer.name in shared else layer.name
            for branch in self.branches
            for layer in branch.layers
        )

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the heads' outputs."""
        return tuple(branch.output for branch in self.branches[1:])

    @property
    def num_classes(self) -> int:
        """0 for a network without a classifier."""
        head = self.heads.get("classifier")
        return head[-1].layers[-1].output_shape((1, 1, 1))[2] if head else 0

    @property
    def layer_names(self) -> dict[str, str]:
        """Maps the papers' layer names ("conv1", "fire2", ..., "fire9") to those of the tensors."""
        weighted = [layer for layer in self.trunk if layer.tensors(1)]
        papers = ("conv1", *(f"fire{i}" for i in range(2, len(weighted) + 1)))
        return {paper: layer.name for paper, layer in zip(papers, weighted, strict=True)}

    @property
    def padding(self) -> int:
        """Zero pixels that the first layer needs on each side of the network's input."""
        return self.trunk[0].padding

    def channels(self, name: str) -> int:
        """The channels of the output map of the layer with this name."""
        return next(shape[2] for layer, _, shape in self._walk(1, 1) if layer.name == name)

    def shapes(self, height: int, width: int) -> list[MapShape]:
        """(height, width, channels) after every layer, for an input of height x width pixels.

        Raises SqznetError with the smallest legal side if a layer would have no output.
        """
        shapes = [shape for _, _, shape in self._walk(height, width)]
        if not _none_is_empty(shapes):
            raise SqznetError(
                f"an input of {height}x{width} pixels is too small for {self.variant}: "
                f"the smallest side is {self.minimum_size}"
            )
        return shapes

    @property
    def minimum_size(self) -> int:
        """The smallest legal height and width in pixels."""
        size = 1
        while not _none_is_empty(shape for _, _, shape in self._walk(size, size)):
            size += 1
        return size

    def tensors(self) -> dict[str, Shape]:
        """The name and shape of every tensor."""
        found: dict[str, Shape] = {}
        for layer, channels in self.inputs():
            found |= layer.tensors(channels)
        return found

    @property
    def convolutions(self) -> list[str]:
        """The names of all convolutions, in the order of the tensors."""
        names = (name.rpartition(".") for name in self.tensors())
        return [name for name, _, part in names if part == "weight"]

    def inputs(self) -> Iterator[tuple[Layer, int]]:
        """Every layer with its number of input channels."""
        return ((layer, read[2]) for layer, read, _ in self._walk(1, 1))

    def _walk(self, height: int, width: int) -> Iterator[tuple[Layer, MapShape, MapShape]]:
        """Yields every layer with its input and output shape; a height or width is 0 where nothing
        is left."""
        maps: dict[str, MapShape] = {INPUT: (height, width, 3)}
        for branch in self.branches:
            shape = maps[branch.input]
            for layer in branch.layers:
                read, shape = shape, layer.output_shape(shape)
                maps[layer.name] = shape
                yield layer, read, shape
            maps[branch.output] = shape


def _none_is_empty(shapes: Iterable[MapShape]) -> bool:
    return all(min(height, width) > 0 for height, width, _ in shapes)
