"""ncnn on an 8-bit network; what stays float is in half precision where the processor has it."""

from __future__ import annotations

from benchmarks.engines import ncnn_fp16

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.network import Plan, Shape, Weights


class Adapter(ncnn_fp16.Adapter):
    """The same settings."""

    tolerance = 0.2

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        from benchmarks.model_files import ncnn_file

        return str(ncnn_file.write(plan, weights, folder / "squeezenet.param", int8=True))
