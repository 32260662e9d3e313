"""The names that PyTorch programs give the tensors of a SqueezeNet.

Most have torchvision's names behind some prefix. pytorchcv counts stages and units, and many
programs count fires from 2 to 9 as the paper does. The names of the parts of a fire are the same
everywhere, or nearly, so a name is read from its end.

Sources: torchvision's ``models/squeezenet.py``; pytorchcv's ``models/squeezenet.py``;
pretrainedmodels' ``models/torchvision_models.py``; for the names behind a layer's own,
``torch.nn.utils.prune``, ``weight_norm``, ``spectral_norm`` and ``torch.nn.utils.parametrize``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from sqznet.network.variants import TOPOLOGIES

#: What wrappers put between a module's name and its own: DataParallel, torch.compile, FSDP and
#: activation checkpointing.
WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")

_PARTS = {
    "squeeze": "squeeze",
    "squeeze1x1": "squeeze",
    "expand1x1": "expand1x1",
    "expand3x3": "expand3x3",
    "bypass": "bypass",
}
_PART = rf"(?P<part>{'|'.join(_PARTS)})"
_W = rf"(?:\.(?:{'|'.join(WRAPPERS)}))*"

# Units in each of pytorchcv's stages, which begin with a pool.
_STAGES = {"squeezenet1_0": (3, 4, 1), "squeezenet1_1": (2, 2, 4)}

# The end of a parameter's name, and what the tensor is of the parameter: itself (""), a part of a
# product, or the vectors that give its norm.
_ROLES = {
    "": "",
    "_orig": "original",
    "_mask": "mask",
    "_g": "g",
    "_v": "v",
    "_u": "u",
}
_PARAMETRIZED = {
    "original": "original",
    "original0": "g",
    "original1": "v",
    "0._u": "u",
    "0._v": "v",
    "0.mask": "mask",
}
_PARAMETER = re.compile(
    r"(?P<layer>.*)\.(?:(?P<name>weight|bias)(?P<role>_orig|_mask|_g|_v|_u|)|"
    r"parametrizations\.(?P<wrapped>weight|bias)\.(?P<by>original[01]?|0\._[uv]|0\.mask))",
    re.DOTALL,
)


class Tensor(NamedTuple):
    """A tensor's name, taken apart: its layer, "weight" or "bias", and a role of `_ROLES`."""

    layer: str
    parameter: str
    role: str


class Place(NamedTuple):
    """A layer's place in a SqueezeNet's trunk.

    scope: the start of the names of the whole trunk, with its separator; layout: the kind of names.
    unit: the numbers of the layer in that layout, () for the stem. part: of a fire, or "".
    """

    scope: str
    layout: str
    unit: tuple[int, ...]
    part: str


def taken_apart(name: str) -> Tensor | None:
    """None if it is not the name of a weight or a bias."""
    found = _PARAMETER.fullmatch(name)
    if not found:
        return None
    if found["wrapped"]:
        return Tensor(found["layer"], found["wrapped"], _PARAMETRIZED[found["by"]])
    return Tensor(found["layer"], found["name"], _ROLES[found["role"]])


def place(layer: str) -> Place | None:
    """Where a layer with this name is in a trunk; None if it is in none."""
    for layout, pattern in _LAYOUTS.items():
        if found := pattern.fullmatch(layer):
            groups = found.groupdict()
            unit = tuple(int(groups[key]) for key in ("n", "m") if groups.get(key))
            part = _PARTS[groups["part"]] if groups["part"] else ""
            return Place(groups["scope"], layout, unit, part)
    return None


# In torchvision's, the separator before the number may be that of timm's flat names. The stem is
# layer 0 there, and a layer without a number elsewhere.
_LAYOUTS: Mapping[str, re.Pattern[str]] = {
    "torchvision": re.compile(
        rf"(?P<scope>(?:.*[._])?)(?P<n>\d\d?){_W}(?:\.{_PART}{_W})?", re.DOTALL
    ),
    "pytorchcv": re.compile(
        rf"(?P<scope>(?:.*\.)?)"
        rf"(?:init_block|stage(?P<n>\d){_W}\.unit(?P<m>\d\d?){_W}\.{_PART}){_W}\.conv{_W}",
        re.DOTALL,
    ),
    "paper": re.compile(
        rf"(?P<scope>(?:.*\.)?)(?:conv1|fire(?P<n>[2-9])(?:{_W}\.|[/_-]){_PART}){_W}", re.DOTALL
    ),
}


def numbered(layout: str, base: str) -> dict[tuple[int, ...], int]:
    """torchvision's numbers of the stem and the fires of a variant, by their unit in a layout."""
    fires = TOPOLOGIES[base].fires
    if layout == "torchvision":
        return {(number,): number for number in (0, *fires)}
    if layout == "paper":
        return {(): 0, **{(index,): number for index, number in enumerate(fires, start=2)}}
    units = [
        (stage, unit)
        for stage, count in enumerate(_STAGES[base], start=1)
        for unit in range(1, count + 1)
    ]
    return {(): 0, **dict(zip(units, fires, strict=True))}


def layer_name(scope: str, layout: str, unit: tuple[int, ...], part: str) -> str:
    """The name of a layer, as a file with this scope and layout would have it; see `place`."""
    if layout == "torchvision":
        return f"{scope}{unit[0]}{'.' * bool(part)}{part}"
    if layout == "paper":
        return f"{scope}fire{unit[0]}.{part}" if unit else f"{scope}conv1"
    return f"{scope}stage{unit[0]}.unit{unit[1]}.{part}.conv" if unit else f"{scope}init_block.conv"


def module_around(scope: str) -> str:
    """The start of the names of the module that has the trunk, and beside it its classifier."""
    names = scope.replace("features_", "features.").rstrip(".").split(".")
    while names and names[-1] in WRAPPERS:
        names.pop()
    outer = ".".join(names[:-1])
    return f"{outer}." if outer else ""
