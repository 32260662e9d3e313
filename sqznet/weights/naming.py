"""Caffe's names for a SqueezeNet's layers, and torchvision's names for the same layers.

Caffe numbers the fires from 2 to 9 (``fire2/squeeze1x1``); Keras, ncnn and others do the same with
other separators. torchvision's names count pools too, so the same fire has different positions in
1.0 and 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqznet.network.variants import TOPOLOGIES

_FIRST_FIRE = 2

# Each of a fire's four convolutions: the name in Caffe's networks, and torchvision's.
_PARTS = {
    "squeeze1x1": "squeeze",
    "expand1x1": "expand1x1",
    "expand3x3": "expand3x3",
    "bypass": "bypass",
}
_FIRE = re.compile(r"fire([2-9])[/_-](squeeze1x1|expand1x1|expand3x3|bypass)", re.ASCII)
_BYPASS = re.compile(r"bypass[/_-](?:fire)?([2-9])", re.ASCII)
_FIRST = "conv1"
_LAST = ("conv10", "conv_final")


def torchvision_name(layer: str, base: str) -> str | None:
    """torchvision's name of a layer with this name in Caffe, such as ``"features.3.squeeze"``.

    ``base`` is a key of ``variants.TOPOLOGIES``. None if the name is not a convolution of a
    SqueezeNet. The parts of a name may be joined by ``/``, ``_`` or ``-``. The convolution of a
    complex bypass around fire N is ``fireN/bypass`` or ``bypass_fireN``.
    """
    if layer == _FIRST:
        return "features.0"
    if layer in _LAST:
        return "classifier.1"
    if found := _FIRE.fullmatch(layer):
        number, part = int(found[1]), _PARTS[found[2]]
    elif found := _BYPASS.fullmatch(layer):
        number, part = int(found[1]), "bypass"
    else:
        return None
    return f"features.{TOPOLOGIES[base].fires[number - _FIRST_FIRE]}.{part}"


def variant_of(base: str, names: Iterable[str]) -> str:
    """The variant with convolutions of these names (torchvision's). A simple bypass has no
    convolution, so the names cannot show it."""
    return base + ("_complex_bypass" if any(name.endswith(".bypass") for name in names) else "")
