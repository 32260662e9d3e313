"""The head of a detector: at several levels of the network, logits and the sides of a box for every
pixel of a map.

A level reads the map of a layer of the trunk, its tap. Layers of its own may follow, then a 1x1
convolution to as many channels as in the other levels. From there on, all levels share their layers
and weights: fires, and two 1x1 convolutions without ReLU, of which the first gives a logit for each
class and the second four sides.

The design is of its own. The grids of strides 8, 16 and 32 with a shared head, and sides as
distances from a point, are those of FCOS (Tian et al., arXiv:1904.01355).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqznet.errors import MAX_SHOWN, WeightsError, printable
from sqznet.network import convdet
from sqznet.network.convdet import AnchorDesign
from sqznet.network.layers import (
    INPUT,
    Branch,
    Conv,
    Fire,
    Joined,
    Layer,
    MaxPool,
    Network,
    PaddedConv,
)

#: The name of the head in `Network.heads`.
HEAD = "detector"

#: In `Level.layers`, a max pool 3x3/2 in the place of a fire's name.
POOL = "maxpool"

#: The sides of a box: left, top, right and bottom.
SIDES = 4

# Layers of files begin with "head.", so none has this name.
_OUTPUT = "output"


class Level(NamedTuple):
    """One level of the head.

    tap: the name of the trunk's layer that it reads. layers: what follows, the names of fires and
    `POOL`. lateral: the name of the convolution after them. stride: pixels of the input from one
    pixel of the map to the next. offset: the pixel with index (row, column) of the map stands for
    the point (stride * column + offset + 0.5, stride * row + offset + 0.5) of the input.
    """

    tap: str
    layers: tuple[str, ...]
    lateral: str
    stride: int
    offset: float


class Design(NamedTuple):
    """What the tensors of a detector leave open.

    levels: in the order in which boxes are listed. shared: the names of the fires that all levels
    share. classes, sides: the names of the convolutions after them. limit: the largest magnitude of
    a side's logarithm. iou: of two boxes of one class that overlap more than this, the one with the
    lower score is dropped. candidates: how many boxes, those with the highest scores, are compared
    with each other. most: how many are left at most.
    """

    levels: tuple[Level, ...]
    shared: tuple[str, ...]
    classes: str
    sides: str
    limit: float = 4.0
    iou: float = 0.55
    candidates: int = 300
    most: int = 100

    @property
    def stem(self) -> None:
        """As in `AnchorDesign`: the first convolution is that of its variant."""
        return None

    @property
    def own_layers(self) -> tuple[str, ...]:
        """The names of all layers of the head that have weights."""
        own = [
            name for level in self.levels for name in (*level.layers, level.lateral) if name != POOL
        ]
        return (*own, *self.shared, self.classes, self.sides)


#: What the tensors of any detector leave open.
AnyDesign = Design | AnchorDesign


def num_classes(network: Network, design: AnyDesign) -> int:
    """How many classes a detector tells apart."""
    output = network.heads[HEAD][0].layers[-1]
    if isinstance(design, AnchorDesign):
        assert isinstance(output, PaddedConv)
        return design.classes(output.channels)
    assert isinstance(output, Joined)
    return output.parts[0].channels


def strides(network: Network) -> tuple[int, ...]:
    """Pixels of the input from one pixel of each level's map to the next."""
    found = {INPUT: 1}
    for branch in network.branches:
        stride = found[branch.input]
        for layer in branch.layers:
            stride *= layer.stride
            found[layer.name] = stride
        found[branch.output] = stride
    return tuple(found[branch.output] for branch in network.heads[HEAD])


def branches(
    design: AnyDesign,
    trunk: tuple[Layer, ...],
    ceil_mode: bool,
    out_channels: Callable[[str], int],
    origin: str,
) -> tuple[Branch, ...]:
    """The head's branches, one for each level, with the outputs "level1", "level2", ...

    ``out_channels``: those of the convolution with this name. Raises WeightsError, naming
    ``origin``, if the design is not one for this trunk and these convolutions.
    """

    def fire(name: str) -> Fire:
        squeeze, e1, e3 = (
            out_channels(f"{name}.{part}") for part in ("squeeze", "expand1x1", "expand3x3")
        )
        return Fire(name, squeeze, e1, e3)

    if isinstance(design, AnchorDesign):
        return convdet.branches(design, trunk, fire, out_channels, origin)
    taps = [layer.name for layer in trunk]
    output = Joined(
        _OUTPUT,
        tuple(
            Conv(name, out_channels(name), 1, 1, relu=False)
            for name in (design.classes, design.sides)
        ),
    )
    if output.parts[1].channels != SIDES:
        raise WeightsError(
            f"{origin}: {printable(design.sides, MAX_SHOWN)} has {output.parts[1].channels} "
            f"outputs, expected {SIDES}, the sides of a box"
        )
    shared: tuple[Layer, ...] = (*map(fire, design.shared), output)
    found: list[Branch] = []
    for number, level in enumerate(design.levels, 1):
        if level.tap not in taps:
            raise WeightsError(
                f"{origin}: level {number} reads {printable(level.tap, MAX_SHOWN)}, "
                f"expected a layer of its trunk, {taps[0]} to {taps[-1]}"
            )
        own: list[Layer] = [
            MaxPool(f"level{number}.{i}", ceil_mode) if name == POOL else fire(name)
            for i, name in enumerate(level.layers)
        ]
        lateral = Conv(level.lateral, out_channels(level.lateral), 1, 1)
        stride = 1
        for layer in (*trunk[: taps.index(level.tap) + 1], *own):
            stride *= layer.stride
        if stride != level.stride:
            raise WeightsError(
                f"{origin}: level {number} has stride {level.stride} by its description, but "
                f"{stride} by its layers"
            )
        found.append(Branch(level.tap, (*own, lateral, *shared), f"level{number}"))
    widths = {branch.layers[-len(shared) - 1].output_shape((1, 1, 1))[2] for branch in found}
    if len(widths) != 1:
        raise WeightsError(
            f"{origin}: the levels have {' and '.join(map(str, sorted(widths)))} channels, "
            "expected as many in each, since they share their last layers"
        )
    return tuple(found)
