"""Describes a weights file, with reasons, for `sqznet identify`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqznet import weights
from sqznet.images.preprocessing import Preprocessing, preset_name
from sqznet.network import variants
from sqznet.network.detector import num_classes, strides
from sqznet.notebook import table
from sqznet.weights import known, labels
from sqznet.weights.checkpoint import Checkpoint, element_count
from sqznet.weights.locate import WeightsLike, locate
from sqznet.weights.reading import open_file

# SqueezeNet's version in file names: squeezenet1_1, squeezenet_v1.0, SqueezeNet-11.
_VERSION = re.compile(r"squeeze_?net[-_ ]?v?1[._-]?([01])(?!\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Identity:
    """Describes one weights file.

    path: the file. sha256: of the whole file, in hex. bytes: its size.
    format: as in `Checkpoint`: "torch", "onnx" and so on.
    variant: "squeezenet1_1" and the like; bypass: "simple", "complex" or None.
    parameters: the number of the network's parameters; precision: how the file stores them; int8:
        whether it says how the network is computed in 8-bit integers.
    classes: their number; labels: the source of their names.
    strides: of a detector, the pixels from a point of each level to the next; () for a classifier.
    conv1_padding, conv10_padding: pixels; ceil_mode: of the pools; softmax: whether the file's own
        network ends in one; conv10_relu: whether a ReLU follows conv10.
    activation: what makes scores of the outputs, "softmax", "sigmoid" or "none".
    preprocessing: of photos; preset: its name, or None if it is not a preset.
    known: the published file that this is, or None if its hash is unknown.
    reasons: for the values, by field name.
    warnings: what users should know.
    """

    path: str
    sha256: str
    bytes: int
    format: str
    variant: str
    bypass: str | None
    parameters: int
    precision: str
    int8: bool
    classes: int
    labels: str
    strides: tuple[int, ...]
    conv1_padding: int
    conv10_padding: int
    ceil_mode: bool
    softmax: bool
    conv10_relu: bool
    activation: str
    preprocessing: Preprocessing
    preset: str | None
    known: str | None
    reasons: Mapping[str, str]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts, strings and numbers, as in JSON."""
        return {
            **asdict(replace(self, reasons=dict(self.reasons))),
            "preprocessing": self.preprocessing.to_dict(),
            "strides": list(self.strides),
            "warnings": list(self.warnings),
        }

    def _repr_html_(self) -> str:
        """As a notebook displays it: each value and how it is known."""
        values = {**self.to_dict(), "warnings": "; ".join(self.warnings) or "none"}
        del values["reasons"]
        rows = [(name, value, self.reasons.get(name, "")) for name, value in values.items()]
        return table(rows, ("", "found", "why"))


def identify(source: WeightsLike) -> Identity:
    """Describes the weights that `load` or `load_detector` would use. Raises WeightsError as they
    do."""
    path = locate(source)
    checkpoint = weights.read(path)
    data = open_file(path).view
    network = checkpoint.network()
    published = known.find(data, checkpoint.format)
    name = published.name if published else None
    design = checkpoint.detector
    classes = network.num_classes if design is None else num_classes(network, design)
    names, warnings = _labels(checkpoint, classes)
    base = next(base for base in variants.TOPOLOGIES if network.variant.startswith(base))
    warnings += _misnomers(os.path.basename(checkpoint.path), name, base)
    default = f"the default for {checkpoint.format} files"
    stated = (*checkpoint.wiring._fields, "preprocessing")
    reasons = {"variant": "its tensors", **dict.fromkeys(stated, default), **checkpoint.reasons}
    if checkpoint.wiring.activation is None and network.activation == "none":
        reasons["activation"] = "the default for a single output"
    return Identity(
        path=checkpoint.path,
        sha256=known.sha256(data),
        bytes=data.nbytes,
        format=checkpoint.format,
        variant=network.variant,
        bypass=variants.BYPASSES[network.variant.removeprefix(base)],
        parameters=sum(element_count(tensor.shape) for tensor in checkpoint.tensors.values()),
        precision=_precision(checkpoint),
        int8=checkpoint.integers is not None,
        classes=classes,
        labels=names,
        strides=() if design is None else strides(network),
        conv1_padding=checkpoint.wiring.conv1_padding,
        conv10_padding=checkpoint.wiring.conv10_padding,
        ceil_mode=checkpoint.wiring.ceil_mode,
        softmax=checkpoint.wiring.softmax,
        conv10_relu=checkpoint.wiring.conv10_relu,
        activation=network.activation,
        preprocessing=checkpoint.preprocessing,
        preset=published.preset if published else preset_name(checkpoint.preprocessing),
        known=name,
        reasons=reasons,
        warnings=(*filter(None, [checkpoint.choice]), *checkpoint.warnings, *warnings),
    )


def _precision(checkpoint: Checkpoint) -> str:
    grids = [grid for roundings in checkpoint.activations.values() for grid in roundings]
    if not grids:
        # int8 weights are used as float32; the reasons say why.
        dtypes = {tensor.dtype for tensor in checkpoint.tensors.values()}
        return ", ".join(sorted({"float32" if dtype == "int8" else dtype for dtype in dtypes}))
    is_int8 = max(grid.high - grid.low for grid in grids) < 256
    return f"{'int8' if is_int8 else 'integer'} weights and activations"


def _labels(checkpoint: Checkpoint, classes: int) -> tuple[str, list[str]]:
    """The source of the names of the classes, and warnings about them."""
    own = checkpoint.labels
    if classes == 0:
        return "none", ["has no classifier: embed() and learn() can use it, classify() cannot"]
    if own is not None:
        reason = checkpoint.reasons.get("labels", "the file's own")
        if len(own) == classes:
            return reason, []
        return reason, [f"has {len(own)} labels for its {classes} classes; load() refuses it"]
    if classes == labels.IMAGENET_CLASSES:
        return f"ImageNet's, the default for {classes} classes", []
    if classes == labels.IMAGENET_CLASSES + 1:
        return (
            f"{labels.BACKGROUND}, then ImageNet's, the default for {classes} classes",
            [f"{classes} classes: index 0 counts as a background class"],
        )
    return "none; pass labels=, or the classes are called class 0, class 1, ...", []


def _misnomers(file: str, published: str | None, base: str) -> list[str]:
    """Warnings about names of a file that state another version than its content."""
    held = base.removeprefix("squeezenet").replace("_", ".")
    found = []
    for name, verb in ((file, "named"), (published, "published as")):
        match = _VERSION.search(name or "")
        if match and (said := f"1.{match[1]}") != held:
            found.append(f"{verb} {said}, holds {held}")
    return found
