"""How far a run has come, by epochs or by time, and the learning rate then."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqznet.errors import SqznetError, checked_count, shown

# The learning rate grows from nothing during this share of a run, then it falls along half a cosine
# to this share of the peak (Loshchilov and Hutter, arXiv:1608.03983).
_WARM_UP = 0.05
_FLOOR = 0.01

#: A run ends early if the last so large a share of it brought nothing better, and so many epochs.
PATIENCE, PATIENT_EPOCHS = 0.4, 8


def rate_at(progress: float) -> float:
    """The learning rate as a share of its peak; ``progress``: the share of the run that is done."""
    if progress < _WARM_UP:
        return max(progress / _WARM_UP, _FLOOR)
    done = min((progress - _WARM_UP) / (1 - _WARM_UP), 1.0)
    return _FLOOR + (1 - _FLOOR) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class Limits:
    """When a run ends: after so many epochs, or so many seconds, whichever is first.

    Raises SqznetError unless one of them is given, and each is above 0.
    """

    epochs: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None:
            checked_count("epochs", self.epochs)
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise SqznetError(f"a time limit of {shown(self.seconds)} s, expected more than 0")
        if self.epochs is None and self.seconds is None:
            raise SqznetError("expected a number of epochs, a time limit, or both; found neither")

    def progress(self, epochs: float, seconds: float) -> float:
        """The share of the run that is done after so many epochs and seconds: 0..1."""
        shares = (
            0.0 if self.epochs is None else epochs / self.epochs,
            0.0 if self.seconds is None else seconds / self.seconds,
        )
        return min(max(shares), 1.0)
