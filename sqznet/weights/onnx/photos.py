"""The preprocessing of photos that an ONNX graph needs, with what the graph itself does to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqznet.errors import SqznetError, WeightsError, shown
from sqznet.images.preprocessing import PRESETS, Preprocessing
from sqznet.weights.onnx.affine import IDENTITY, Affine
from sqznet.weights.onnx.found import NCHW, FoundNetwork
from sqznet.weights.onnx.graph import GraphInput

Size = tuple[int, int]

_CHANNELS_LAST = "NHWC"

# The input of the ONNX zoo's files that came from Caffe 2, "SqueezeNet 1.0-*".
_CAFFE2_INPUT = "data_0"

_UINT8 = 2

# What the graph subtracts tells which numbers it expects: the mean of photos lies in the middle of
# their range, that of photos that are normalized already at 0.
_LEAST_MEAN, _LEAST_DEVIATION = 0.1, 0.6


def input_size(network: FoundNetwork, given: GraphInput) -> Size | None:
    """Height and width, if the graph's input fixes them.

    Raises WeightsError if it is not a batch of color pictures.
    """
    layout, shape = network.input.layout, given.shape
    if layout not in (NCHW, _CHANNELS_LAST):
        raise WeightsError(
            f"the graph reads the axes of {network.input} in the order {layout}, expected {NCHW} "
            f"or {_CHANNELS_LAST}"
        )
    if not shape:
        return None
    if len(shape) != 4 or shape[layout.index("C")] not in (0, 3):
        expected = " x ".join(layout.replace("C", "3"))
        raise WeightsError(
            f"the input {shown(network.input.name)} has the shape {shape}, expected {expected}"
        )
    height, width = shape[layout.index("H")], shape[layout.index("W")]
    return (height, width) if height and width else None


def preprocessing(
    network: FoundNetwork, given: GraphInput, size: Size | None, stated: Preprocessing | None
) -> tuple[Preprocessing, str]:
    """How photos become the input of the first convolution, and why.

    stated: how they become the graph's input, if the file says it. Raises WeightsError if the graph
    changes its input in another way than a preprocessing does.
    """
    link = network.input
    if link.relu:  # a rounding that clips at 0 does so by itself
        raise WeightsError(f"a ReLU clips {link} at 0")
    if link.after is not IDENTITY and network.roundings.get(link.name):
        raise WeightsError(f"{link} is scaled after it was rounded")
    affine = link.before.then(link.after)
    if stated is not None:
        base, reason = stated, "the file's metadata"
    else:
        base, reason = _likely(network, given, affine)
        size = size or base.size
        if size != base.size:
            reason += ", at the size of the graph's input"
            base = base._replace(size=size)
    if affine is IDENTITY and not link.is_flipped:
        return base, reason
    return _joined(base, affine, link.is_flipped, str(link)), f"{reason}, and the graph's own nodes"


def _likely(network: FoundNetwork, given: GraphInput, affine: Affine) -> tuple[Preprocessing, str]:
    """What most likely makes the graph's input of photos, and why."""
    if network.input.layout == _CHANNELS_LAST:
        preset, whose = PRESETS["keras"], "a graph with its channels last, as TensorFlow's"
    elif network.input.name == _CAFFE2_INPUT and network.activation == "softmax":
        preset = PRESETS["onnx-zoo-1.0"]
        whose = f"a graph from input {_CAFFE2_INPUT!r} to a Softmax, as in the ONNX zoo's 1.0 files"
    else:
        preset, whose = PRESETS["torchvision"], "the default for onnx files"
    highest = _highest(given, affine)
    if highest is None:
        return preset, whose
    range_of = 255.0 / highest
    plain: Mapping[str, Any] = {
        "channel_order": "rgb", "mean": (0.0, 0.0, 0.0), "std": (range_of,) * 3
    }  # fmt: skip
    return preset._replace(**plain), f"levels from 0 to {highest:g}, which the graph scales"


def _highest(given: GraphInput, affine: Affine) -> float | None:
    """The highest level that the graph's input expects, 1 or 255; None if it is normalized."""
    import numpy as np

    if given.data_type == _UINT8:
        return 255.0
    if affine is IDENTITY:
        return None
    with np.errstate(all="ignore"):
        deviation = float(np.mean(1 / np.abs(affine.scale)))
        mean = float(np.mean(-np.asarray(affine.shift) / affine.scale))
    if mean > 2 or deviation > 2:
        return 255.0
    if mean > _LEAST_MEAN or deviation < _LEAST_DEVIATION:
        return 1.0
    return None


def _joined(base: Preprocessing, affine: Affine, is_flipped: bool, what: str) -> Preprocessing:
    """(v - mean) / std, then the graph's scale and shift of channels in its own order."""
    import numpy as np

    affine.check(3)
    mean, std = np.array(base.mean), np.array(base.std)
    order = base.channel_order
    if is_flipped:
        mean, std = mean[::-1], std[::-1]
        order = "bgr" if order == "rgb" else "rgb"
    if not affine.keeps_order:
        raise WeightsError(f"{what} is scaled by factors that are not above 0")
    with np.errstate(all="ignore"):
        shifted = mean - std * affine.shift / affine.scale
        # Where two numbers cancel out, what is left is the error of the graph's float32.
        mean = np.where(np.abs(shifted) <= 1e-6 * np.abs(mean), 0.0, shifted)
        std = std / affine.scale
    try:
        return base._replace(channel_order=order, mean=tuple(mean), std=tuple(std))
    except WeightsError:
        raise
    except SqznetError as error:
        raise WeightsError(f"what the graph does to {what}: {error}") from None
