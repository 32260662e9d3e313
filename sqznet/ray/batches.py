"""Callable classes for ``ray.data.Dataset.map_batches``.

A batch is a dict of NumPy arrays, as Ray Data passes it by default. The photos are in its column
"bytes" (files, as ``ray.data.read_binary_files`` gives them), else "image" (uint8 RGB, as
``ray.data.read_images`` gives them), else "path" (files that the worker reads itself, also from
s3:// and gs://). Every other column is passed on; "bytes" and "image" are not.

A photo that cannot be read ends no job: its row has the reason in the column "error", "" in texts,
NaN in numbers and -1 as index. The column is "" for all others. So each column has one type in
every batch, and the files that are written of them have one schema.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqznet.api import load
from sqznet.detection import detector as detectors
from sqznet.detection.loading import load_detector
from sqznet.detection.thresholds import DEFAULT, Threshold
from sqznet.errors import SqznetError, checked_count
from sqznet.files.paths import stored_text
from sqznet.ray.library import ray_library
from sqznet.ray.storage import fetched
from sqznet.weights.locate import WeightsLike

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sqznet.answers import Prediction
    from sqznet.boxes import Detection
    from sqznet.learning.recognizer import Recognizer
    from sqznet.methods import Limited
    from sqznet.model import Model

    Batch = dict[str, npt.NDArray[Any]]

Answer = TypeVar("Answer")

#: The columns that photos are taken from, the first that is there.
COLUMNS = ("bytes", "image", "path")


def per_core(**options: Any) -> dict[str, Any]:
    """The arguments of ``map_batches`` for up to one actor a core of the connected Ray cluster.

    ``options``: those of the class. The actors share the cores with what reads the photos: Ray
    starts more of them the longer photos wait. To be used as
    ``photos.map_batches(Classifier, **per_core(top=1))``.
    Raises SqznetError if Ray is not installed, and if it is not connected to a cluster with cores.
    """
    ray = ray_library(data=True)
    if not ray.is_initialized():
        raise SqznetError("not connected to a Ray cluster: call ray.init() first")
    cores = int(ray.cluster_resources().get("CPU", 0))
    if not cores:
        raise SqznetError("the Ray cluster has no cores: expected a node with CPU resources")
    return {
        "compute": ray.data.ActorPoolStrategy(min_size=1, max_size=cores),
        "num_cpus": 1,
        "batch_size": 32,
        "fn_constructor_kwargs": options,
    }


class Classifier:
    """Names what is on the photos of a batch, for ``map_batches``.

    ``model``: what ``sqznet.load`` takes, or what it returned. Each object computes on one thread.
    ``top``, ``fast_decode``: as for ``Model.classify``.

    Called with a batch, it adds the columns label_1 (text), score_1 (float32), index_1 (int32),
    label_2 and so on, best first, as ``sqznet classify --columns one-row`` does, and error (text).
    Raises SqznetError for a batch without photos' columns, and what ``sqznet.load`` raises.
    """

    def __init__(
        self,
        model: WeightsLike | Model | Recognizer = None,
        *,
        top: int = 5,
        fast_decode: bool = False,
    ) -> None:
        loaded: Any = model if hasattr(model, "classify_each") else load(model, threads=1)
        self._model: Limited = loaded.alone()
        self._top = self._model.checked_top(top)
        self._fast_decode = fast_decode

    def __call__(self, batch: Batch) -> Batch:
        import numpy as np

        def answer(image: Any) -> list[Prediction] | SqznetError:
            return self._model.classify_each([image], self._top, self._fast_decode)[0]

        answers, errors = _answered(batch, answer)
        made = _kept(batch)
        for rank in range(self._top):
            found = [row[rank] if row and len(row) > rank else None for row in answers]
            made[f"label_{rank + 1}"] = _texts([p.label if p else "" for p in found])
            made[f"score_{rank + 1}"] = np.array(
                [p.score if p else np.nan for p in found], np.float32
            )
            made[f"index_{rank + 1}"] = np.array([p.index if p else -1 for p in found], np.int32)
        made["error"] = errors
        return made


class Embedder:
    """Makes a vector of each photo of a batch, for ``map_batches``.

    ``model``: what ``sqznet.load`` takes, or a Model. Each object computes on one thread.
    ``normalize``, ``fast_decode``: as for ``Model.embed``.

    Called with a batch, it adds the columns vector (float32, N x 512) and error (text).
    Raises SqznetError for a batch without photos' columns, and what ``sqznet.load`` raises.
    """

    def __init__(
        self,
        model: WeightsLike | Model = None,
        *,
        normalize: bool = False,
        fast_decode: bool = False,
    ) -> None:
        from sqznet.insight.embedding import length

        loaded: Any = model if hasattr(model, "embed") else load(model, threads=1)
        loaded = getattr(loaded, "model", loaded)  # a recognizer has the network that it is made of
        self._model: Model = loaded.alone()
        self._length = length(self._model)
        self._how = (normalize, fast_decode)

    def __call__(self, batch: Batch) -> Batch:
        import numpy as np

        def answer(image: Any) -> npt.NDArray[np.float32]:
            vector: npt.NDArray[np.float32] = self._model.embed([image], *self._how)[0]
            return vector

        answers, errors = _answered(batch, answer)
        made = _kept(batch)
        nothing = np.full(self._length, np.nan, np.float32)
        rows = [nothing if vector is None else vector for vector in answers]
        made["vector"] = np.array(rows, np.float32).reshape(len(rows), self._length)
        made["error"] = errors
        return made


class Detector:
    """Finds things on the photos of a batch, for ``map_batches``.

    ``detector``: what ``sqznet.load_detector`` takes, or what it returned. Each object computes on
    one thread. ``threshold``, ``top``, ``fast_decode``: as for ``sqznet.Detector.detect``.

    Called with a batch, it gives a row for each thing that was found, best first, with the other
    columns of its photo and rank (int32, from 1), label (text), score (float32), index (int32), x0,
    y0, x1, y1 (float32, pixels of the upright photo), error (text). A photo on which nothing was
    found, or which cannot be read, has one row with rank 0.
    Raises SqznetError for a batch without photos' columns, and what ``load_detector`` raises.
    """

    def __init__(
        self,
        detector: WeightsLike | detectors.Detector = None,
        *,
        threshold: Threshold = DEFAULT,
        top: int = 100,
        fast_decode: bool = False,
    ) -> None:
        if not isinstance(detector, detectors.Detector):
            detector = load_detector(detector, threads=1)
        self._detector: detectors.Detector = detector.alone()
        self._detector.ask(threshold, top)
        self._ask = (threshold, checked_count("top", top), fast_decode)

    def __call__(self, batch: Batch) -> Batch:
        import numpy as np

        def answer(image: Any) -> list[Detection] | SqznetError:
            return self._detector.detect_each([image], *self._ask)[0]

        answers, errors = _answered(batch, answer)
        rows: list[Sequence[Detection | None]] = [found or [None] for found in answers]
        repeated = np.repeat(np.arange(len(rows)), [len(found) for found in rows])
        things = [thing for found in rows for thing in found]
        made = {name: column[repeated] for name, column in _kept(batch).items()}
        ranks = [rank if found[0] else 0 for found in rows for rank, _ in enumerate(found, 1)]
        made["rank"] = np.array(ranks, np.int32)
        made["label"] = _texts([t.label if t else "" for t in things])
        made["score"] = np.array([t.score if t else np.nan for t in things], np.float32)
        made["index"] = np.array([t.index if t else -1 for t in things], np.int32)
        boxes = np.array([t.box[:4] if t else (np.nan,) * 4 for t in things], np.float32)
        for i, name in enumerate(("x0", "y0", "x1", "y1")):
            made[name] = boxes.reshape(len(things), 4)[:, i]
        made["error"] = errors[repeated]
        return made


def _answered(
    batch: Batch, answer: Callable[[Any], Answer | SqznetError]
) -> tuple[list[Answer | None], npt.NDArray[np.str_]]:
    """What is made of each photo, None if it cannot be read; and the reasons."""
    column = next((name for name in COLUMNS if name in batch), None)
    if column is None:
        names = ", ".join(map(str, batch)) or "none"
        raise SqznetError(f"a batch with the columns {names}, expected {', '.join(COLUMNS)}")
    answers: list[Answer | None] = []
    errors: list[str] = []
    for value in batch[column]:
        try:
            found = answer(_image(str(value)) if column == "path" else value)
        except SqznetError as error:
            found = error
        failed = isinstance(found, SqznetError)
        answers.append(None if isinstance(found, SqznetError) else found)
        errors.append(str(found) if failed else "")
    return answers, _texts(errors)


def _image(path: str) -> Any:
    """What decodes to the photo. Raises ImageError if it is not there."""
    photo = fetched(path)
    if photo.error is not None:
        raise photo.error
    return photo.image


def _kept(batch: Batch) -> Batch:
    return {name: column for name, column in batch.items() if name not in ("bytes", "image")}


def _texts(texts: Sequence[str]) -> npt.NDArray[np.str_]:
    """Never an array of objects, which has no type if all of them are None."""
    import numpy as np

    return np.array(list(map(stored_text, texts)), np.str_)
