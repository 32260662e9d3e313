"""Files of SqueezeDet: https://github.com/BichenWuUCB/squeezeDet, whose variables of TensorFlow are
saved by `numpy.savez`, and https://github.com/omni-us/squeezedet-keras, whose files are Keras's.

Both name their layers like Caffe: conv1, fire2/squeeze1x1 to fire11/expand3x3, conv12. SqueezeDet
is like SqueezeNet 1.1, SqueezeDet+ like 1.0. What such files leave open is that of their programs'
configurations for KITTI.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqznet.images.preprocessing import PRESETS, Preprocessing
from sqznet.network.convdet import AnchorDesign
from sqznet.network.variants import Wiring
from sqznet.weights import detectors, metadata
from sqznet.weights.checkpoint import Checkpoint, RawTensor
from sqznet.weights.kernels import oihw
from sqznet.weights.naming import torchvision_name
from sqznet.weights.strict_json import compact

_OUTPUT = "conv12"
_OWN = re.compile(r"(fire1[01])[/_-](squeeze|expand)([13]x[13])", re.ASCII)
_LAYER = r"(conv1|conv12|fire(?:[2-9]|1[01])[/_-](?:squeeze1x1|expand1x1|expand3x3))"
_VARIABLE = re.compile(rf"(?:.*/)?{_LAYER}/(kernels|biases)(?::0)?", re.ASCII)
_STATED = "SqueezeDet's configuration for KITTI"

# What every network has, whatever follows.
_EXPECTED = (
    "conv1",
    *(
        f"fire{number}/{part}"
        for number in range(2, 10)
        for part in ("squeeze1x1", "expand1x1", "expand3x3")
    ),
    _OUTPUT,
)

_BGR = PRESETS["squash-bgr"]


class Program(NamedTuple):
    """What a program has in its code, not in its files: the names of KITTI's classes in order, and
    whether each photo is normalized by its own mean and deviation."""

    labels: tuple[str, ...]
    standardizes: bool


TENSORFLOW = Program(("car", "pedestrian", "cyclist"), False)
KERAS = Program(("cyclist", "pedestrian", "car"), True)


class Convolution(NamedTuple):
    """kernel: height x width x inputs x outputs."""

    kernel: RawTensor
    bias: RawTensor


def is_one(layers: Iterable[str]) -> bool:
    """Whether layers with these names are those of a SqueezeDet."""
    return _OUTPUT in layers


def variables(tensors: Mapping[str, Any]) -> dict[str, Convolution]:
    """The convolutions among TensorFlow's variables, by the names of their layers; none if they are
    not a SqueezeDet's. What the training added, such as momenta, is left out."""
    found: dict[str, dict[str, RawTensor]] = {}
    for name, tensor in tensors.items():
        match = _VARIABLE.fullmatch(name)
        if match and isinstance(tensor, RawTensor):
            found.setdefault(match[1], {})[match[2]] = tensor
    made = {
        layer: Convolution(parts["kernels"], parts["biases"])
        for layer, parts in found.items()
        if len(parts) == 2 and len(parts["kernels"].shape) == 4
    }
    return made if is_one(made) else {}


def checkpoint(
    path: str,
    format_name: str,
    layers: Mapping[str, Convolution],
    program: Program,
    stated: Mapping[str, str],
) -> Checkpoint:
    """The content of a file with these convolutions. ``stated``: its own entries of
    `sqznet.weights.metadata`, which come before the program's."""
    is_plus = "conv1" in layers and layers["conv1"].kernel.shape[0] == 7
    base = "squeezenet1_0" if is_plus else "squeezenet1_1"
    # TensorFlow pads an even side only at its end: a row and a column of zeros before the kernel's
    # own make this the same as padding both ends. SqueezeDet+ does not pad.
    before = int(not is_plus)
    tensors: dict[str, RawTensor] = {}
    own: dict[str, str] = {}
    for name in dict.fromkeys((*_EXPECTED, *layers)):
        ours = torchvision_name(name, base) or _own_name(name)
        own |= {f"{ours}.{kind}": f"{name}.{kind}" for kind in ("weight", "bias")}
        if name in layers:
            tensors[f"{ours}.weight"] = oihw(layers[name].kernel, before * (name == "conv1"))
            tensors[f"{ours}.bias"] = layers[name].bias.copy()
    fires = sorted({match[1] for name in layers if (match := _OWN.fullmatch(name))})
    design = AnchorDesign(
        layers=tuple(f"{detectors.PREFIX}{fire}" for fire in fires),
        output=f"{detectors.PREFIX}{_OUTPUT}",
        stem=None if is_plus else 4,
    )
    size = (375, 1242) if is_plus else (384, 1248)
    defaults = metadata.dump(
        base,
        _preprocessing(size, program),
        program.labels if _classes(design, layers) == len(program.labels) else None,
        Wiring(conv1_padding=before, ceil_mode=not is_plus),
    )
    entries = {**defaults, metadata.DETECTOR: compact(detectors.to_json(design)), **stated}
    description = metadata.Description(entries, format_name)
    assumed = {
        name: _STATED for name in ("preprocessing", "labels", *Wiring._fields) if name not in stated
    }
    return Checkpoint(
        path=path,
        format=format_name,
        tensors=tensors,
        metadata=entries,
        variant=description.variant,
        preprocessing=description.preprocessing,
        labels=description.labels,
        wiring=description.wiring,
        reasons={**description.reasons, **assumed, "variant": "the file's kernels"},
        own_names=own,
        detector=description.detector,
    )


def _own_name(layer: str) -> str:
    """Our name of a layer that a SqueezeNet does not have."""
    match = _OWN.fullmatch(layer)
    if match is None:
        return f"{detectors.PREFIX}{layer}"
    part = "squeeze" if match[2] == "squeeze" else f"{match[2]}{match[3]}"
    return f"{detectors.PREFIX}{match[1]}.{part}"


def _classes(design: AnchorDesign, layers: Mapping[str, Convolution]) -> int:
    return design.classes(layers[_OUTPUT].kernel.shape[3])


def _preprocessing(size: tuple[int, int], program: Program) -> Preprocessing:
    if program.standardizes:
        return _BGR._replace(size=size, mean=(0.0, 0.0, 0.0), standardize=True)
    return _BGR._replace(size=size)
