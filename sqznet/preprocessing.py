"""How a photo becomes the network's input.

Every checkpoint was trained with one way of resizing and normalising photos and answers badly to
any other, so that way travels with the weights as a `Preprocessing`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import index
from typing import Any, SupportsFloat, SupportsIndex

from sqznet.errors import SqznetError

FITS = ("squash", "crop")
CHANNEL_ORDERS = ("rgb", "bgr")
ROUNDINGS = ("nearest", "torchvision")

#: The longest side that the network's input may have; anything longer is taken for a mistake.
MAX_SIDE = 4096

# The photo's shorter side is resized to this share of the crop's: the 256 -> 224 of ImageNet.
_CROP_FROM, _CROP_TO = 256, 224


@dataclass(frozen=True)
class Preprocessing:
    """Resize to `size`, then x = (v - mean) / std for every grey level v in 0..255.

    size: (height, width) in pixels, each 1..4096; an int n means (n, n).
    fit: "squash" resizes the whole photo to `size`, whatever its shape; "crop" keeps its shape:
        it is resized until it just covers 256/224 of `size`, whose centre is then cut out.
    channel_order: "rgb" or "bgr", the order of the network's three input channels.
    mean, std: three grey levels, in the order of `channel_order`; every std is
        1e-6 or more.

    rounding: how a crop falls on whole pixels. "nearest" resizes the longer side to the nearest
        integer and rounds the crop's offsets down; "torchvision" cuts the longer side down and
        rounds the offsets to the nearest, ties to even, as its Resize and CenterCrop do.

    The levels' defaults are torchvision's. Raises SqznetError, naming the field, on anything else.
    """

    size: tuple[int, int] = (224, 224)
    fit: str = "crop"
    channel_order: str = "rgb"
    mean: tuple[float, float, float] = (255 * 0.485, 255 * 0.456, 255 * 0.406)
    std: tuple[float, float, float] = (255 * 0.229, 255 * 0.224, 255 * 0.225)
    rounding: str = "nearest"

    def __post_init__(self) -> None:
        set_field = object.__setattr__  # the dataclass is frozen
        set_field(self, "size", _checked_size(self.size))
        _check_choice("fit", self.fit, FITS)
        _check_choice("channel_order", self.channel_order, CHANNEL_ORDERS)
        _check_choice("rounding", self.rounding, ROUNDINGS)
        set_field(self, "mean", _checked_levels("mean", self.mean))
        set_field(self, "std", _checked_levels("std", self.std))
        if min(self.std) < 1e-6:
            raise SqznetError(f"preprocessing: std is {self.std}, expected 1e-6 or more")

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, strings and numbers, as JSON keeps them."""
        return {
            "size": list(self.size),
            "fit": self.fit,
            "channel_order": self.channel_order,
            "mean": list(self.mean),
            "std": list(self.std),
            "rounding": self.rounding,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """The inverse of `to_dict`; "rounding" may be left out.

        Raises SqznetError if a field is missing, unknown or wrong.
        """
        if not isinstance(values, Mapping):
            raise SqznetError(f"preprocessing: found {_shown(values)}, expected a mapping")
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise SqznetError(
                    f"preprocessing: unknown field {_shown(name)}, expected {', '.join(names)}"
                )
        missing = [name for name in names if name not in values and name != "rounding"]
        if missing:
            raise SqznetError(f"preprocessing: {', '.join(missing)} missing")
        return cls(**values)


def resolve(spec: str | Preprocessing | Mapping[str, Any]) -> Preprocessing:
    """A preset's name, a ready Preprocessing, or the mapping that `to_dict` gives.

    Raises SqznetError for anything else.
    """
    if isinstance(spec, Preprocessing):
        return spec
    if isinstance(spec, str):
        if spec not in PRESETS:
            raise SqznetError(
                f"preprocessing {_shown(spec)} is unknown, expected one of {', '.join(PRESETS)}"
            )
        return PRESETS[spec]
    return Preprocessing.from_dict(spec)


def geometry(pre: Preprocessing, height: int, width: int) -> tuple[int, int, int, int]:
    """(resized height, resized width, top, left) for a photo of height x width pixels.

    The photo is resized to the first two; the network's input is the `pre.size` window whose
    upper left corner lies at (top, left).

    The shorter side becomes 256/224 of the size's; where the size is not square, the photo is
    resized, in its own shape, until it covers 256/224 of both sides.
    """
    target_h, target_w = pre.size
    if pre.fit == "squash":
        return target_h, target_w, 0, 0
    cover_h = round(target_h * _CROP_FROM / _CROP_TO)
    cover_w = round(target_w * _CROP_FROM / _CROP_TO)
    whole, half = (int, round) if pre.rounding == "torchvision" else (round, int)
    if cover_h * width >= cover_w * height:
        resized_h, resized_w = cover_h, whole(cover_h * width / height)
    else:
        resized_h, resized_w = whole(cover_w * height / width), cover_w
    return resized_h, resized_w, half((resized_h - target_h) / 2), half((resized_w - target_w) / 2)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise SqznetError(
            f"preprocessing: {name} is {_shown(value)}, expected {' or '.join(choices)}"
        )


def _checked_size(value: object) -> tuple[int, int]:
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    sides = [_as_int(side) for side in pair]
    if len(sides) != 2 or not all(1 <= side <= MAX_SIDE for side in sides):
        raise SqznetError(
            f"preprocessing: size is {_shown(value)}, "
            f"expected (height, width) or one integer, 1 to {MAX_SIDE}"
        )
    return sides[0], sides[1]


def _as_int(value: object) -> int:
    """The value of an integer of any library's type, 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return 0
    try:
        return index(value)
    except TypeError:  # an array has __index__ too
        return 0


def _checked_levels(name: str, value: object) -> tuple[float, float, float]:
    if isinstance(value, (tuple, list)) and len(value) == 3:
        levels = tuple(map(_as_float, value))
        # A double beyond float32 would become infinite in the kernel.
        if all(abs(level) < 1e30 for level in levels):
            return levels[0], levels[1], levels[2]
    raise SqznetError(f"preprocessing: {name} is {_shown(value)}, expected three numbers")


def _as_float(value: object) -> float:
    """The value of a number of any library's type, NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, SupportsFloat):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _shown(value: object) -> str:
    """A value from a file in a message: short, on one line, never the text of a nested object."""
    if isinstance(value, (tuple, list)) and len(value) <= 4:
        return f"({', '.join(map(_shown_scalar, value))})"
    return _shown_scalar(value)


def _shown_scalar(value: object) -> str:
    if isinstance(value, str):
        return ascii(value if len(value) <= 60 else value[:60] + "...")
    if isinstance(value, int) and value.bit_length() > 128:
        return "a huge integer"
    if isinstance(value, (int, float, type(None))):
        return repr(value)
    return f"a {type(value).__name__}"


_KERAS_MEAN = (103.939, 116.779, 123.68)
_UNIT = (1.0, 1.0, 1.0)

#: By the name of the framework whose weights expect it; "squash-bgr" is the bundled weights'.
PRESETS: Mapping[str, Preprocessing] = {
    "torchvision": Preprocessing(rounding="torchvision"),
    "caffe": Preprocessing((227, 227), "crop", "bgr", (104.0, 117.0, 123.0), _UNIT),
    "keras": Preprocessing((227, 227), "squash", "bgr", _KERAS_MEAN, _UNIT),
    "squash-bgr": Preprocessing((224, 224), "squash", "bgr", _KERAS_MEAN, _UNIT),
}
