"""Embeds a photo as a vector: similar photos have vectors with similar directions."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sqznet.batch.photos import in_order
from sqznet.errors import SqznetError
from sqznet.images.callers import Reading, several
from sqznet.images.finding import Found

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sqznet.engine.pipeline import Pipeline

    Vectors = npt.NDArray[np.float32]

#: The layer whose feature maps are averaged: the last one before the classifier.
LAYER = "fire9"


class FileVector(NamedTuple):
    """The vector of a file, float32 (D,), or the error why there is none."""

    path: str
    vector: Vectors | None
    error: SqznetError | None


def length(model: Pipeline) -> int:
    """The length of a vector, which is the number of channels: 512, fewer for a pruned network."""
    network = model.executor.network
    return network.channels(network.layer_names[LAYER])


def embed(model: Pipeline, images: Any, normalize: bool, how: Reading) -> Vectors:
    """float32 (N, D); see ``Model.embed``."""
    import numpy as np

    listed = several(images)
    found = model.feature_maps([images] if listed is None else listed, (LAYER,), **vars(how))
    rows = [maps[LAYER].mean(axis=(0, 1), dtype=np.float64) for maps in found]
    vectors = np.array(rows, np.float32).reshape(len(rows), length(model))
    return normalized(vectors) if normalize else vectors


def normalized(vectors: Vectors) -> Vectors:
    """The vectors scaled to length 1; a zero vector stays zero."""
    import numpy as np

    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    scaled: Vectors = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return scaled


def embed_files(
    model: Pipeline, paths: Iterable[Found], fast_decode: bool = False
) -> Generator[FileVector, None, None]:
    """The vectors of the files, in order, computed on all threads of the model."""
    return in_order(partial(_embed_file, model.alone(), fast_decode), paths, model.threads)


def nearest(query: Vectors, vectors: Vectors, top: int) -> list[tuple[int, float]]:
    """The ``top`` rows most similar to ``query``, best first: row indices and cosines in -1..1.

    ``query``: float32 (1, D); ``vectors``: float32 (N, D), of any lengths. Rows with equal cosines
    stay in order.
    """
    import numpy as np

    cosines = np.clip(normalized(vectors) @ normalized(query)[0], -1, 1)
    best = np.argsort(-cosines, kind="stable")[:top]
    return [(int(row), float(cosines[row])) for row in best]


def _embed_file(model: Pipeline, fast_decode: bool, found: Found) -> FileVector:
    if found.error is not None:
        return FileVector(found.path, None, found.error)
    try:
        return FileVector(
            found.path, embed(model, found.image, False, Reading(fast_decode))[0], None
        )
    except SqznetError as error:
        return FileVector(found.path, None, error)
