"""Learns classes from descriptions of images and classifies others; thread-safe."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

from sqznet.forks import renewed
from sqznet.learning.examples import Examples, Floats
from sqznet.learning.features import LENGTH
from sqznet.learning.gaussian_process import Doubles, GaussianProcess
from sqznet.learning.scoring import Answers, Scorer, mirror_images_agree

#: Memory grows with the square of the number of rows, time with the cube. 2000 rows take 100 MB
#: (three times that while learning), two seconds to learn, and 0.15 s for one more row.
MAX_ROWS = 2000

# The number of rows that remain after thinning; the margin avoids thinning at every addition.
_THINNED_ROWS = 1800

#: The images of a class and, if they are learned too, their mirror images: (N, LENGTH) each.
Views = tuple[Floats, Floats | None]


class Learner:
    """The examples so far and the classifier that follows from them.

    mirror: True also learns mirror images, False does not. None learns them as long as they look
    most like images of their own class and there is room; once dropped, they stay dropped.
    """

    def __init__(self, mirror: bool | None = None, examples: Examples | None = None) -> None:
        self.mirror = mirror
        self._examples = Examples.none(LENGTH) if examples is None else examples
        self._mirrors = mirror is not False and (
            not len(self._examples) or bool(self._examples.mirrored.any())
        )
        self._process = GaussianProcess.of(self._examples.codes)
        self._scorer: Scorer | None = None
        renewed(self)

    def renew(self) -> None:
        self._lock = Lock()

    def __copy__(self) -> Learner:
        with self._lock:
            other = object.__new__(Learner)
            other.__dict__.update(self.__dict__)
        return renewed(other)

    def __reduce__(self) -> tuple[Any, ...]:
        return Learner, (self.mirror, self._examples)

    @property
    def labels(self) -> tuple[str, ...]:
        return self._examples.labels

    @property
    def num_images(self) -> int:
        """How many images are remembered, without mirror images."""
        return int(self._examples.counts().sum())

    @property
    def examples(self) -> Examples:
        """The examples, after the decision whether mirror images help."""
        self._settle()
        return self._examples

    def wants_mirror_images(self, new: int) -> bool:
        """Whether `add` can use the mirror images of this many new images."""
        rows = 2 * (new + self.num_images)
        return self._mirrors and (self.mirror is True or rows <= MAX_ROWS)

    def add(self, shown: Mapping[str, Views]) -> int:
        """Adds images of known or new classes; returns how many images were forgotten.

        With too many rows, mirror images are forgotten first, then images of the largest classes.
        Adding all classes at once or one after another gives the same result, up to rounding.
        """
        with self._lock:
            old = self._examples
            both = self._mirrors and all(views[1] is not None for views in shown.values())
            examples = old if both else old.only(~old.mirrored)
            for label, (pictures, mirrored) in shown.items():
                examples = examples.with_class(label, pictures, mirrored if both else None)
            if len(examples) > MAX_ROWS and self.mirror is None:
                examples, both = examples.only(~examples.mirrored), False
            pictures_shown = int(examples.counts().sum())
            if len(examples) > MAX_ROWS:
                examples = examples.thinned(_THINNED_ROWS // (2 if both else 1))
            kept = int(examples.counts().sum())
            if kept == pictures_shown and both == bool(old.mirrored.any()):
                process = self._process.grown(examples.codes[len(old) :])
            else:
                process = GaussianProcess.of(examples.codes)
            self._examples, self._process, self._mirrors = examples, process, both
            self._scorer = None
            return pictures_shown - kept

    def ask(self, descriptions: Floats) -> Answers:
        """Classifies images by their descriptions (N, LENGTH). Needs at least one example."""
        return self._settle().ask(descriptions)

    def leanings(self, descriptions: Floats) -> Doubles:
        """See `Scorer.leanings`."""
        return self._settle().leanings(descriptions)

    def _settle(self) -> Scorer:
        scorer = self._scorer  # read once without the lock: a Scorer never changes
        if scorer is not None:
            return scorer
        with self._lock:
            if self._scorer is None:
                examples, process = self._examples, self._process
                unsure = self.mirror is None and bool(examples.mirrored.any())
                if unsure and not mirror_images_agree(examples, process):
                    examples = examples.only(~examples.mirrored)
                    process, self._mirrors = GaussianProcess.of(examples.codes), False
                self._examples, self._process = examples, process
                self._scorer = Scorer(examples, process)
            return self._scorer
