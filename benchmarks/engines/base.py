"""The interface of adapters, and the preprocessing for engines without their own."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from benchmarks.network import Array, Plan, Shape, Weights

# The preprocessing of the bundled weights: the whole photo squashed to the input, BGR, 0..255.
MEAN_BGR = (103.939, 116.779, 123.68)
SIZE = 224


class Engine:
    """One inference engine running one fixed network, thread count and input shape.

    `write` turns the weights into a model file and may be slow; the constructor loads that file as
    the engine's documentation recommends for lowest fp32 CPU latency. `feed` brings a batch into
    the engine's own layout and is never timed, so that a rival is not charged for a transpose that
    its users would not do; `infer` is what is timed.
    """

    package = ""  # on PyPI
    module = ""  # what to import
    tolerance = 1e-3  # largest logit error / largest logit, against float64

    @classmethod
    def available(cls) -> str | None:
        """Why this engine cannot be used here, or None. Imports the engine."""
        try:
            __import__(cls.module)
        except ImportError as error:
            return f"{cls.package} is not installed ({error})"
        return None

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        """Write the model file into `folder` for `shape` (batch, height, width); its path."""
        raise NotImplementedError

    def __init__(self, model: str, threads: int, shape: Shape) -> None:
        raise NotImplementedError

    def feed(self, x: Array) -> Any:
        """`x` (N, 3, H, W) float32, already preprocessed, as `infer` takes it."""
        return x

    def infer(self, fed: Any) -> Array:
        """Logits (N, classes) as float32."""
        raise NotImplementedError

    def __call__(self, x: Array) -> Array:
        """Logits of a preprocessed batch."""
        return self.infer(self.feed(x))

    def top5(self, photo: str) -> list[int]:
        """Class indices of a JPEG file, best first: decode, preprocess, infer, rank."""
        return rank(self.infer(self.feed(read_with_pillow(photo))))


def rank(logits: Array) -> list[int]:
    """The five best classes of one image. Softmax keeps the order, but users compute it: so do we.

    The maximum is subtracted first, as usual, so that exp cannot overflow.
    """
    import numpy as np

    scores = np.exp(logits[0] - logits[0].max())
    scores /= scores.sum()
    best = np.argpartition(scores, -5)[-5:]
    order: list[int] = best[np.argsort(-scores[best])].tolist()
    return order


def read_with_pillow(photo: str) -> Array:
    """A photo as (1, 3, 224, 224) float32, preprocessed as in the training of the weights."""
    from PIL import Image

    with Image.open(photo) as image:
        return prepared(image)


def prepared(image: Any) -> Array:
    """The same of an image of Pillow."""
    import numpy as np
    from PIL import Image

    small = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    bgr = np.asarray(small, np.float32)[:, :, ::-1] - np.array(MEAN_BGR, np.float32)
    return np.ascontiguousarray(bgr.transpose(2, 0, 1)[None])
