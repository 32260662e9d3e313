"""Weights that a file stores as something else: pruned, or divided by their norm.

Sources: ``torch.nn.utils.prune`` (weight_orig * weight_mask), ``torch.nn.utils.weight_norm``
(g * v / |v|, Salimans and Kingma, arXiv:1602.07868) and ``torch.nn.utils.spectral_norm``
(weight_orig / sigma, where sigma is u W v, Miyato et al., arXiv:1802.05957), each also as
``torch.nn.utils.parametrize`` stores it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqznet.errors import WeightsError, shown
from sqznet.weights.checkpoint import RawTensor
from sqznet.weights.state import Other, Parameter

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Doubles = npt.NDArray[np.float64]

_NUMPY = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}


def finished(stored: Mapping[str, RawTensor | Other], parameter: Parameter) -> RawTensor:
    """The tensor of a parameter: the stored one, or float32 computed from those that are stored.

    Raises WeightsError if one cannot be a weight or if they do not go together.
    """
    roles = dict(parameter.roles)
    raw: dict[str, RawTensor] = {}
    for role, name in roles.items():
        tensor = stored[name]
        if isinstance(tensor, Other):
            raise WeightsError(f"{shown(name)} {tensor.why}")
        raw[role] = tensor
    if "" in roles and "mask" not in roles:
        return raw[""]
    if "mask" in roles and "" in roles:  # a mask beside weights that may not be masked yet
        roles["original"], raw["original"] = roles.pop(""), raw.pop("")
    compute = next((made for names, made in _COMPUTED if names == set(roles)), None)
    if compute is None:
        some = ", ".join(sorted(shown(name) for name in roles.values()))
        raise WeightsError(
            f"{parameter.label} is stored as {some} alone, expected it as it is, pruned (with a "
            "mask), or as torch's weight_norm or spectral_norm store it"
        )
    import numpy as np

    values = {role: _doubles(tensor) for role, tensor in raw.items()}
    try:
        with np.errstate(all="ignore"):  # layers refuse values that are not finite
            result = compute(**values).astype("<f4")
    except ValueError:
        shapes = ", ".join(f"{shown(roles[role])} {values[role].shape}" for role in sorted(roles))
        raise WeightsError(f"{parameter.label}: shapes that do not fit: {shapes}") from None
    return RawTensor("float32", result.shape, memoryview(result.tobytes()))


def _doubles(raw: RawTensor) -> Doubles:
    import numpy as np

    if raw.dtype == "bfloat16":  # the upper half of a float32
        bits = np.frombuffer(raw.data, "<u2").astype("<u4") << 16
        return bits.view("<f4").astype(np.float64).reshape(raw.shape)
    floats = raw.floats()
    return np.frombuffer(floats.data, _NUMPY[floats.dtype]).astype(np.float64).reshape(raw.shape)


def _masked(original: Doubles, mask: Doubles) -> Doubles:
    if original.shape != mask.shape:
        raise ValueError
    return original * mask


def _with_norm(g: Doubles, v: Doubles) -> Doubles:
    """g has a norm for each index of one dimension, mostly the first, or a single one."""
    if g.ndim not in (0, v.ndim):
        raise ValueError
    axes = tuple(axis for axis in range(v.ndim) if not g.ndim or g.shape[axis] == 1)
    norms: Doubles = (v * v).sum(axis=axes, keepdims=True) ** 0.5
    if len(axes) < v.ndim - 1 or (g.ndim and g.shape != norms.shape):
        raise ValueError
    return g * v / norms


def _of_norm_1(original: Doubles, u: Doubles, v: Doubles) -> Doubles:
    sigma: Doubles = u @ original.reshape(len(original), -1) @ v
    return original / sigma


_COMPUTED = (
    ({"original", "mask"}, _masked),
    ({"g", "v"}, _with_norm),
    ({"original", "u", "v"}, _of_norm_1),
)
