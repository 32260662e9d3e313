"""Computes the values that an ONNX graph makes of its constants.

Exporters leave such nodes where they do not fold constants: they reshape a bias to add it to a map
(Paddle), transpose kernels (tf2onnx) or normalize weights (torch's weight_norm).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqznet.errors import WeightsError
from sqznet.weights.checkpoint import MAX_DIMENSIONS
from sqznet.weights.onnx.graph import Node

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

_NUMPY_NAMES = {
    "Add": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Div": "divide",
    "Pow": "power",
    "Sqrt": "sqrt",
    "Neg": "negative",
    "Abs": "abs",
    "Exp": "exp",
    "Reciprocal": "reciprocal",
}


def can_compute(node: Node) -> bool:
    return node.op in _NUMPY_NAMES or node.op in _OTHERS


def result_bytes(node: Node, inputs: Sequence[Array | None]) -> int:
    """At least the size of the result, in bytes. Raises WeightsError if there is none."""
    import numpy as np

    sizes = [array.nbytes for array in inputs if array is not None]
    if node.op in _NUMPY_NAMES:
        shapes = [array.shape for array in inputs if array is not None]
        try:
            sizes.append(8 * math.prod(np.broadcast_shapes(*shapes)))
        except ValueError as error:
            raise WeightsError(f"{node} cannot be computed: {error}") from None
    return sum(sizes)


def compute(node: Node, inputs: Sequence[Array | None]) -> Array:
    """The result of a node for which `can_compute` holds; None stands for an omitted input.

    Raises WeightsError, naming the node, if its inputs are invalid.
    """
    import numpy as np

    try:
        with np.errstate(all="ignore"):  # what is not finite is refused where it is used
            if node.op in _NUMPY_NAMES:
                function = getattr(np, _NUMPY_NAMES[node.op])
                result = np.asarray(function(*inputs))
            else:
                result = np.asarray(_OTHERS[node.op](node, *inputs))
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise WeightsError(f"{node} cannot be computed: {error}") from None
    if result.ndim > MAX_DIMENSIONS:
        raise WeightsError(f"{node} makes a tensor of {result.ndim} dimensions")
    return result


def _same(node: Node, x: Array) -> Array:
    return x


def _reshape(node: Node, x: Array, shape: Array) -> Array:
    sides = [int(side) for side in shape.reshape(-1)[: MAX_DIMENSIONS + 1]]
    if not node.integer("allowzero", 0):
        sides = [x.shape[i] if side == 0 else side for i, side in enumerate(sides)]
    return x.reshape(sides)


def _transpose(node: Node, x: Array) -> Array:
    import numpy as np

    return np.transpose(x, node.integers("perm", tuple(reversed(range(x.ndim)))))


def _axes(node: Node, axes: Array | None) -> tuple[int, ...]:
    """Of a node that has them as an attribute or, in newer operator sets, as an input."""
    if axes is None:
        return node.integers("axes", ())
    return tuple(int(axis) for axis in axes.reshape(-1)[: MAX_DIMENSIONS + 1])


def _squeeze(node: Node, x: Array, axes: Array | None = None) -> Array:
    import numpy as np

    return np.squeeze(x, _axes(node, axes) or None)


def _unsqueeze(node: Node, x: Array, axes: Array | None = None) -> Array:
    import numpy as np

    return np.expand_dims(x, _axes(node, axes))


def _norm(node: Node, x: Array, axes: Array | None = None) -> Array:
    import numpy as np

    total = _sum(node, np.square(x), axes)
    return np.asarray(np.sqrt(total))


def _sum(node: Node, x: Array, axes: Array | None = None) -> Array:
    import numpy as np

    return np.asarray(x.sum(_axes(node, axes) or None, keepdims=bool(node.integer("keepdims", 1))))


_OTHERS: Mapping[str, Callable[..., Array]] = {
    "Identity": _same,
    "Cast": _same,  # among floats; a constant's own type does not matter to its use
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "ReduceL2": _norm,
    "ReduceSum": _sum,
}
