"""ncnn: fp32 with packed layouts, Winograd and sgemm; one image at a time, as it has no batch."""

from __future__ import annotations

from benchmarks.engines.base import MEAN_BGR, SIZE, Engine, rank

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from benchmarks.network import Array, Plan, Shape, Weights


class Adapter(Engine):
    """Photos go through OpenCV's decoder and ncnn's own resize, as in ncnn's examples."""

    package = "ncnn"
    module = "ncnn"
    half = False  # fp16 numbers and arithmetic, where the processor has it

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        from benchmarks.model_files import ncnn_file

        return str(ncnn_file.write(plan, weights, folder / "squeezenet.param"))

    def __init__(self, model: str, threads: int, shape: Shape) -> None:
        import ncnn

        self._ncnn: Any = ncnn
        self._net = net(model, threads, self.half)

    def feed(self, x: Array) -> Any:
        self._fed_from = x  # a Mat points into the array's memory
        return [self._ncnn.Mat(image) for image in x]

    def infer(self, fed: Any) -> Array:
        import numpy as np

        rows = []
        for image in fed:
            extractor = self._net.create_extractor()
            extractor.input("image", image)
            status, logits = extractor.extract("logits")
            if status:
                raise RuntimeError(f"ncnn failed with status {status}")
            rows.append(np.array(logits))
        return np.stack(rows)

    def top5(self, photo: str) -> list[int]:
        import cv2

        pixels: Any = cv2.imread(photo)
        mat = self._ncnn.Mat
        height, width = pixels.shape[:2]
        bgr = mat.PixelType.PIXEL_BGR
        image = mat.from_pixels_resize(pixels, bgr, width, height, SIZE, SIZE)
        image.substract_mean_normalize(list(MEAN_BGR), [])
        return rank(self.infer([image]))


def net(model: str, threads: int, half: bool = False) -> Any:
    """A model, a .param file with its .bin, ready to run."""
    import ncnn

    loaded: Any = ncnn.Net()
    option = loaded.opt
    option.num_threads = threads
    option.lightmode = True  # frees each blob after its last use; measured faster than not
    option.use_packing_layout = True
    option.use_winograd_convolution = True
    option.use_sgemm_convolution = True
    for use in ("fp16_storage", "fp16_packed", "fp16_arithmetic"):
        setattr(option, f"use_{use}", half)
    option.use_bf16_storage = False
    if loaded.load_param(model) or loaded.load_model(model[: -len("param")] + "bin"):
        raise RuntimeError(f"ncnn could not load {model}")
    return loaded
