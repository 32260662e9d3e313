"""The preprocessing of a photo: how it becomes the input of the network.

Every checkpoint was trained with one way of resizing and normalizing photos and is less accurate
with any other. So this way is stored with the weights as a `Preprocessing`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, SupportsFloat

from sqznet.errors import SqznetError, shown, whole_number

FITS = ("squash", "crop")
CHANNEL_ORDERS = ("rgb", "bgr")
ROUNDINGS = ("nearest", "torchvision")
_OPTIONAL = ("rounding", "resize", "standardize")

#: The longest allowed side of the network's input; anything longer is considered a mistake.
MAX_SIDE = 4096

# The shorter side of the photo relative to the crop: 256 -> 224 as for ImageNet.
_CROP_FROM, _CROP_TO = 256, 224


class _Preprocessing(NamedTuple):
    size: tuple[int, int]
    fit: str
    channel_order: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    rounding: str
    resize: tuple[int, int] | None
    standardize: bool


class Preprocessing(_Preprocessing):
    """Resize, crop to `size`, then x = (v - mean) / std for every gray level v in 0..255.

    size: (height, width) in pixels, each 1..4096; an int n means (n, n).
    fit: "squash" resizes the whole photo to `resize`, ignoring its aspect ratio; "crop" keeps the
        aspect ratio and resizes until the photo just covers `resize`. Then the center of `size` is
        cropped.
    channel_order: "rgb" or "bgr", the order of the network's three input channels.
    mean, std: three gray levels, in the order of `channel_order`; every std is at least 1e-6.

    rounding: how sizes and offsets of a crop are rounded. "nearest" rounds the longer side to the
        nearest integer and the offsets down; "torchvision" rounds the longer side down and the
        offsets to the nearest, ties to even, as its Resize and CenterCrop do.
    resize: (height, width) in pixels, at least `size`, or an int as above. None means `size` for
        "squash" and 256/224 of it for "crop".
    standardize: whether the mean of all values of the photo is subtracted from them afterwards, and
        they are divided by their standard deviation.

    The default levels are torchvision's. ``pre._replace(fit="squash")`` returns a copy with one
    field changed. Both raise SqznetError, naming the field, for invalid values.
    """

    __slots__ = ()

    def __new__(
        cls,
        size: int | tuple[int, int] = (224, 224),
        fit: str = "crop",
        channel_order: str = "rgb",
        mean: tuple[float, float, float] = (255 * 0.485, 255 * 0.456, 255 * 0.406),
        std: tuple[float, float, float] = (255 * 0.229, 255 * 0.224, 255 * 0.225),
        rounding: str = "nearest",
        resize: int | tuple[int, int] | None = None,
        standardize: bool = False,
    ) -> Preprocessing:
        size = _checked_size("size", size)
        _check_choice("fit", fit, FITS)
        _check_choice("channel_order", channel_order, CHANNEL_ORDERS)
        _check_choice("rounding", rounding, ROUNDINGS)
        if resize is not None:
            resize = _checked_size("resize", resize, least=size)
        mean = _checked_levels("mean", mean)
        std = _checked_levels("std", std)
        if min(std) < 1e-6:
            raise SqznetError(f"preprocessing: std is {std}, expected 1e-6 or more")
        if not isinstance(standardize, bool):
            raise SqznetError(
                f"preprocessing: standardize is {_shown(standardize)}, expected True or False"
            )
        return super().__new__(
            cls, size, fit, channel_order, mean, std, rounding, resize, standardize
        )

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> Preprocessing:  # type: ignore[override]
        return cls(*iterable)  # so that _replace validates too

    @property
    def resized(self) -> tuple[int, int]:
        """(height, width) in pixels to which photos are resized, or which they cover for "crop"."""
        if self.resize is not None:
            return self.resize
        if self.fit == "squash":
            return self.size
        height, width = (round(side * _CROP_FROM / _CROP_TO) for side in self.size)
        return height, width

    @property
    def largest(self) -> float:
        """The largest magnitude that a photo's level can get."""
        if self.standardize:  # one value differs from all others
            return math.sqrt(3 * self.size[0] * self.size[1])
        return max(
            abs((level - mean) / std)
            for level in (0.0, 255.0)
            for mean, std in zip(self.mean, self.std, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, strings and numbers, as in JSON."""
        values: dict[str, Any] = {
            "size": list(self.size),
            "fit": self.fit,
            "channel_order": self.channel_order,
            "mean": list(self.mean),
            "std": list(self.std),
            "rounding": self.rounding,
        }
        if self.resize is not None:
            values["resize"] = list(self.resize)
        return {**values, "standardize": True} if self.standardize else values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """The inverse of `to_dict`; "rounding", "resize" and "standardize" are optional.

        Raises SqznetError if a field is missing, unknown or invalid.
        """
        if not isinstance(values, Mapping):
            raise SqznetError(f"preprocessing: found {_shown(values)}, expected a mapping")
        for name in values:
            if name not in cls._fields:
                raise SqznetError(
                    f"preprocessing: unknown field {_shown(name)}, "
                    f"expected {', '.join(cls._fields)}"
                )
        missing = [name for name in cls._fields if name not in (*values, *_OPTIONAL)]
        if missing:
            raise SqznetError(f"preprocessing: {', '.join(missing)} missing")
        return cls(**values)


def resolve(spec: str | Preprocessing | Mapping[str, Any]) -> Preprocessing:
    """The Preprocessing for a preset name, a Preprocessing, or a mapping from `to_dict`.

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

    The photo is resized to the first two; the input of the network is the `pre.size` window with
    its upper left corner at (top, left).

    With "crop", the photo is resized until it just covers both sides of `pre.resized`.
    """
    (target_h, target_w), (cover_h, cover_w) = pre.size, pre.resized
    whole, half = (int, round) if pre.rounding == "torchvision" else (round, int)
    resized_h, resized_w = cover_h, cover_w
    if pre.fit == "crop":
        if cover_h * width >= cover_w * height:
            resized_w = whole(cover_h * width / height)
        else:
            resized_h = whole(cover_w * height / width)
    return resized_h, resized_w, half((resized_h - target_h) / 2), half((resized_w - target_w) / 2)


def preset_name(pre: Preprocessing) -> str | None:
    """The name of the preset equal to this, the first one of several; None if there is none."""
    return next((name for name, preset in PRESETS.items() if preset == pre), None)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise SqznetError(
            f"preprocessing: {name} is {_shown(value)}, expected {' or '.join(choices)}"
        )


def _checked_size(name: str, value: object, least: tuple[int, int] = (1, 1)) -> tuple[int, int]:
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    sides = [whole_number(side) for side in pair]
    if len(sides) != 2 or not all(
        low <= side <= MAX_SIDE for low, side in zip(least, sides, strict=True)
    ):
        smallest = least[0] if least[0] == least[1] else f"{least[0]} x {least[1]}"
        raise SqznetError(
            f"preprocessing: {name} is {_shown(value)}, "
            f"expected (height, width) or one integer, {smallest} to {MAX_SIDE}"
        )
    return sides[0], sides[1]


def _checked_levels(name: str, value: object) -> tuple[float, float, float]:
    if isinstance(value, (tuple, list)) and len(value) == 3:
        levels = tuple(map(_as_float, value))
        # A double outside the range of float32 would become infinite in the kernel.
        if all(abs(level) < 1e30 for level in levels):
            return levels[0], levels[1], levels[2]
    raise SqznetError(f"preprocessing: {name} is {_shown(value)}, expected three numbers")


def _as_float(value: object) -> float:
    """The value of a number of any library, NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, SupportsFloat):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _shown(value: object) -> str:
    """A value for a message; for a short tuple or list, its items."""
    if isinstance(value, (tuple, list)) and len(value) <= 4:
        return f"({', '.join(map(shown, value))})"
    return shown(value)


_CAFFE_MEAN = (104.0, 117.0, 123.0)
_KERAS_MEAN = (103.939, 116.779, 123.68)
_UNIT = (1.0, 1.0, 1.0)

_SQUASH_BGR = Preprocessing((224, 224), "squash", "bgr", _KERAS_MEAN, _UNIT)

#: By the name of the framework or collection that needs it. The bundled weights use "squash-bgr";
#: Intel's quantization script does the same for the ONNX zoo's "1.0" files. The reference networks
#: of Caffe use photos that were stored at 256 x 256, ignoring their aspect ratio, and crop the
#: center 227 x 227.
PRESETS: Mapping[str, Preprocessing] = {
    "torchvision": Preprocessing(rounding="torchvision"),
    "caffe": Preprocessing((227, 227), "squash", "bgr", _CAFFE_MEAN, _UNIT, resize=(256, 256)),
    "keras": Preprocessing((227, 227), "squash", "bgr", _KERAS_MEAN, _UNIT),
    "ncnn": Preprocessing((227, 227), "squash", "bgr", _CAFFE_MEAN, _UNIT),
    "squash-bgr": _SQUASH_BGR,
    "onnx-zoo-1.0": _SQUASH_BGR,
}
