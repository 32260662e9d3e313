"""A model that a server offers under a name, and what the server's threads do with it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sqznet import _kernels
from sqznet.answers import Prediction
from sqznet.errors import ImageError, SqznetError
from sqznet.images.pixels import Pixels
from sqznet.insight import explain, painting
from sqznet.learning.recognizer import Recognizer
from sqznet.model import Model
from sqznet.serving.photos import decoded, each

if TYPE_CHECKING:
    from PIL import Image

    from sqznet.insight.heatmap import Evidence

Arrays = Mapping[str, npt.NDArray[Any]]

# The longest side in pixels of the picture of an explanation.
_PICTURE_SIDE = 640


class Question(NamedTuple):
    """A photo file of a client, and how many answers it wants."""

    photo: bytes
    top: int
    fast_decode: bool = False


class Doubt(NamedTuple):
    """A photo file of a client, and the class that it asks about; None: the most likely."""

    photo: bytes
    label: str | None = None


class Served:
    """A model under a name. ``classify``, ``scores`` and those after it are tasks of a `Batcher`:
    each gives an answer, or an error, for each of several items.

    ``pixels``: the most that a photo may have.
    """

    def __init__(self, name: str, model: Model | Recognizer, pixels: int) -> None:
        self.name, self.model, self._most = name, model, pixels
        self.network: Model = model.model if isinstance(model, Recognizer) else model

    @property
    def is_ready(self) -> bool:
        """Whether it has classes to answer with."""
        return bool(self.model.labels)

    def require_ready(self) -> None:
        """Raises SqznetError if it has no classes."""
        self.model.checked_top(1)

    def decode(self, photo: bytes, fast: bool = False) -> Pixels:
        """Raises ImageError, and TooLargeError for a photo with too many pixels."""
        return decoded(self.network, photo, self._most, fast)

    def classify(self, questions: Sequence[Question]) -> list[list[Prediction] | ImageError]:
        """The best predictions for each photo."""
        top = self.model.checked_top(max(question.top for question in questions))
        answers = each(
            lambda question: self.decode(question.photo, question.fast_decode),
            questions,
            lambda photos: self.model.classify(photos, top),
        )
        return [
            answer if isinstance(answer, ImageError) else answer[: question.top]
            for question, answer in zip(questions, answers, strict=True)
        ]

    def scores(self, requests: Sequence[Sequence[Any]]) -> list[Arrays]:
        """Arrays "scores", float32 (N, classes), for each request of N images: preprocessed float32
        (3, H, W), uint8 (H, W, 3) or files. A recognizer adds "unknown", bool (N)."""
        if isinstance(self.model, Recognizer):
            return [self._shares(self.model, images) for images in requests]
        x = np.concatenate([self._input(image) for images in requests for image in images])
        logits = self.model.logits(x)
        ends = np.cumsum([len(images) for images in requests])[:-1]
        return [{"scores": part} for part in np.split(self._activated(logits), ends)]

    def explain(self, doubts: Sequence[Doubt]) -> list[dict[str, Any]]:
        """The class, its score and box, and a picture of the photo with its heat as a data URL."""
        return [self._explained(self._evidence(doubt), doubt.label) for doubt in doubts]

    def draw(self, doubts: Sequence[Doubt]) -> list[bytes]:
        """The picture of `sqznet explain`, as PNG."""
        return [self._drawn(doubt) for doubt in doubts]

    def _input(self, image: Any) -> npt.NDArray[np.float32]:
        if isinstance(image, np.ndarray) and image.dtype == np.float32:
            return image[None]
        return self.network.preprocess(self.decode(image) if isinstance(image, bytes) else image)

    def _shares(self, recognizer: Recognizer, images: Sequence[Any]) -> Arrays:
        decoded = (self.decode(image) if isinstance(image, bytes) else image for image in images)
        found = recognizer.answers(decoded)
        return {
            "scores": np.asarray(found.shares, np.float32),
            "unknown": np.asarray(found.unknown, np.bool_),
        }

    def _activated(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if self.model.activation == "none":
            return logits
        if self.model.activation == "sigmoid":
            e = np.exp(-np.abs(logits))
            return np.asarray(np.where(logits >= 0, 1, e) / (1 + e), np.float32)
        scores = np.empty_like(logits)
        shape = (len(logits), 1, 1, logits.shape[1])
        _kernels.softmax(
            self.network.executor.kernels.f32,
            _kernels.Tensor.over(logits, shape),
            _kernels.Tensor.over(scores, shape),
        )
        return scores

    def _evidence(self, doubt: Doubt) -> Evidence:
        return self.model.evidence(self.decode(doubt.photo))

    def _explained(self, evidence: Evidence, label: str | None) -> dict[str, Any]:
        index = evidence.index(label)
        picture = evidence.picture(_PICTURE_SIDE)
        heat = evidence.heat(index, *picture.shape[:2])
        box = evidence.box(index)
        return {
            "label": evidence.labels[index],
            "score": float(evidence.scores[index]),
            "index": index,
            "box": None if box is None else box[:4],
            "width": evidence.width,
            "height": evidence.height,
            "picture": _data_url(painting.overlay(picture, heat)),
        }

    def _drawn(self, doubt: Doubt) -> bytes:
        picture, _ = explain.draw(self.model, self.decode(doubt.photo), doubt.label)
        return painting.as_png(picture)


def _data_url(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


class Models:
    """The models of a server by their names; the first is the one that a client does not name."""

    def __init__(self, models: Sequence[Served]) -> None:
        self._by_name: dict[str, Served] = {}
        for served in models:
            if served.name in self._by_name:
                raise SqznetError(
                    f"two models named {served.name!r}: give them names, as in NAME=FILE"
                )
            self._by_name[served.name] = served

    def __iter__(self) -> Iterator[Served]:
        return iter(self._by_name.values())

    def get(self, name: str | None) -> Served | None:
        """The model with this name, or None if there is none."""
        return next(iter(self)) if name is None else self._by_name.get(name)

    @property
    def threads(self) -> int:
        return max(served.model.threads for served in self)
