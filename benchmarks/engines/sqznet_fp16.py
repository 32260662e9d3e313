"""sqznet in half precision."""

from __future__ import annotations

from benchmarks.engines import sqznet


class Adapter(sqznet.Adapter):
    """The same calls; only processors with half-precision arithmetic run it."""

    tolerance = 0.01
    precision = "float16"
