"""OpenCV's dnn module. OpenCV 5 has two graph engines and neither is always faster."""

from __future__ import annotations

import time

from benchmarks.engines.base import MEAN_BGR, SIZE, Engine, rank

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from benchmarks.network import Array, Plan, Shape, Weights


class Adapter(Engine):
    """Photos go through OpenCV's own decoder and blobFromImage, as in its tutorials.

    `feed` tries both engines and keeps the quicker; without it, the library's choice stands.
    """

    package = "opencv-python-headless"
    module = "cv2"

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        from benchmarks.model_files import onnx_file

        return str(onnx_file.write(plan, weights, shape, folder / "squeezenet.onnx"))

    def __init__(self, model: str, threads: int, shape: Shape) -> None:
        import cv2

        cv2.setNumThreads(threads)
        self._cv2: Any = cv2
        self._model = model
        self._net: Any = cv2.dnn.readNetFromONNX(model)
        self._chosen = not hasattr(cv2.dnn, "ENGINE_CLASSIC")

    def feed(self, x: Array) -> Any:
        if not self._chosen:
            self._chosen = True
            dnn = self._cv2.dnn
            nets = [
                dnn.readNetFromONNX(self._model, e) for e in (dnn.ENGINE_NEW, dnn.ENGINE_CLASSIC)
            ]
            self._net = min(nets, key=lambda net: _best_of_five(net, x))
        return x

    def infer(self, fed: Any) -> Array:
        self._net.setInput(fed)
        logits: Array = self._net.forward()
        return logits

    def top5(self, photo: str) -> list[int]:
        blob = self._cv2.dnn.blobFromImage(
            self._cv2.imread(photo), size=(SIZE, SIZE), mean=MEAN_BGR
        )
        return rank(self.infer(blob))


def _best_of_five(net: Any, x: Array) -> float:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        net.setInput(x)
        net.forward()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
