"""OpenVINO: the latency hint, fp32 forced (it may pick bfloat16 where the CPU has it)."""

from __future__ import annotations

from benchmarks.engines.base import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from benchmarks.network import Array, Plan, Shape, Weights


class Adapter(Engine):
    """Input and output are shared, not copied."""

    package = "openvino"
    module = "openvino"

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        from benchmarks.model_files import onnx_file

        return str(onnx_file.write(plan, weights, shape, folder / "squeezenet.onnx"))

    def __init__(self, model: str, threads: int, shape: Shape) -> None:
        import openvino

        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        self._request: Any = compiled.create_infer_request()

    def infer(self, fed: Any) -> Array:
        outputs = self._request.infer([fed], share_inputs=True, share_outputs=True)
        logits: Array = outputs[0]
        return logits
