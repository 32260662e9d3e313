"""The ranges of a network's maps on photos, from which writers of 8-bit files take their scales.

From the minimum to the maximum, as the engines' own quantizers do by default.
"""

from __future__ import annotations

from benchmarks.material import find_photos, network_input, some
from benchmarks.network import Plan, Weights, maps

_PHOTOS = 16


def measure(plan: Plan, weights: Weights) -> dict[str, tuple[float, float]]:
    """The least and the largest value of the input and of every layer's output."""
    ranges: dict[str, tuple[float, float]] = {}
    for photo in some(find_photos(), _PHOTOS):
        for name, values in maps(plan, weights, network_input([photo])[0]).items():
            least, largest = ranges.get(name, (0.0, 0.0))
            ranges[name] = min(least, float(values.min())), max(largest, float(values.max()))
    return ranges
