"""ONNX Runtime: all graph optimizations, one operator at a time over N threads that spin."""

from __future__ import annotations

from benchmarks.engines.base import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from benchmarks.network import Array, Plan, Shape, Weights


class Adapter(Engine):
    """Spinning stays on, as by default: it gives the lowest latency."""

    package = "onnxruntime"
    module = "onnxruntime"

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        from benchmarks.model_files import onnx_file

        return str(onnx_file.write(plan, weights, shape, folder / "squeezenet.onnx"))

    def __init__(self, model: str, threads: int, shape: Shape) -> None:
        self._session = session(model, threads)

    def infer(self, fed: Any) -> Array:
        logits: Array = self._session.run(["logits"], {"image": fed})[0]
        return logits


def session(model: str, threads: int) -> Any:
    """A model, ready to run."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
