"""Chooses the type of numbers that a network computes with, and says why."""

from __future__ import annotations

import os

from sqznet import _kernels
from sqznet.errors import SqznetError, WeightsError, shown
from sqznet.images.preprocessing import Preprocessing
from sqznet.weights.checkpoint import Checkpoint

PRECISIONS = ("float32", "int8", "auto")

#: The instruction sets whose int8 kernels are at least 1.2 times as fast as float32 is on the same
#: processors (docs/quantization.md).
FAST_INT8 = ("avx512_vnni",)


def chosen(
    precision: str | None,
    checkpoint: Checkpoint,
    preprocessing: Preprocessing,
    kernels: _kernels.Kernels,
) -> tuple[str, str]:
    """ "float32" or "int8", and the reason.

    ``precision``: one of `PRECISIONS`; None: the environment's SQZNET_PRECISION, else "float32".
    Raises SqznetError for another name, and WeightsError if int8 is asked for and the checkpoint
    does not say how, or says it for another preprocessing.
    """
    reason = "asked for"
    if precision is None:
        precision, reason = os.environ.get("SQZNET_PRECISION"), "the environment's SQZNET_PRECISION"
    if not precision:
        return "float32", "the default"
    if precision not in PRECISIONS:
        raise SqznetError(
            f"precision is {shown(precision)} ({reason}), expected one of {', '.join(PRECISIONS)}"
        )
    if precision == "float32":
        return precision, reason
    obstacle = _obstacle(checkpoint, preprocessing)
    if precision == "int8":
        if obstacle:
            raise WeightsError(f"{checkpoint.path}: precision is 'int8' ({reason}), but {obstacle}")
        return precision, reason
    isa = kernels.int8.isa
    if obstacle:
        return "float32", obstacle
    if isa not in FAST_INT8:
        return "float32", f"int8 is not much faster with {isa}"
    return "int8", f"int8 is faster with {isa}"


def _obstacle(checkpoint: Checkpoint, preprocessing: Preprocessing) -> str | None:
    integers = checkpoint.integers
    if integers is None:
        return (
            "the file does not say how its weights become integers, so it cannot run in int8: "
            "'sqznet quantize' writes a file that does"
        )
    order = checkpoint.preprocessing.channel_order
    expected = (tuple(integers.mean), tuple(integers.std), order)
    if (preprocessing.mean, preprocessing.std, preprocessing.channel_order) != expected:
        return "the file's integers are for another preprocessing: quantize it with this one"
    return None
