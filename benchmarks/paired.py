"""Ratios of pairs that were measured one right after the other, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_DRAWS = 2000
_SHARE = 0.95


@dataclass(frozen=True)
class Ratio:
    """The median of new / old, and the interval that holds it with 95 % confidence."""

    median: float
    low: float
    high: float

    def verdict(self, limit: float) -> str:
        """Whether the ratio is at most `limit`: "ok" and "EXCEEDED" are sure, "unclear" is not."""
        if self.low > limit:
            return "EXCEEDED"
        return "ok" if self.high <= limit else "unclear"


def ratio(groups: Sequence[Sequence[tuple[float, float]]]) -> Ratio:
    """The ratio of all pairs (old, new), by bootstrap.

    A group holds the pairs of one pair of processes; all groups are equally large. Where its memory
    happens to lie makes a process some percent slower or faster for as long as it lives, so the
    pairs of a group are no independent samples: each draw takes groups at random, and then pairs
    at random in each. Raises ValueError where there is no pair.
    """
    samples = np.array([[new / old for old, new in group] for group in groups])
    if not samples.size:
        raise ValueError("no pair was measured")
    rng = np.random.default_rng(0)
    count, size = samples.shape
    drawn_groups = rng.integers(count, size=(_DRAWS, count, 1))
    drawn_pairs = rng.integers(size, size=(_DRAWS, count, size))
    medians = np.median(samples[drawn_groups, drawn_pairs], axis=(1, 2))
    rest = (1 - _SHARE) / 2
    low, high = np.quantile(medians, (rest, 1 - rest))
    return Ratio(float(np.median(samples)), float(low), float(high))
