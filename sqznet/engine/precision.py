"""Chooses the type of numbers that a network computes with, and says why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqznet import _kernels
from sqznet.errors import SqznetError, WeightsError, shown
from sqznet.images.preprocessing import Preprocessing
from sqznet.network.variants import Wiring
from sqznet.weights.checkpoint import Checkpoint

if TYPE_CHECKING:
    from sqznet.network.detector import AnyDesign

PRECISIONS = ("float32", "int8", "auto")

#: The instruction sets whose int8 kernels are at least 1.2 times as fast as float32 is on the same
#: processors (docs/quantization.md). avx_vnni was not measured itself: the multipliers of a Zen 4,
#: where avx512_vnni was, have 256 bits, too, and start as many of these products a cycle as of
#: float32's, which also holds for processors with AVX-VNNI.
FAST_INT8 = ("avx512_vnni", "avx_vnni")


def chosen(
    precision: str | None,
    checkpoint: Checkpoint,
    preprocessing: Preprocessing,
    kernels: _kernels.Kernels,
    wiring: Wiring | None = None,
) -> tuple[str, str]:
    """ "float32" or "int8", and the reason.

    ``precision``: one of `PRECISIONS`; None: the environment's SQZNET_PRECISION, else "float32", or
    "int8" for a file that rounds activations to 8 bits: its own numbers are integers, and float32
    imitates them. ``wiring``: None for the checkpoint's.
    Raises SqznetError for another name, and WeightsError if int8 is asked for and the checkpoint
    does not say how, or says it for another preprocessing.
    """
    reason = "asked for"
    if precision is None:
        precision, reason = os.environ.get("SQZNET_PRECISION"), "the environment's SQZNET_PRECISION"
    if precision and precision not in PRECISIONS:
        raise SqznetError(
            f"precision is {shown(precision)} ({reason}), expected one of {', '.join(PRECISIONS)}"
        )
    if precision == "float32":
        return precision, reason
    if not precision and not checkpoint.activations:
        return "float32", "the default"
    obstacle = _obstacle(checkpoint, preprocessing, wiring or checkpoint.wiring)
    if precision == "int8":
        if obstacle:
            raise WeightsError(f"{checkpoint.path}: precision is 'int8' ({reason}), but {obstacle}")
        return precision, reason
    if checkpoint.activations:
        return ("float32", obstacle) if obstacle else ("int8", "the file's own numbers")
    isa = kernels.int8.isa
    if obstacle:
        return "float32", obstacle
    if isa not in FAST_INT8:
        return "float32", f"int8 is not much faster with {isa}"
    return "int8", f"int8 is faster with {isa}"


def _obstacle(checkpoint: Checkpoint, preprocessing: Preprocessing, wiring: Wiring) -> str | None:
    integers = checkpoint.integers
    if checkpoint.detector is not None and _has_anchors(checkpoint.detector):
        return "the head of a SqueezeDet computes in float32 only"
    if preprocessing.standardize:
        return "each photo is normalized by its own mean and deviation"
    if integers is None:
        return checkpoint.reasons.get("integers") or (
            "the file does not say how its weights become integers, so it cannot run in int8: "
            "'sqznet quantize' writes a file that does"
        )
    if integers.limits is not None:  # its input is rounded, whatever the preprocessing
        last = integers.convs.get("classifier.1")
        if last is not None and last.output_scales and not wiring.conv10_relu:
            return "the file rounds the output of its last convolution after a ReLU"
        return None
    order = checkpoint.preprocessing.channel_order
    expected = (tuple(integers.mean), tuple(integers.std), order)
    if (preprocessing.mean, preprocessing.std, preprocessing.channel_order) != expected:
        return "the file's integers are for another preprocessing: quantize it with this one"
    return None


def _has_anchors(design: AnyDesign) -> bool:
    from sqznet.network.convdet import AnchorDesign  # takes time that a classifier does not need

    return isinstance(design, AnchorDesign)
