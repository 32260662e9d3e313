"""The head of SqueezeDet: one 3x3 convolution gives several boxes for every pixel of a map, each
relative to an anchor, a box of a size that is known beforehand.

Source: Wu et al., "SqueezeDet", arXiv:1612.01051, section 3. Anchors of KITTI, and what the paper
leaves open, are those of the configurations in github.com/BichenWuUCB/squeezeDet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqznet.errors import WeightsError, shown
from sqznet.network.layers import Branch, Fire, Layer, PaddedConv

#: What an anchor has besides a logit for each class: its confidence, and four deltas.
CONFIDENCE, DELTAS = 1, 4

#: Width and height in pixels, for inputs of 1248 x 384.
KITTI_ANCHORS = (
    (36.0, 37.0),
    (366.0, 174.0),
    (115.0, 59.0),
    (162.0, 87.0),
    (38.0, 90.0),
    (258.0, 173.0),
    (224.0, 108.0),
    (78.0, 170.0),
    (72.0, 43.0),
)

_OUTPUT = "level1"


class AnchorDesign(NamedTuple):
    """What the tensors of a SqueezeDet leave open.

    layers: the names of the fires between the trunk and the output. output: the name of the
    convolution that gives, for each pixel, the logits of the classes of each anchor, then the logit
    of each anchor's confidence, then each anchor's deltas (x, y, width, height). anchors: width and
    height in pixels of the input. limit: a side grows by exp(delta), above this delta along its
    tangent. iou, candidates, most: as in `sqznet.network.detector.Design`. stem: the side of the
    first convolution's kernel if it is not that of its variant.
    """

    layers: tuple[str, ...]
    output: str
    anchors: tuple[tuple[float, float], ...] = KITTI_ANCHORS
    limit: float = 1.0
    iou: float = 0.4
    candidates: int = 64
    most: int = 64
    stem: int | None = None

    @property
    def own_layers(self) -> tuple[str, ...]:
        """The names of all layers of the head."""
        return (*self.layers, self.output)

    def classes(self, channels: int) -> int:
        """How many classes an output of so many channels tells apart; 0 if they do not fit."""
        each, rest = divmod(channels, len(self.anchors))
        return 0 if rest else max(0, each - CONFIDENCE - DELTAS)


def branches(
    design: AnchorDesign,
    trunk: tuple[Layer, ...],
    fire: Callable[[str], Fire],
    out_channels: Callable[[str], int],
    origin: str,
) -> tuple[Branch, ...]:
    """The head's one branch. ``fire``: the fire with this name; the rest: see
    `sqznet.network.detector.branches`."""
    channels = out_channels(design.output)
    if not design.classes(channels):
        raise WeightsError(
            f"{origin}: {shown(design.output)} has {channels} outputs, expected for each of its "
            f"{len(design.anchors)} anchors one for each class and {CONFIDENCE + DELTAS} more"
        )
    output = PaddedConv(design.output, channels, relu=False)
    layers: tuple[Layer, ...] = (*map(fire, design.layers), output)
    return (Branch(trunk[-1].name, layers, _OUTPUT),)
