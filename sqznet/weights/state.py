"""What readers of named tensors give: a SqueezeNet, or what there is of one."""

from __future__ import annotations

from collections.abc import Mapping

from sqznet.weights.checkpoint import RawTensor


class Other:
    """A tensor that cannot be a weight. why: such as ``"has element type I64"``."""

    def __init__(self, why: str, shape: tuple[int, ...]) -> None:
        self.why = why
        self.shape = shape


class Parameter:
    """A weight or bias: the file's names of the tensors that give it, by their role in it, see
    `layouts.Tensor`. label: the name to show."""

    def __init__(self, label: str, roles: Mapping[str, str]) -> None:
        self.label = label
        self.roles = roles


class State:
    """A SqueezeNet in a file.

    tensors: by torchvision's names; what is left of one has whatever else is beside it, by its own
        names. own: the file's names of the expected tensors, for messages.
    choice: a line about which of several networks this is; left_out: one about what else is in the
        file; "" for nothing. variant: as in `Checkpoint`, if known.
    is_linear: whether the classifier is a linear layer, which comes after the average.
    """

    def __init__(
        self,
        tensors: dict[str, RawTensor],
        own: Mapping[str, str],
        choice: str = "",
        left_out: str = "",
        variant: str | None = None,
        is_linear: bool = False,
    ) -> None:
        self.tensors = tensors
        self.own = own
        self.choice = choice
        self.left_out = left_out
        self.variant = variant
        self.is_linear = is_linear
