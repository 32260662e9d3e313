"""What a detector's training starts from: a network for the classes, and its first weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.images.preprocessing import Preprocessing
from sqznet.insight.class_names import class_names
from sqznet.network.detector import HEAD, Design
from sqznet.network.variants import network_for
from sqznet.training.twin import Twin, twin_of, weights_of
from sqznet.weights import Checkpoint
from sqznet.weights.detectors import to_json
from sqznet.weights.locate import WeightsLike, locate
from sqznet.weights.metadata import DETECTOR, dump
from sqznet.weights.strict_json import compact

# The score of everything before a class is learned, so that the many points without a thing do not
# drown the few with one (Lin et al., "Focal Loss for Dense Object Detection", arXiv:1708.02002);
# and the logarithm of the first boxes' sides, in strides.
_PRIOR, _SIDES = 0.01, 1.0
_DEVIATION = 0.01


class Start(NamedTuple):
    """What is trained. twin: the network with its first weights. design: of its head. origin: where
    the weights are from. fresh: whether the head has not been trained before. known: the classes
    that the weights told apart before.
    """

    twin: Twin
    design: Design
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    origin: Checkpoint
    fresh: bool
    known: tuple[str, ...]

    @property
    def outputs(self) -> list[str]:
        """The names of the levels' outputs."""
        return [branch.output for branch in self.twin.network.heads[HEAD]]

    def checkpoint(self, twin: nn.Module, name: str) -> Checkpoint:
        """A twin's weights as those of a detector's file, which messages call ``name``."""
        variant, wiring = self.twin.network.variant, self.origin.wiring
        stated = dump(variant, self.preprocessing, self.labels, wiring)
        return Checkpoint(
            path=name,
            format="safetensors",
            tensors=weights_of(twin),
            metadata={**stated, DETECTOR: compact(to_json(self.design))},
            variant=variant,
            preprocessing=self.preprocessing,
            labels=self.labels,
            wiring=wiring,
            detector=self.design,
        )


def start(
    source: WeightsLike, labels: Sequence[str], size: int | tuple[int, int] | None, seed: int
) -> Start:
    """A detector of these classes.

    ``source``: a detector, whose head is trained further, or a classifier, whose trunk gets a head
    like that of the bundled detector; None for the bundled detector. What the detector knows of
    classes with these names is kept, see `class_names`. ``size``: (height, width) of the input,
    or one number; None for that of the weights. ``seed``: decides the rest of the weights.
    Raises WeightsError if the file cannot be read, or is of another design.
    """
    bundled = weights.read(weights.DETECTOR_PATH)
    origin = bundled if source is None else weights.read(locate(source))
    design = origin.detector or bundled.detector
    if not isinstance(design, Design):
        raise WeightsError(f"{origin.path}: is a SqueezeDet, which cannot be trained here")
    fresh = origin.detector is None
    head = bundled if fresh else origin
    shapes = {
        name: tensor.shape
        for name, tensor in origin.tensors.items()
        if name.startswith("features.")
    }
    shapes |= {
        f"{name}.{kind}": tensor.shape
        for full, tensor in head.tensors.items()
        for name, _, kind in [full.rpartition(".")]
        if name.startswith("head.") and name != design.classes
    }
    channels = head.tensors[f"{design.classes}.weight"].shape[1]
    shapes |= {
        f"{design.classes}.weight": (len(labels), channels, 1, 1),
        f"{design.classes}.bias": (len(labels),),
    }
    network = network_for(shapes, origin.variant, origin.path, origin.wiring, detector=design)
    convolutions = [name for name in network.convolutions if name.startswith("head.")]
    new = convolutions if fresh else [design.classes]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        twin = twin_of(network, origin.tensors, new)
        _start_outputs(twin, design, fresh)
    with torch.no_grad():
        known = () if fresh else _keep_classes(twin, design, origin, labels)
    pre = origin.preprocessing
    if fresh or size is not None:
        sides: Any = bundled.preprocessing.size if size is None else size  # checked there
        pre = pre._replace(size=sides, fit="squash", resize=None, rounding="nearest")
    return Start(twin, design, tuple(labels), pre, origin, fresh, known)


def settle(begin: Start, inputs: Tensor) -> None:
    """Gives the maps that the shared layers of a new head read a mean square of 1, however large
    the trunk's maps are (cf. Mishkin and Matas, "All you need is a good init", arXiv:1511.06422).

    ``inputs``: (N, 3, H, W), by which it is measured.
    """
    names = [level.lateral for level in begin.design.levels]
    with torch.no_grad():
        maps = begin.twin(inputs, names)
        for name in names:
            size = maps[name].float().square().mean().sqrt()
            begin.twin.convolutions[name].weight /= size.clamp_min(1e-6)


def _start_outputs(twin: Twin, design: Design, fresh: bool) -> None:
    """The last convolutions, as far as they are new."""
    classes, sides = (twin.convolutions[name] for name in (design.classes, design.sides))
    nn.init.normal_(classes.weight, std=_DEVIATION)
    nn.init.constant_(classes.bias, math.log(_PRIOR / (1 - _PRIOR)))
    if fresh:
        nn.init.normal_(sides.weight, std=_DEVIATION)
        nn.init.constant_(sides.bias, _SIDES)


def _keep_classes(
    twin: Twin, design: Design, origin: Checkpoint, labels: Sequence[str]
) -> tuple[str, ...]:
    """Gives the classes that the weights know already what they know; the names of these."""
    before = origin.labels or ()
    weight, bias = (
        torch.from_numpy(origin.tensors[f"{design.classes}.{kind}"].array())
        for kind in ("weight", "bias")
    )
    conv = twin.convolutions[design.classes]
    names = class_names(before, labels)
    for row, label in enumerate(labels):
        if (name := names[label]) is not None:
            index = before.index(name)
            conv.weight[row], conv.bias[row] = weight[index], bias[index]
    return tuple(label for label in labels if names[label] is not None)
