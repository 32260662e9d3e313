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
from sqznet.errors import SqznetError
from sqznet.images.callers import grouped
from sqznet.images.pixels import Pixels
from sqznet.insight import explain, painting
from sqznet.learning.recognizer import Recognizer
from sqznet.model import Model
from sqznet.serving.photos import decoded, each

if TYPE_CHECKING:
    from PIL import Image

    from sqznet.engine.program import Workspace
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
        self._single: Model | Recognizer = model.alone()

    @property
    def is_ready(self) -> bool:
        """Whether it has classes to answer with."""
        return bool(self.model.labels)

    @property
    def lack(self) -> str:
        """Why it is not ready."""
        if isinstance(self.model, Recognizer):
            return "has no classes yet: teach one first"
        return "has no classifier: start the server with --teach to teach it classes"

    def decode(self, photo: bytes, fast: bool = False) -> Pixels:
        """Raises ImageError, and TooLargeError for a photo with too many pixels."""
        return decoded(self.network, photo, self._most, fast)

    def classify(self, questions: Sequence[Question], others: bool) -> list[Any]:
        """The best predictions for each photo, or its error."""
        model = self._single if others else self.model

        def found(question: Question) -> list[Prediction]:
            photo = self.decode(question.photo, question.fast_decode)
            return model.classify(photo, model.checked_top(question.top))

        return each(found, questions)

    def scores(self, requests: Sequence[Sequence[Any]], others: bool) -> list[Arrays]:
        """Arrays "scores", float32 (N, classes), for each request of N images: preprocessed float32
        (3, H, W), uint8 (H, W, 3) or files. A recognizer adds "unknown", bool (N)."""
        model = self._single if others else self.model
        if isinstance(model, Recognizer):
            return [self._shares(model, images) for images in requests]
        logits = self._logits(model, [image for images in requests for image in images])
        ends = np.cumsum([len(images) for images in requests])[:-1]
        return [{"scores": part} for part in np.split(self._activated(logits), ends)]

    def explain(self, doubts: Sequence[Doubt], others: bool) -> list[dict[str, Any]]:
        """The class, its score and box, and a picture of the photo with its heat as a data URL."""
        return [self._explained(self._evidence(doubt), doubt.label) for doubt in doubts]

    def draw(self, doubts: Sequence[Doubt], others: bool) -> list[bytes]:
        """The picture of `sqznet explain`, as PNG."""
        return [self._drawn(doubt) for doubt in doubts]

    def _logits(self, model: Model, images: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Those of inputs of the network, or of photos; never of both in one pass."""
        found = np.empty((len(images), model.num_classes), np.float32)
        floats = [i for i, image in enumerate(images) if _is_input(image)]
        if floats:
            found[floats] = model.logits(np.stack([images[i] for i in floats]))
        photos = [i for i, image in enumerate(images) if not _is_input(image)]
        for rows in grouped(photos, model.threads):
            decoded = [self._pixels(images[i]) for i in rows]
            found[rows] = model.passed(decoded, _logits_of)
        return found

    def _pixels(self, image: Any) -> Pixels:
        return self.decode(image) if isinstance(image, bytes) else self.network.decode(image)

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


def _is_input(image: Any) -> bool:
    return isinstance(image, np.ndarray) and image.dtype == np.float32


def _logits_of(workspace: Workspace) -> npt.NDArray[np.float32]:
    return np.array(workspace.outputs["logits"])[:, 0, 0]


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
