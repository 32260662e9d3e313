"""A loaded detector: ``Detector``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from sqznet.answers import Classifier
from sqznet.boxes import Detection
from sqznet.detection.naming import checked_classifier, named
from sqznet.detection.pipeline import DetectionPipeline
from sqznet.detection.thresholds import DEFAULT, Threshold
from sqznet.engine.portable import fingerprint_of, reduced
from sqznet.errors import SqznetError
from sqznet.images import decoding
from sqznet.images.callers import Reading, grouped, reading, several

if TYPE_CHECKING:
    from sqznet.detection.quantizing import QuantizedDetector


class FileDetections(NamedTuple):
    """The result for one file: its path; what was found, best first; the error if it failed."""

    path: str
    detections: list[Detection]
    error: SqznetError | None


class Detector(DetectionPipeline):
    """A loaded detector, made by ``load_detector``. Any number of threads may use it at once.

    Attributes: ``labels``, a name for each class; ``size``, the (height, width) in pixels to which
    photos are squashed; ``variant``, such as ``"squeezenet1_1"``; ``preprocessing``, how photos
    become its input; ``threads``; ``isa``, the instruction set of its kernels; ``precision``,
    "float32" or "int8"; ``boxes``, which makes answers of the network's outputs.
    """

    def __repr__(self) -> str:
        height, width = self.size
        return (
            f"<sqznet.Detector {self.variant}, {', '.join(self.labels)}, {height}x{width}, "
            f"{self.precision}, {self.isa}, {self.threads} thread{'s' if self.threads > 1 else ''}>"
        )

    @property
    def fingerprint(self) -> str:
        """The variant, and a hash of all that decides the answers: weights, head, preprocessing
        with the size of the input, wiring, labels and, if it computes with them, integers. It is
        the same in every process and on every machine."""
        from sqznet.weights.detectors import to_json
        from sqznet.weights.metadata import dump

        integers = self.checkpoint.integers_text if self.precision == "int8" else None
        settings = dump(self.variant, self.preprocessing, self.labels, self.wiring, integers)
        kind = f"{self.variant}-detector"
        return fingerprint_of(kind, self.checkpoint, settings, to_json(self.design))

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process, a detector is loaded there again."""
        return reduced(self)

    @overload
    def detect(  # type: ignore[overload-overlap]
        self,
        images: decoding.ImageLike,
        threshold: Threshold = DEFAULT,
        top: int = 100,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
        classify: Classifier | None = None,
    ) -> list[Detection]: ...

    @overload
    def detect(
        self,
        images: Iterable[Any],
        threshold: Threshold = DEFAULT,
        top: int = 100,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
        classify: Classifier | None = None,
    ) -> list[list[Detection]]: ...

    def detect(
        self,
        images: Any,
        threshold: Threshold = DEFAULT,
        top: int = 100,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
        classify: Classifier | None = None,
    ) -> Any:
        """What is on a photo and where: a list of Detections, best first; for several photos, a
        list of such lists.

        ``images``, ``fast_decode``, ``channels``, ``allow_urls``: as for ``Model.classify``. Boxes
        are in pixels of the upright photo, also with ``fast_decode``.
        ``threshold``: the lowest score of an answer, in 0..1; or a mapping from labels to such
        numbers, where a label that is left out keeps 0.35. Lower ones find more, and more that is
        not there; docs/detection.md has measured precision and recall.
        ``top``: how many answers a photo may have at most; a file of weights has its own limit too,
        100 for the bundled one.
        ``classify``: a model of ``sqznet.load`` or ``sqznet.learn`` that names what is in each box:
        its best answer follows the label, as in "dog: beagle". It sees the box with a margin of a
        tenth of its sides.

        Raises ImageError if an image cannot be read, and SqznetError for a threshold outside 0..1
        or for a label that no class has.
        """
        ask = self.ask(threshold, top)
        how = reading(fast_decode, channels, allow_urls)
        namer = checked_classifier(classify)
        found = several(images)
        answers: list[list[Detection]] = []
        for group in grouped([images] if found is None else found, self.threads):
            decoded = [self.decode(image, how) for image in group]
            sizes = {row: pixels.whole for row, pixels in enumerate(decoded)}
            read = partial(self.boxes.found, sizes=sizes, ask=ask)
            detections = list(self.passed(decoded, read).values())
            answers += detections if namer is None else named(namer, decoded, detections)
        return answers[0] if found is None else answers

    def detect_each(
        self,
        images: Sequence[Any],
        threshold: Threshold = DEFAULT,
        top: int = 100,
        fast_decode: bool = False,
    ) -> list[list[Detection] | SqznetError]:
        """The detections for each image, or its error. All images that can be read run in one pass
        of the network."""
        read = partial(self.boxes.found, ask=self.ask(threshold, top))
        return self.each(images, Reading(fast_decode), read)

    def detect_files(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        threshold: Threshold = DEFAULT,
        top: int = 100,
        fast_decode: bool = False,
    ) -> Iterator[FileDetections]:
        """Yields a result (path, detections, error) for each of many photos, in order.

        ``paths``: as for ``Model.classify_files``. ``threads`` photos are processed at a time, a
        few ahead of the caller. The result for an unreadable photo has no detections and an
        ImageError; otherwise ``error`` is None. ``threshold``, ``top``, ``fast_decode``: as for
        ``detect``.
        """
        self.ask(threshold, top)  # errors come at once, not with the first photo
        return self._files(paths, threshold, top, fast_decode)

    def _files(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        threshold: Threshold,
        top: int,
        fast_decode: bool,
    ) -> Iterator[FileDetections]:
        from contextlib import closing

        from sqznet.batch.photos import answered
        from sqznet.images.finding import expand

        def detections(
            model: Detector, images: Sequence[Any]
        ) -> list[list[Detection] | SqznetError]:
            return model.detect_each(images, threshold, top, fast_decode)

        named = [paths] if isinstance(paths, str | os.PathLike) else paths
        with closing(answered(self, expand(named), detections)) as found:
            for path, answer in found:
                if isinstance(answer, SqznetError):
                    yield FileDetections(path, [], answer)
                else:
                    yield FileDetections(path, answer, None)

    async def adetect(
        self,
        image: Any,
        threshold: Threshold = DEFAULT,
        top: int = 100,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> list[Detection]:
        """Like ``detect`` for one image, as ``Model.aclassify``: the event loop stays free."""
        from sqznet.batch.asynchronous import answered

        self.ask(threshold, top)
        how = reading(fast_decode, channels, allow_urls)

        def detections(model: Detector, image: Any) -> list[Detection]:
            found: list[Detection] = model.detect([image], threshold, top, **vars(how))[0]
            return found

        return await answered(self, image, detections)

    def quantize(self, images: Iterable[Any], keep_weights: bool = False) -> QuantizedDetector:
        """Makes 8-bit integers of the network's weights and activations, as ``Model.quantize``.

        ``images``: photos of the kind that the network will see, as for ``detect``: 80 are enough.
        A quarter of them is kept apart: the result says how well the boxes of the integers agree
        with those of float32 on these. Its ``save`` writes a file of a quarter of the size of
        float32, for ``load_detector(path, precision="int8")``. ``keep_weights``: leave the weights
        as they are and only add scales, so that the file also runs in float32 as before.
        Raises ImageError, and SqznetError for fewer than two photos.
        """
        from sqznet.detection.quantizing import quantize

        return quantize(self, list(images), keep_weights)
