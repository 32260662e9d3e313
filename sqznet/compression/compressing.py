"""Compresses a loaded network, and measures what that costs on photos kept apart."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from math import isfinite, log
from typing import Any, NamedTuple

import numpy as np

from sqznet import weights as files
from sqznet.calibration.quantizing import evenly, float_tensors, kept_apart, rest_of
from sqznet.compression.answers import Answers
from sqznet.compression.classes import Classes
from sqznet.compression.compressor import Compressor, Gathered
from sqznet.compression.encoding import encode
from sqznet.compression.gradients import Differentiable
from sqznet.compression.importance import importances
from sqznet.compression.maps import Floats
from sqznet.compression.photos import crops_for, inputs
from sqznet.compression.things import Things
from sqznet.detection.detector import Detector
from sqznet.engine.classification import Classification
from sqznet.engine.pipeline import Pipeline
from sqznet.errors import ImageError, SqznetError
from sqznet.files.part_file import write_file
from sqznet.images.callers import several
from sqznet.loading import load_model
from sqznet.weights import compressed, metadata
from sqznet.weights.locate import WeightsLike, locate
from sqznet.weights.reading import WeightsFile

#: The most photos that judge the result; more change little.
JUDGED = 100

# The limits of the coarseness, see `rounding.steps`.
_FINEST, _COARSEST = 1e-5, 2e-2

# Passes over the photos: for a wanted size, and for a wanted divergence, which takes one more.
_SIZE_PASSES, _QUALITY_PASSES = 2, 4

# A size is reached if it is not exceeded, and missed by this share at most: where the coarseness of
# the second pass is looked for, and in the end.
_ROUGH, _CLOSE = 0.003, 0.0003
_TRIES = 12

# How the divergence grows with the coarseness: a power of it.
_GROWTH = 2.2


class Compressed(NamedTuple):
    """The result of ``compress``.

    content: the file. calibrated, judged: the number of photos for either. The rest is measured on
    the photos that were kept apart, without labels.

    Of a classifier: agreement: the share of photos with the same best class, 0 to 1. divergence:
    the mean Kullback-Leibler divergence of the softmax from that of the network as it was, in nats.
    top1: by how much top-1 accuracy changes, -1 to 1, by the probabilities of the network as it
    was.

    Of a detector: agreement: the share of the boxes that the other network has, too: the same label
    and at least half in common. divergence: that of all sigmoids and sides on a photo together, see
    `sqznet.compression.things`. top1: None.
    """

    content: bytes
    calibrated: int
    judged: int
    agreement: float
    divergence: float
    top1: float | None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file, which ``sqznet.load`` reads. An old file is replaced when the new one is
        complete. Raises OSError if it cannot be written."""
        write_file(path, self.content)


def compress(
    weights: WeightsLike | Classification | Detector,
    photos: Iterable[Any],
    *,
    size: int | None = None,
    quality: float | None = None,
    advance: Callable[[], None] = lambda: None,
    report: Callable[[ImageError], None] | None = None,
) -> Compressed:
    """Makes a file of a fifth to an eighth of the size of float32, with almost the same answers.

    ``weights``: a Model, a Detector, or anything that ``sqznet.load`` or ``sqznet.load_detector``
    takes. ``photos``: images of the kind that the network will see, as for ``classify``, without
    labels: 250 or more. A quarter of them, at most 100, is kept apart: the result says how well the
    compressed network agrees on these.
    ``size``: the most bytes that the file may have; ``quality``: the Kullback-Leibler divergence
    that it may have, in nats; default: 4 to 5 bits for each weight.
    ``advance`` is called `steps` times. ``report``: called for a photo that cannot be read, which
    is then left out; None: its error is raised.

    Raises WeightsError as ``load`` does, ImageError, and SqznetError for fewer than two photos, or
    for a size or quality that cannot be reached.
    """
    if size is not None and quality is not None:
        raise SqznetError("expected a size or a quality, found both")
    if quality is not None and not (isfinite(quality) and quality > 0):
        raise SqznetError(f"the quality is {quality}, expected a divergence above 0, such as 0.01")
    model = weights if isinstance(weights, Classification | Detector) else _loaded(weights)
    images = list(several(photos) or [photos])
    if len(images) < 2:
        raise SqznetError(
            f"compressing needs photos to calibrate with and to judge by: found {len(images)}, "
            "expected 2 or more, better 250"
        )
    used, apart = ([images[i] for i in part] for part in divided(len(images)))
    return Search(model, used, apart, advance, report).found(size, quality)


def _loaded(weights: WeightsLike) -> Classification | Detector:
    path = locate(weights)
    checkpoint = files.read(path)
    return load_model(path) if checkpoint.detector is None else Detector(checkpoint)


def answers_of(model: Classification | Detector) -> Answers:
    """What a model answers. Raises SqznetError for one that lost its head."""
    if isinstance(model, Detector):
        return Things(model)
    if not model.num_classes:
        raise SqznetError(
            "compressing needs a network with a classifier or a detector, by which it is judged"
        )
    return Classes(model)


def steps(model: Pipeline, count: int, size: bool = False, quality: bool = False) -> int:
    """How often `compress` reports progress for ``count`` photos, at most."""
    used, apart = divided(count)
    passes = _SIZE_PASSES if size else _QUALITY_PASSES if quality else 1
    each = len(model.executor.network.convolutions)
    crops = crops_for(model, len(used))
    return len(apart) + len(used) + len(used) * (1 + crops) + (1 + passes) * each


def divided(count: int) -> tuple[list[int], list[int]]:
    """The indices of ``count`` photos for the calibration, and of those kept apart."""
    apart = evenly(kept_apart(count), JUDGED)
    return rest_of(apart, count), apart


class Search:
    """Looks for a file with a wanted size or divergence, with photos to calibrate with and photos
    to judge by. ``layers``: of the last file that was tried. The rest: see `compress`."""

    def __init__(
        self,
        model: Classification | Detector,
        used: Sequence[Any],
        apart: Sequence[Any],
        advance: Callable[[], None] = lambda: None,
        report: Callable[[ImageError], None] | None = None,
    ) -> None:
        self._answers = answers = answers_of(model)
        executor = answers.model.executor
        network = executor.network
        crops = crops_for(model, len(used))

        def read(images: Sequence[Any], of_each: int) -> list[list[Floats]]:
            found = []
            for parts in inputs(model, images, of_each, report):
                found.append(parts)
                advance()
            if not any(found):
                raise SqznetError("none of the photos could be read")
            return [parts for parts in found if parts]

        groups = read(used, crops)
        self._calibrated = len(groups)
        self._photos = [part for parts in groups for part in parts]
        whole = [parts[0] for parts in groups]
        self._apart = [np.ascontiguousarray(x[0].transpose(0, 3, 1, 2)) for x in read(apart, 0)]
        self._expected = answers.of(self._apart)
        tensors = float_tensors(answers.model.checkpoint)
        inner = (executor.kernels, executor.pool)
        differentiable = Differentiable(network, tensors, *inner)
        importance = importances(network, differentiable, answers, self._photos, advance)
        self._compressor = Compressor(network, tensors, importance, *inner, advance)
        self._gathered: list[Gathered] = []
        others = metadata.others(answers.model.checkpoint.metadata)
        self._metadata = {**others, **answers.metadata(whole, advance)}

    def found(self, size: int | None = None, quality: float | None = None) -> Compressed:
        """The file with at most so many bytes, or with at most this divergence."""
        if size is not None:
            return self._judged(self._of_size(size))
        if quality is None:
            return self._judged(self._encoded(self._first(), self._answers.coarseness))
        return self._of_quality(quality)

    def _pass(self, coarseness: float) -> list[Gathered]:
        return self._compressor.compress(self._photos, coarseness)

    def _encoded(self, gathered: Sequence[Gathered], coarseness: float) -> bytes:
        self.layers = [one.coded(coarseness) for one in gathered]
        return encode(self.layers, self._metadata)

    def _of_size(self, size: int) -> bytes:
        """A file of at most so many bytes. The first pass shows which coarseness gives it, the
        second one uses this from the beginning."""
        coarseness, _ = self._fitted(self._first(), size, self._answers.coarseness, _ROUGH)
        return self._fitted(self._pass(coarseness), size, coarseness, _CLOSE)[1]

    def _first(self) -> list[Gathered]:
        """The first pass, which all searches have in common."""
        if not self._gathered:
            self._gathered = self._pass(self._answers.coarseness)
        return self._gathered

    def _fitted(
        self, gathered: Sequence[Gathered], size: int, coarseness: float, tolerance: float
    ) -> tuple[float, bytes]:
        """The least coarseness that these convolutions need for the size, and their file."""
        finest, coarsest = log(_FINEST), log(_COARSEST)
        best: tuple[float, bytes] | None = None
        guess = log(coarseness)
        weights = sum(one.weight.size for one in gathered)
        smallest = 0
        for _ in range(_TRIES):
            content = self._encoded(gathered, float(np.exp(guess)))
            if len(content) <= size:
                if best is None or len(content) >= len(best[1]):
                    best = float(np.exp(guess)), content
                if len(content) >= size * (1 - tolerance):
                    break
                coarsest = guess
            else:
                finest, smallest = guess, len(content)
            # Doubling the coarseness takes about a bit from each weight that is not 0.
            target = size * (1 - tolerance / 2)
            guess += (len(content) - target) * 8 / (1.2 * weights)
            if not finest < guess < coarsest:
                guess = (finest + coarsest) / 2
            if coarsest - finest < 1e-4:
                break
        if best is None:
            raise SqznetError(
                f"the size of {size} bytes cannot be reached: {smallest} bytes are too few already"
            )
        return best

    def _of_quality(self, quality: float) -> Compressed:
        """The smallest file that was found with at most this divergence."""
        best: Compressed | None = None
        coarseness, gathered = self._answers.coarseness, self._first()
        for more in reversed(range(_QUALITY_PASSES)):
            judged = self._judged(self._encoded(gathered, coarseness))
            ok = judged.divergence <= quality
            if ok and (best is None or len(judged.content) < len(best.content)):
                best = judged
            ratio = 0.97 * quality / max(judged.divergence, 1e-9)
            coarseness = float(np.clip(coarseness * ratio ** (1 / _GROWTH), _FINEST, _COARSEST))
            if more:
                gathered = self._pass(coarseness)
        if best is None:
            raise SqznetError(
                f"a divergence of {quality:g} was not reached: the last was {judged.divergence:.4g}"
            )
        return best

    def _judged(self, content: bytes) -> Compressed:
        view = memoryview(content)
        checkpoint = compressed.read(WeightsFile("compressed", "compressed", view))
        compared = self._answers.compared(self._expected, self._answers.of(self._apart, checkpoint))
        return Compressed(content, self._calibrated, len(self._apart), *compared)
