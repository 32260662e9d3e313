"""LiteRT (TensorFlow Lite): its XNNPACK delegate, which the interpreter applies by default."""

from __future__ import annotations

from benchmarks.engines.base import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from benchmarks.network import Array, Plan, Shape, Weights


class Adapter(Engine):
    """NHWC inside, so `feed` transposes. CompiledModel was measured equal and logs at length."""

    package = "ai-edge-litert"
    module = "ai_edge_litert"

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        from benchmarks.model_files import tflite_file

        return str(tflite_file.write(plan, weights, shape, folder / "squeezenet.tflite"))

    def __init__(self, model: str, threads: int, shape: Shape) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter: Any = Interpreter(model_path=model, num_threads=threads)
        self.interpreter.allocate_tensors()
        self._input = self.interpreter.get_input_details()[0]["index"]
        self._output = self.interpreter.get_output_details()[0]["index"]

    def feed(self, x: Array) -> Any:
        import numpy as np

        return np.ascontiguousarray(x.transpose(0, 2, 3, 1))

    def infer(self, fed: Any) -> Array:
        self.interpreter.set_tensor(self._input, fed)
        self.interpreter.invoke()
        logits: Array = self.interpreter.get_tensor(self._output)
        return logits
