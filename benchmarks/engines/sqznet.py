"""sqznet itself."""

from __future__ import annotations

from benchmarks.engines.base import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from benchmarks.network import Array, Plan, Shape, Weights


class Adapter(Engine):
    """The public API only; the transpose to channel-last is inside the timed call."""

    package = "sqznet"
    module = "sqznet"
    precision: str | None = "float32"

    @classmethod
    def available(cls) -> str | None:
        try:
            from sqznet import load  # the bare source folder imports but has no load
        except ImportError as error:
            return f"sqznet is not installed ({error})"
        del load
        return None

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        from benchmarks.model_files import safetensors_file

        return str(safetensors_file.write(weights, folder / "squeezenet.safetensors"))

    def __init__(self, model: str, threads: int, shape: Shape) -> None:
        import sqznet

        self._model: Any = sqznet.load(
            model, threads=threads, preprocessing="squash-bgr", precision=self.precision
        )

    def infer(self, fed: Any) -> Array:
        logits: Array = self._model.logits(fed)
        return logits

    def top5(self, photo: str) -> list[int]:
        return [prediction.index for prediction in self._model.classify(photo, top=5)]
