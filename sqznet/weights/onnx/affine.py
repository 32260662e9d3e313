"""What a graph multiplies and adds, channel by channel, between its layers.

A bias as an Add, a dropout as a Mul, a normalization of photos and a BatchNormalization all are
y = scale * x + shift with constants. They are folded into the convolutions around them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqznet.errors import WeightsError
from sqznet.weights.onnx.constants import Constants
from sqznet.weights.onnx.graph import Node

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

_ARITHMETIC = ("Add", "Sub", "Mul", "Div")
_EPSILON = 1e-5


@dataclass(frozen=True, eq=False)
class Affine:
    """y = scale * x + shift: float64, one number or one for each channel."""

    scale: Array | float
    shift: Array | float

    def then(self, other: Affine) -> Affine:
        """This, and then the other."""
        if self is IDENTITY or other is IDENTITY:
            return other if self is IDENTITY else self
        import numpy as np

        if len({np.size(v) for v in (self.scale, self.shift, other.scale, other.shift)} - {1}) > 1:
            raise WeightsError("nodes that follow each other scale other numbers of channels")
        with np.errstate(all="ignore"):  # layers refuse what is not finite
            return Affine(self.scale * other.scale, self.shift * other.scale + other.shift)

    @property
    def keeps_order(self) -> bool:
        """Whether larger values stay larger, so that it can be exchanged with a maximum."""
        import numpy as np

        return self is IDENTITY or bool(np.all(np.asarray(self.scale) > 0))

    @property
    def keeps_zero(self) -> bool:
        import numpy as np

        return self is IDENTITY or not np.any(self.shift)

    def flipped(self) -> Affine:
        """For channels in reverse order."""
        import numpy as np

        if self is IDENTITY:
            return self
        return Affine(*(np.asarray(v)[::-1] if np.ndim(v) else v for v in (self.scale, self.shift)))

    def part(self, start: int, stop: int) -> Affine:
        """For the channels from `start` to `stop`."""
        import numpy as np

        if self is IDENTITY:
            return self
        parts = (np.asarray(v) for v in (self.scale, self.shift))
        return Affine(*(v[start:stop] if v.ndim else v for v in parts))

    def check(self, channels: int) -> None:
        """Raises WeightsError if it is for another number of channels."""
        import numpy as np

        for size in (np.size(self.scale), np.size(self.shift)):
            if size not in (1, channels):
                raise WeightsError(f"{channels} channels are scaled by {size} numbers")

    def same(self, other: Affine) -> bool:
        import numpy as np

        return self is other or (
            np.array_equal(self.scale, other.scale) and np.array_equal(self.shift, other.shift)
        )


IDENTITY = Affine(1.0, 0.0)


def joined(first: Affine, channels: int, second: Affine, more: int) -> Affine:
    """For the channels of the first, then those of the second."""
    import numpy as np

    if first is IDENTITY and second is IDENTITY:
        return IDENTITY

    def join(a: Any, b: Any) -> Array:
        return np.concatenate([np.broadcast_to(a, channels), np.broadcast_to(b, more)])

    first.check(channels)
    second.check(more)

    return Affine(join(first.scale, second.scale), join(first.shift, second.shift))


def affine_node(
    node: Node, constants: Constants, channel_axis: int | None
) -> tuple[str, Affine] | None:
    """What the node scales and shifts, and by what; None if it does something else.

    channel_axis: of the four axes of a map, or None if only one axis has more than one element.
    Raises WeightsError, naming the node, if its constants are not one for each channel.
    """
    if node.op == "BatchNormalization":
        return node.input(0), _normalization(node, constants)
    if node.op == "ImageScaler":
        return node.input(0), _made(node, node.number("scale", 1.0), node.numbers("bias") or 0.0)
    if node.op not in _ARITHMETIC or len(node.inputs) != 2:
        return None
    for place in (1, 0):
        constant = constants.array(node.input(place))
        if constant is not None:
            break
    else:
        return None
    if place == 0 and node.op == "Div":
        return None
    number = _by_channel(node, constant, channel_axis)
    data = node.input(1 - place)
    if node.op == "Add":
        return data, _made(node, 1.0, number)
    if node.op == "Sub":
        return data, _made(node, -1.0, number) if place == 0 else _made(node, 1.0, -number)
    if node.op == "Mul":
        return data, _made(node, number, 0.0)
    return data, _made(node, _reciprocal(number), 0.0)


def _normalization(node: Node, constants: Constants) -> Affine:
    """With its running statistics, as at inference."""
    import numpy as np

    if not node.integer("spatial", 1):
        raise WeightsError(f"{node} normalizes each pixel by itself, expected each channel")
    parts = []
    for name in node.inputs[1:5]:
        value = constants.array(name)
        if value is None:
            constants.required(name, node)  # raises
            raise AssertionError
        parts.append(value.astype(np.float64).reshape(-1))
    if len(parts) != 4 or len({part.size for part in parts}) != 1:
        raise WeightsError(f"{node} has tensors of other sizes than one number for each channel")
    gamma, beta, mean, variance = parts
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(variance + node.number("epsilon", _EPSILON))
        return _made(node, scale, beta - mean * scale)


def _made(node: Node, scale: Any, shift: Any) -> Affine:
    import numpy as np

    scale, shift = np.asarray(scale, np.float64), np.asarray(shift, np.float64)
    if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
        raise WeightsError(f"{node} has constants that are not finite")
    return Affine(scale, shift) if np.any(scale != 1) or np.any(shift) else IDENTITY


def _reciprocal(number: Array) -> Array:
    import numpy as np

    with np.errstate(all="ignore"):
        return np.asarray(1.0 / number)


def _by_channel(node: Node, constant: Array, axis: int | None) -> Array:
    """The number of each channel, float64."""
    import numpy as np

    value = np.asarray(constant, np.float64)
    if value.size == 1:
        return value.reshape(())
    shape = (1,) * (4 - value.ndim) + value.shape
    if len(shape) == 4 and 0 < value.size <= (1 << 24):
        if axis is None:
            if max(shape) == value.size:
                return value.reshape(-1)
        else:
            # A whole picture of a mean, such as Caffe's, is one number where it is the same
            # everywhere.
            rows = np.moveaxis(value.reshape(shape), axis, 0).reshape(shape[axis], -1)
            if (rows == rows[:, :1]).all():
                return np.ascontiguousarray(rows[:, 0])
    raise WeightsError(
        f"{node} has a constant of the shape {constant.shape}, expected one number for each channel"
    )
