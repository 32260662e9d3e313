"""OpenVINO on an 8-bit network."""

from __future__ import annotations

from benchmarks.engines import openvino

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.network import Plan, Shape, Weights


class Adapter(openvino.Adapter):
    """The same settings; layers that are not quantized run in fp32."""

    tolerance = 0.2

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        from benchmarks.model_files import int8_file

        return str(int8_file.write(plan, weights, shape, folder / "squeezenet-int8.onnx"))
