"""sqznet on the 8-bit file that onnxruntime runs, by the file's own numbers."""

from __future__ import annotations

from benchmarks.engines import onnxruntime_int8, sqznet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.network import Plan, Shape, Weights


class Adapter(sqznet.Adapter):
    """The same calls."""

    tolerance = 0.2
    precision = None  # the file says which

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        return onnxruntime_int8.Adapter.write(plan, weights, shape, folder)
