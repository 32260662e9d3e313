"""The examples that a recognizer remembers; its file holds nothing else of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Examples:
    """Immutable rows, one per example image or mirror image.

    labels: the names of the classes. codes: int8 (N, LENGTH), the description of each row, see
    `encode`. classes: int32 (N,), the class index of each row. images: int32 (N,), a number for
    each image; an image and its mirror image have the same number. mirrored: bool (N,), which rows
    describe mirror images. Either every image has a mirror image or none has.
    """

    labels: tuple[str, ...]
    codes: Codes
    classes: Indices
    images: Indices
    mirrored: Flags

    @classmethod
    def none(cls, length: int) -> Examples:
        empty = np.empty(0, np.int32)
        return cls((), np.empty((0, length), np.int8), empty, empty, np.empty(0, np.bool_))

    def __len__(self) -> int:
        return len(self.codes)

    def counts(self) -> npt.NDArray[np.intp]:
        """The number of images of each class, without mirror images."""
        return np.bincount(self.classes[~self.mirrored], minlength=len(self.labels))

    def with_class(self, label: str, shown: Floats, mirrored: Floats | None) -> Examples:
        """These examples plus images of one class, which may be new: descriptions (N, LENGTH)."""
        labels = self.labels if label in self.labels else (*self.labels, label)
        views = [shown] if mirrored is None else [shown, mirrored]
        count = len(shown) * len(views)
        images = np.arange(len(shown), dtype=np.int32) + (self.images.max(initial=-1) + 1)
        return Examples(
            labels,
            np.concatenate([self.codes, encode(np.concatenate(views))]),
            np.append(self.classes, np.full(count, labels.index(label), np.int32)),
            np.append(self.images, np.tile(images, len(views)).astype(np.int32)),
            np.append(self.mirrored, np.arange(count) >= len(shown)),
        )

    def only(self, rows: Flags) -> Examples:
        """The selected rows. All classes stay, even those without rows."""
        return Examples(
            self.labels,
            self.codes[rows],
            self.classes[rows],
            self.images[rows],
            self.mirrored[rows],
        )

    def thinned(self, most: int) -> Examples:
        """At most ``most`` images: the largest classes lose images, evenly spread."""
        room = quota(self.counts().tolist(), most)
        kept = [
            images[evenly(len(images), room)]
            for images in (
                self.images[(self.classes == index) & ~self.mirrored]
                for index in range(len(self.labels))
            )
        ]
        return self.only(np.isin(self.images, np.concatenate(kept)))


def encode(descriptions: Floats) -> Codes:
    """Each row as int8, scaled so that its largest magnitude is 127: only directions remain."""
    largest = np.maximum(np.abs(descriptions).max(axis=1, keepdims=True), 1e-12)
    codes: Codes = np.rint(descriptions * (127 / largest)).astype(np.int8)
    return codes


def quota(counts: Sequence[int], most: int) -> int:
    """The largest number of images per class with a total of at most `most`; at least 1."""
    low, high = 1, max([most, *counts])
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(count, middle) for count in counts) <= most:
            low = middle
        else:
            high = middle - 1
    return low


def evenly(count: int, room: int) -> npt.NDArray[np.intp]:
    """At most `room` of the indices 0 to count - 1, in order and evenly spread."""
    chosen = min(count, room)
    return np.arange(chosen) * count // max(chosen, 1)
