"""The lowest scores that a caller asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, SupportsFloat

from sqznet.errors import SqznetError, shown

#: The lowest score that an answer has, unless the caller says otherwise: fit for drawing boxes.
DEFAULT = 0.35

Threshold = float | Mapping[str, float]


def by_class(threshold: Threshold, labels: Sequence[str]) -> list[float]:
    """The lowest score of each class.

    ``threshold``: one for all classes, or a mapping from labels to thresholds; a class that it
    leaves out has the default. Raises SqznetError for a label that no class has, and for anything
    but a number in 0..1.
    """
    if not isinstance(threshold, Mapping):
        return [_checked(threshold, "threshold")] * len(labels)
    for label in threshold:
        if label not in labels:
            raise SqznetError(
                f"threshold has the label {shown(label)}, expected one of {', '.join(labels)}"
            )
    given = {label: _checked(value, f"threshold of {label}") for label, value in threshold.items()}
    return [given.get(label, DEFAULT) for label in labels]


def _checked(value: Any, what: str) -> float:
    number = math.nan
    if isinstance(value, SupportsFloat) and not isinstance(value, bool):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
    if not 0 <= number <= 1:
        raise SqznetError(f"{what} is {shown(value)}, expected a number from 0 to 1")
    return number
