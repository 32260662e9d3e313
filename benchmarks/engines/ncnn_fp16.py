"""ncnn as it is installed: half precision where the processor computes with it."""

from __future__ import annotations

from benchmarks.engines import ncnn


class Adapter(ncnn.Adapter):
    """On other processors, only the weights are stored in half precision."""

    half = True
    tolerance = 0.02
