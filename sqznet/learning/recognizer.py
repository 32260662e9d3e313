"""Teaching by showing: `learn` and `Recognizer`."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from sqznet import loading, weights
from sqznet.answers import Prediction, Predictions, checked_top
from sqznet.batch.photos import in_order
from sqznet.errors import ImageError, SqznetError, WeightsError, printable
from sqznet.files.part_file import write_file
from sqznet.images import decoding
from sqznet.learning import storage
from sqznet.learning.backbone import Backbone
from sqznet.learning.examples import evenly, quota
from sqznet.learning.features import LENGTH, Floats, describe, mirror_image
from sqznet.learning.folder import classes_in
from sqznet.learning.learner import MAX_ROWS, Learner, Views
from sqznet.model import Model
from sqznet.weights.locate import WeightsLike, locate
from sqznet.weights.mapped import open_file

if TYPE_CHECKING:
    from sqznet.learning.scoring import Answers

#: The label of what looks like nothing that was shown, and its index.
UNKNOWN, UNKNOWN_INDEX = "unknown", -1

#: More would not leave two pictures of each, see MAX_ROWS.
MAX_CLASSES = 900

_GROUP = 64  # images asked for at once

#: Takes a line on something that was left out; an ImageError if it could not be read.
Report = Callable[[str | ImageError], None]


def _warn(message: str | ImageError) -> None:
    warnings.warn(str(message), stacklevel=4)


def learn(
    examples: str | os.PathLike[str] | Mapping[str, Iterable[Any]],
    *,
    model: Model | None = None,
    mirror: bool | None = None,
    report: Report = _warn,
) -> Recognizer:
    """A recognizer of classes of your own, taught by examples.

    ``examples``: a folder with a sub-folder of images for each class, whose name is the label; or
    a mapping from labels to images, each as `Model.classify` takes them.
    ``model``: the network that sees; default: the bundled one.
    ``mirror``: whether mirror images are learnt besides; default: if they look like their class.
    ``report``: is called with a line, or an ImageError, for everything in a folder that was left
    out, and if there are more pictures than can be remembered (2000, or half with their mirror
    images); default: `warnings.warn`.

    One class alone is told from "unknown". One image a class works, too, but little is then known
    of what to call unknown, and the scores are rough.

    Raises SqznetError if nothing is there to learn from, and ImageError for an image of a mapping
    that cannot be read; those of a folder are reported and skipped.
    """
    recognizer = Recognizer(model, mirror=mirror, report=report)
    if isinstance(examples, Mapping):
        recognizer._teach(examples, None)
    elif isinstance(examples, (str, os.PathLike)):
        recognizer._teach(classes_in(examples, report), report)
    else:
        found = type(examples).__name__
        raise SqznetError(f"expected a folder or a mapping from labels to images, found a {found}")
    if recognizer.num_classes == 1:
        report(f"one class alone, {recognizer.labels[0]!r}: it can only be told from the unknown")
    return recognizer


class Recognizer:
    """Tells classes that it was shown from one another, and says when it sees none of them.

    `learn` and `sqznet.load` make one; without examples it is ready for `add`. Any number of
    threads may use it at once. The same pictures in the same order give the same answers.
    Attributes: ``model``, the network that sees; ``labels``, the classes' names, the one shown
    first at the front; ``num_classes``; ``num_images``, how many it remembers; ``threads``.
    """

    def __init__(
        self, model: Model | None = None, *, mirror: bool | None = None, report: Report = _warn
    ) -> None:
        if mirror is not None and not isinstance(mirror, bool):
            raise SqznetError(f"mirror is {mirror!r}, expected True, False or None")
        self.model = model or loading.load_model()
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

    def __repr__(self) -> str:
        return f"<sqznet.Recognizer of {self.num_classes} classes, {self.num_images} images>"

    def add(self, label: str, images: Any) -> None:
        """Shows images of a class, a new one or one that is known, without the earlier images.

        ``images``: one image or several, as for `Model.classify`. Beyond seeing them this takes
        milliseconds: 10 where 200 pictures are remembered, 150 where 2000 are.
        Raises ImageError if any cannot be read; then nothing was learnt.
        """
        self._teach({label: images}, None)

    @overload
    def classify(
        self, images: list[Any] | tuple[Any, ...], top: int = 5, fast_decode: bool = False
    ) -> list[list[Prediction]]: ...

    @overload
    def classify(
        self, images: decoding.ImageLike, top: int = 5, fast_decode: bool = False
    ) -> list[Prediction]: ...

    def classify(self, images: Any, top: int = 5, fast_decode: bool = False) -> Any:
        """The ``top`` most likely classes, best first; arguments as for `Model.classify`.

        A score is how likely the class is: of a hundred answers of score 0.8, about eighty are
        right. What looks like nothing that was shown is first of all ``("unknown", score, -1)``:
        that share of the shown images, at least 0.95, looked more familiar; the classes share what
        is left. A class of your own may be called "unknown", too; its index is not -1.
        """
        if self.num_classes == 0:
            raise SqznetError(
                "the recognizer was shown nothing yet; expected a call of add() first"
            )
        top = checked_top(top, self.num_classes + 1)
        several = isinstance(images, list | tuple)
        answers = self.answers(images if several else [images], fast_decode)
        labels = self.labels
        found = []
        for scores, unknown, share in zip(
            answers.scores, answers.unknown, answers.strangeness, strict=True
        ):
            ranking = np.argsort(-scores, kind="stable").tolist()
            left = 1 - float(share) if unknown else 1.0
            predictions = [Prediction(labels[i], left * float(scores[i]), i) for i in ranking]
            if unknown:
                predictions.insert(0, Prediction(UNKNOWN, float(share), UNKNOWN_INDEX))
            found.append(Predictions(predictions[:top]))
        return found if several else found[0]

    def is_unknown(self, source: Any) -> bool:
        """Whether an image looks like nothing that was shown."""
        return bool(self.answers([source]).unknown[0])

    def answers(self, images: Sequence[Any], fast_decode: bool = False) -> Answers:
        """All that is known of several images, as arrays. Raises ImageError, and SqznetError if
        nothing was shown yet."""
        if self.num_classes == 0:
            raise SqznetError("the recognizer was shown nothing yet; expected add() first")
        groups = [images[start : start + _GROUP] for start in range(0, len(images), _GROUP)]
        rows = [describe(self.model, group, fast_decode) for group in groups]
        return self._learner.ask(np.concatenate([np.empty((0, LENGTH), np.float32), *rows]))

    def alone(self) -> Recognizer:
        """The same recognizer, of which every caller uses one thread: its own."""
        other = copy(self)
        other.model = self.model.alone()
        return other

    def classify_each(
        self, sources: Sequence[Any], top: int, fast_decode: bool = False
    ) -> list[list[Prediction] | SqznetError]:
        """See ``Classifier``: one after the other."""

        def answer(source: Any) -> list[Prediction] | SqznetError:
            try:
                predictions: list[Prediction] = self.classify(source, top, fast_decode)
                return predictions
            except ImageError as error:
                return error

        return [answer(source) for source in sources]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all that was learnt into a file, 3.5 kB a picture (7 kB with its mirror image).

        A file of that name is replaced at once when the new one is complete. Nothing of the
        network is in it but its hash. Raises WeightsError if it cannot be written, and SqznetError
        if there is nothing to write.
        """
        if self.num_classes == 0:
            raise SqznetError("nothing to save: the recognizer was shown nothing yet")
        content = storage.encode(
            self._learner.examples, self._learner.mirror, Backbone.of(self.model)
        )
        try:
            write_file(path, content)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise WeightsError(
                f"{printable(os.fsdecode(path))}: cannot be written: {reason}"
            ) from None

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        backbone: Model | WeightsLike = None,
        threads: int | None = None,
        isa: str | None = None,
        report: Report = _warn,
    ) -> Recognizer:
        """What `save` wrote. ``backbone``: the network that it was taught on, as a Model or as
        `sqznet.load` takes it; default: the bundled one. ``threads``, ``isa``: as for
        `sqznet.load`, where the backbone is no Model.

        Raises WeightsError, saying what was found and expected, for any other file and for another
        backbone.
        """
        file = open_file(path)
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
                    variant=needed.variant,
                    preprocessing=needed.preprocessing,
                    wiring=needed.wiring,
                )
        except WeightsError as error:
            raise WeightsError(f"{file.name}: {error}") from None
        recognizer = cls(model, mirror=mirror, report=report)
        recognizer._learner = Learner(mirror, examples)
        return recognizer

    def _teach(self, classes: Mapping[str, Any], skip: Callable[[ImageError], None] | None) -> None:
        """Shows images of several classes. ``skip`` is told of images that cannot be read; without
        it they are errors."""
        shown = {label: _listed(images) for label, images in classes.items()}
        _check_labels(list(shown), self.labels)
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
                "looked at, evenly spread"
            )
            count = sum(map(len, shown.values()))
        both = self._learner.wants_mirror_images(count)
        views: dict[str, Views] = {}
        for label, images in shown.items():
            plain, mirrored = self._see(images, both, skip)
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

    def _see(
        self, images: Sequence[Any], both: bool, skip: Callable[[ImageError], None] | None
    ) -> Views:
        """Descriptions of the images that can be read and, if wanted, of their mirror images."""
        threads = 1 if len(images) < 2 else self.model.threads
        model = self.model if threads == 1 else self.model.alone()
        rows = []
        for found in in_order(partial(_described, model, both), images, threads):
            if not isinstance(found, ImageError):
                rows.append(found)
            elif skip is None:
                raise found
            else:
                skip(found)
        views = np.concatenate([np.empty((0, 1 + both, LENGTH), np.float32), *rows])
        return views[:, 0], views[:, 1] if both else None


def _described(model: Model, both: bool, source: Any) -> Floats | ImageError:
    """An image, and its mirror image behind it if wanted: (1, 1 or 2, LENGTH); or why not."""
    try:
        pixels = decoding.decode(source)
    except ImageError as error:
        return error
    return describe(model, [pixels, mirror_image(pixels)] if both else [pixels])[None]


def load_recognizer(
    path: str | os.PathLike[str],
    backbone: WeightsLike,
    threads: int | None,
    isa: str | None,
    stated: Iterable[object],
) -> Recognizer:
    """The Recognizer in a file, as `sqznet.load` gives it.

    ``stated``: what says how weights are to be used; a recognizer's file says that itself.
    """
    if any(value is not None for value in stated):
        raise SqznetError(
            f"{decoding.describe(path)} is a recognizer, which says itself how its network is fed, "
            "wired and labelled; expected nothing but threads, isa and backbone"
        )
    return Recognizer.load(path, backbone=backbone, threads=threads, isa=isa)


def _listed(images: Any) -> list[Any]:
    several = isinstance(images, (list, tuple, set, frozenset, Iterator)) and not hasattr(
        images, "read"
    )
    return list(images) if several else [images]


def _check_labels(new: Sequence[Any], known: Sequence[str]) -> None:
    """Raises SqznetError unless the labels are usable as names of different classes."""
    for label in new:
        if not isinstance(label, str) or not label.strip():
            raise SqznetError(f"a label is {label!r}, expected the name of a class")
    if not new:
        raise SqznetError("no classes, expected at least one")
    spelt: dict[str, str] = {}
    for label in (*known, *new):
        other = spelt.setdefault(unicodedata.normalize("NFC", label.strip()), label)
        if other != label:
            raise SqznetError(f"the labels {other!a} and {label!a} are spelt alike; rename one")
    if len(spelt) > MAX_CLASSES:
        raise SqznetError(f"{len(spelt)} classes, expected {MAX_CLASSES} at most")
