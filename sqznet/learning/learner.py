"""Learns from descriptions of pictures and answers for others, from any number of threads."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from sqznet.learning.examples import Examples, Floats
from sqznet.learning.features import LENGTH
from sqznet.learning.gaussian_process import Process
from sqznet.learning.scoring import Answers, Judgement, mirror_images_agree

#: Memory grows with the square of the rows and time with the cube: 2000 take 100 MB, three times
#: that for a moment, and two seconds to take in, 0.15 for one more.
MAX_ROWS = 2000

# What is left when there were too many, so that not every addition begins anew.
_THINNED_ROWS = 1800

#: A class's pictures and, if they are learnt as well, their mirror images: (N, LENGTH) each.
Views = tuple[Floats, Floats | None]


class Learner:
    """What was shown so far, and what follows from it.

    mirror: True learns mirror images as well and False does not; None does as long as they look
    most like pictures of their own class, and there is room. Once they are left out, they stay so.
    """

    def __init__(self, mirror: bool | None = None, examples: Examples | None = None) -> None:
        self.mirror = mirror
        self._examples = Examples.none(LENGTH) if examples is None else examples
        self._mirrors = mirror is not False and (
            not len(self._examples) or bool(self._examples.mirrored.any())
        )
        self._process = Process.of(self._examples.codes)
        self._judgement: Judgement | None = None
        self._lock = Lock()

    @property
    def labels(self) -> tuple[str, ...]:
        return self._examples.labels

    @property
    def num_images(self) -> int:
        """How many pictures are remembered; their mirror images do not count."""
        return int(self._examples.counts().sum())

    @property
    def examples(self) -> Examples:
        """What is remembered, once it is decided whether mirror images help."""
        self._settle()
        return self._examples

    def wants_mirror_images(self, new: int) -> bool:
        """Whether `add` has a use for the mirror images of so many new pictures."""
        rows = 2 * (new + self.num_images)
        return self._mirrors and (self.mirror is True or rows <= MAX_ROWS)

    def add(self, shown: Mapping[str, Views]) -> int:
        """Shows pictures of classes, known or new; returns how many had to be forgotten.

        What is forgotten when there are too many rows: mirror images, then pictures of the largest
        classes. All classes at once or one after the other gives the same, up to rounding.
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
                process = Process.of(examples.codes)
            self._examples, self._process, self._mirrors = examples, process, both
            self._judgement = None
            return pictures_shown - kept

    def ask(self, descriptions: Floats) -> Answers:
        """What images of these descriptions (N, LENGTH) show. Something must have been shown."""
        return self._settle().ask(descriptions)

    def _settle(self) -> Judgement:
        judgement = self._judgement  # of any moment; what it refers to never changes
        if judgement is not None:
            return judgement
        with self._lock:
            if self._judgement is None:
                examples, process = self._examples, self._process
                unsure = self.mirror is None and bool(examples.mirrored.any())
                if unsure and not mirror_images_agree(examples, process):
                    examples = examples.only(~examples.mirrored)
                    process, self._mirrors = Process.of(examples.codes), False
                self._examples, self._process = examples, process
                self._judgement = Judgement(examples, process)
            return self._judgement
