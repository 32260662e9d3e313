"""Few-shot learning: `learn` and `Recognizer`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from hashlib import sha256
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from sqznet import loading, weights
from sqznet.answers import Prediction, PredictionLists, Predictions, checked_top
from sqznet.errors import ImageError, SqznetError, WeightsError, printable, reason_of
from sqznet.files.part_file import write_file
from sqznet.images import decoding
from sqznet.images.callers import PLAIN, Reading, grouped, listed, reading, several
from sqznet.learning import storage
from sqznet.learning.backbone import Backbone
from sqznet.learning.examples import evenly, quota
from sqznet.learning.features import LENGTH, Floats, describe
from sqznet.learning.folder import classes_in
from sqznet.learning.labels import check_labels
from sqznet.learning.learner import MAX_ROWS, Learner, Views
from sqznet.learning.seeing import Progress, Skip, counted, views_of
from sqznet.methods import Explaining, ManyPhotos
from sqznet.model import Model
from sqznet.weights.locate import WeightsLike, locate
from sqznet.weights.reading import open_file

if TYPE_CHECKING:
    from sqznet.learning.evidence import TaughtEvidence
    from sqznet.learning.scoring import Answers

#: The label and index of an image that looks like none of the examples.
UNKNOWN, UNKNOWN_INDEX = "unknown", -1

_GROUP = 64  # images per call of the network

#: Called with a line about something that is left out, or an ImageError for an unreadable image.
Report = Callable[[str | ImageError], None]


def _warn(message: str | ImageError) -> None:
    warnings.warn(str(message), stacklevel=4)


def learn(
    examples: str | os.PathLike[str] | Mapping[str, Iterable[Any]],
    *,
    model: Model | None = None,
    mirror: bool | None = None,
    report: Report = _warn,
    progress: Progress = None,
    channels: str = "rgb",
) -> Recognizer:
    """Trains a recognizer of your own classes on example images.

    ``examples``: a folder with a sub-folder of images for each class, named by its label; or a
    mapping from labels to images, each as for `Model.classify`.
    ``model``: the network that computes the features; default: the bundled one.
    ``mirror``: whether mirror images are learned too; default: if they look like their class.
    ``report``: called with a line of text or an ImageError for everything in a folder that is left
    out, and if there are more images than can be remembered (2000, or half as many with their
    mirror images); default: `warnings.warn`.
    ``progress``: called with the number of images seen so far and of all, after each image.
    ``channels``: the order in arrays and tensors, "rgb" or "bgr", as OpenCV has it.

    A single class can be told from "unknown". One image per class works, too, but then the scores
    and the threshold of "unknown" are rough.

    Raises SqznetError if there is nothing to learn from, and ImageError for an unreadable image of
    a mapping. Unreadable images of a folder are reported and skipped.
    """
    recognizer = Recognizer(model, mirror=mirror, report=report)
    if isinstance(examples, Mapping):
        recognizer._teach(examples, None, reading(False, channels, False), progress)
    elif isinstance(examples, (str, os.PathLike)):
        recognizer._teach(classes_in(examples, report), report, PLAIN, progress)
    else:
        found = type(examples).__name__
        raise SqznetError(f"expected a folder or a mapping from labels to images, found a {found}")
    if recognizer.num_classes == 1:
        report(f"one class alone, {recognizer.labels[0]!r}: it can only be told from the unknown")
    return recognizer


class Recognizer(ManyPhotos, Explaining):
    """Classifies images into the classes of its examples, and detects images of other classes.

    `learn` and `sqznet.load` make one. A new one without examples is ready for `add`. Any number of
    threads may use it at once. The same images in the same order give the same answers.
    Attributes: ``model``, the network that computes the features; ``labels``, the names of the
    classes in the order in which they were added; ``num_classes``; ``num_images``, how many images
    it remembers; ``threads``.
    """

    def __init__(
        self, model: Model | None = None, *, mirror: bool | None = None, report: Report = _warn
    ) -> None:
        if mirror is not None and not isinstance(mirror, bool):
            raise SqznetError(f"mirror is {mirror!r}, expected True, False or None")
        self.model = loading.model_or_bundled(model)
        self._learner = Learner(mirror)
        self._report = report

    @property
    def labels(self) -> tuple[str, ...]:
        return self._learner.labels

    @property
    def num_classes(self) -> int:
        return len(self._learner.labels)

    @property
    def num_images(self) -> int:
        return self._learner.num_images

    @property
    def threads(self) -> int:
        return self.model.threads

    @property
    def fingerprint(self) -> str:
        """See ``Classifier``; the hash covers the examples and the network."""
        network = b"" if self.model.precision == "float32" else self.model.fingerprint.encode()
        return f"recognizer-{sha256(self._encoded() + network).hexdigest()[:16]}"

    @property
    def activation(self) -> str:
        return "softmax"  # its scores are shares of one decision, whatever the network's are

    def __repr__(self) -> str:
        return f"<sqznet.Recognizer of {self.num_classes} classes, {self.num_images} images>"

    def add(self, label: str, images: Any, *, channels: str = "rgb") -> None:
        """Adds images of a new or known class; the earlier images are not needed.

        ``images``: one image or several, as for `Model.classify`, and so is ``channels``. After the
        network has run, this takes milliseconds: 10 with 200 remembered images, 150 with 2000.
        Raises ImageError if an image cannot be read; then nothing is learned.
        """
        self._teach({label: images}, None, reading(False, channels, False))

    @overload
    def classify(  # type: ignore[overload-overlap]
        self,
        images: decoding.ImageLike,
        top: int = 5,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> list[Prediction]: ...

    @overload
    def classify(
        self,
        images: Iterable[Any],
        top: int = 5,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> list[list[Prediction]]: ...

    def classify(
        self,
        images: Any,
        top: int = 5,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> Any:
        """The ``top`` most likely classes, best first; arguments as for `Model.classify`.

        A score is a probability: of a hundred answers with score 0.8, about eighty are correct. For
        an image that looks like none of the examples, the first answer is ``("unknown", score,
        -1)``. That score, at least 0.95, is the share of the examples that look more familiar; the
        classes share the rest. A class of your own may be named "unknown"; its index is not -1.
        """
        top = self.checked_top(top)
        many = several(images)
        how = reading(fast_decode, channels, allow_urls)
        answers = self.answers([images] if many is None else many, how)
        labels = self.labels
        found = PredictionLists()
        for scores, unknown, share in zip(
            answers.shares, answers.unknown, answers.novelty, strict=True
        ):
            ranking = np.argsort(-scores, kind="stable").tolist()
            predictions = [Prediction(labels[i], float(scores[i]), i) for i in ranking]
            if unknown:
                predictions.insert(0, Prediction(UNKNOWN, float(share), UNKNOWN_INDEX))
            found.append(Predictions(predictions[:top]))
        return found[0] if many is None else found

    def checked_top(self, top: int) -> int:
        """See ``Limited``; "unknown" is an answer, too."""
        self._require_examples()
        return checked_top(top, self.num_classes + 1)

    def evidence(self, image: Any, how: Reading = PLAIN) -> TaughtEvidence:
        """See ``Explainable``."""
        from sqznet.learning.evidence import TaughtEvidence

        self._require_examples()
        return TaughtEvidence(self.model, self._learner, self.labels, self.model.decode(image, how))

    def embed(
        self,
        images: Any,
        normalize: bool = False,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> Floats:
        """The vectors of its network; see `Model.embed`. The examples do not count."""
        return self.model.embed(
            images, normalize, fast_decode, channels=channels, allow_urls=allow_urls
        )

    def _require_examples(self) -> None:
        if self.num_classes == 0:
            raise SqznetError("the recognizer has no examples yet; expected a call of add() first")

    def is_unknown(self, source: Any, *, channels: str = "rgb") -> bool:
        """Whether an image looks like none of the examples."""
        return bool(self.answers([source], reading(False, channels, False)).unknown[0])

    def answers(self, images: Iterable[Any], how: Reading = PLAIN) -> Answers:
        """The full results for several images, as arrays. Raises ImageError, and SqznetError if
        there are no examples yet."""
        self._require_examples()
        rows = [
            describe(self.model, [self.model.decode(image, how) for image in group])
            for group in grouped(images, _GROUP)
        ]
        return self._learner.ask(np.concatenate([np.empty((0, LENGTH), np.float32), *rows]))

    def alone(self) -> Recognizer:
        """The same recognizer for use from several threads: each call runs on its own thread."""
        return _made(type(self), self.model.alone(), self._learner, self._report)

    def __copy__(self) -> Recognizer:
        """Learns by itself from then on; the network is shared."""
        return _made(type(self), self.model, copy(self._learner), self._report)

    def __deepcopy__(self, memo: Any) -> Recognizer:
        return copy(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """See ``Model``; the examples are sent too. In the other process it reports by warnings."""
        return _made, (type(self), self.model, self._learner)

    def classify_each(
        self, images: Sequence[Any], top: int, fast_decode: bool = False
    ) -> list[list[Prediction] | SqznetError]:
        """See ``Classifier``; classifies one image after another."""

        def answer(image: Any) -> list[Prediction] | SqznetError:
            try:
                predictions: list[Prediction] = self.classify(image, top, fast_decode)
                return predictions
            except ImageError as error:
                return error

        return [answer(image) for image in images]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the examples into a file: 3.5 kB per image (7 kB with its mirror image).

        An existing file is replaced in one step when the new one is complete. The file holds only a
        hash of the network. Raises WeightsError if it cannot be written, and SqznetError if there
        is nothing to write.
        """
        if self.num_classes == 0:
            raise SqznetError("nothing to save: the recognizer has no examples yet")
        content = self._encoded()
        try:
            write_file(path, content)
        except (OSError, ValueError) as error:
            name = printable(os.fsdecode(path))
            raise WeightsError(f"{name}: cannot be written: {reason_of(error)}") from None

    def _encoded(self) -> bytes:
        learner = self._learner
        return storage.encode(learner.examples, learner.mirror, Backbone.of(self.model))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        backbone: Model | WeightsLike = None,
        threads: int | None = None,
        isa: str | None = None,
        precision: str | None = None,
        report: Report = _warn,
    ) -> Recognizer:
        """Reads a file of `save`. ``backbone``: the network that it was trained on, as a Model or
        as `sqznet.load` takes it; default: the bundled one. ``threads``, ``isa``, ``precision``:
        as for `sqznet.load`, if the backbone is not a Model.

        Raises WeightsError, saying what was found and expected, for any other file and for another
        backbone.
        """
        file = open_file(locate(path))
        try:
            examples, mirror, needed = storage.decode(file.view)
            if isinstance(backbone, Model):
                needed.check(backbone)
                model = backbone
            else:
                checkpoint = weights.read(locate(backbone))
                needed.check_weights(checkpoint)
                model = Model(
                    checkpoint,
                    threads=threads,
                    isa=isa,
                    precision=precision,
                    variant=needed.variant,
                    preprocessing=needed.preprocessing,
                    wiring=needed.wiring,
                )
        except WeightsError as error:
            raise WeightsError(f"{file.name}: {error}") from None
        return _made(cls, model, Learner(mirror, examples), report)

    def _teach(
        self, classes: Mapping[str, Any], skip: Skip, how: Reading, progress: Progress = None
    ) -> None:
        """Adds images of several classes. ``skip`` is called for images that cannot be read;
        without it they raise ImageError."""
        shown = {label: listed(images) for label, images in classes.items()}
        check_labels(list(shown), self.labels)
        if empty := [label for label, images in shown.items() if not images]:
            raise SqznetError(f"no image of {empty[0]!r}, expected at least one")
        most = MAX_ROWS // 2 if self._learner.mirror else MAX_ROWS
        count = sum(map(len, shown.values()))
        if count > most:
            room = quota([len(images) for images in shown.values()], most)
            shown = {
                label: [images[i] for i in evenly(len(images), room)]
                for label, images in shown.items()
            }
            self._report(
                f"{count} images, but {most} can be remembered: only {room} of each class are "
                "used, evenly spread"
            )
            count = sum(map(len, shown.values()))
        both = self._learner.wants_mirror_images(count)
        views: dict[str, Views] = {}
        seen = counted(progress, count)
        for label, images in shown.items():
            plain, mirrored = views_of(self.model, images, both, skip, how, seen)
            if len(plain):
                views[label] = plain, mirrored
            else:
                self._report(f"class {label!r}: none of its images can be read, so it is left out")
        if not views:
            raise SqznetError("nothing to learn from: none of the images can be read")
        if forgotten := self._learner.add(views):
            self._report(
                f"more than {most} images: {forgotten} of the largest classes were forgotten"
            )


def _made(
    kind: type[Recognizer], model: Model, learner: Learner, report: Report = _warn
) -> Recognizer:
    recognizer = object.__new__(kind)
    recognizer.model, recognizer._learner, recognizer._report = model, learner, report
    return recognizer


def load_recognizer(
    path: str | os.PathLike[str],
    backbone: WeightsLike,
    threads: int | None,
    isa: str | None,
    precision: str | None,
    stated: Iterable[object],
) -> Recognizer:
    """Loads the Recognizer of a file for `sqznet.load`.

    ``stated``: settings of how weights are used; they are refused, since the file holds them.
    """
    if any(value is not None for value in stated):
        raise SqznetError(
            f"{decoding.describe(path)} is a recognizer; its file sets preprocessing, wiring and "
            "labels; expected only threads, isa, precision and backbone"
        )
    return Recognizer.load(path, backbone=backbone, threads=threads, isa=isa, precision=precision)
