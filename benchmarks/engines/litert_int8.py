"""LiteRT on an 8-bit network."""

from __future__ import annotations

from benchmarks.engines import litert

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from benchmarks.network import Array, Plan, Shape, Weights


class Adapter(litert.Adapter):
    """The same settings. Its input is int8, so that `feed` rounds it, which is not timed."""

    tolerance = 0.2

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        from benchmarks.model_files import tflite_file

        return str(tflite_file.write(plan, weights, shape, folder / "squeezenet.tflite", int8=True))

    def feed(self, x: Array) -> Any:
        import numpy as np

        scale, zero = self.interpreter.get_input_details()[0]["quantization"]
        levels = np.round(super().feed(x) / np.float32(scale)) + zero
        return levels.clip(-128, 127).astype(np.int8)

    def infer(self, fed: Any) -> Array:
        scale, zero = self.interpreter.get_output_details()[0]["quantization"]
        logits: Array = (super().infer(fed).astype("f4") - zero) * scale
        return logits
