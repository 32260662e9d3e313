"""What is known of the photos that a detector is trained with: boxes, and where nothing is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sqznet.detection.matching import TrueBox
from sqznet.errors import ImageError, SqznetError, printable
from sqznet.images.decoding import decode
from sqznet.insight.class_names import class_names

if TYPE_CHECKING:
    import numpy.typing as npt

    from sqznet.detection.true_photo import TruePhoto

#: What a row is: nothing, a thing, or a place where things of its class may be that have no box.
NONE, THING, UNKNOWN = 0, 1, 2

# The sides of a box as large as the photo, in parts of it.
_WHOLE = (0.0, 0.0, 1.0, 1.0)


class Truth(NamedTuple):
    """What is known of N photos, up to M rows each.

    boxes: float32 (N, M, 4), left, top, right and bottom, in parts of the photo or in pixels.
    classes: int64 (N, M), indices of classes. kinds: uint8 (N, M): `NONE`, `THING`, `UNKNOWN`.
    """

    boxes: Tensor
    classes: Tensor
    kinds: Tensor

    def to(self, device: torch.device) -> Truth:
        return Truth(*(each.to(device) for each in self))

    def joined(self, other: Truth) -> Truth:
        """The photos of both, one after the other."""
        most = max(self.kinds.shape[1], other.kinds.shape[1])
        return Truth(
            *(
                torch.cat([_widened(a, most), _widened(b, most)])
                for a, b in zip(self, other, strict=True)
            )
        )

    def compact(self) -> Truth:
        """The same without the rows that are none, as far as the photos allow."""
        order = (self.kinds == NONE).byte().argsort(1, stable=True)
        most = max(int((self.kinds != NONE).sum(1).max()), 1)
        order = order[:, :most]
        boxes = self.boxes.gather(1, order[..., None].expand(-1, -1, 4))
        return Truth(boxes, self.classes.gather(1, order), self.kinds.gather(1, order))


def _widened(rows: Tensor, most: int) -> Tensor:
    """(N, most, ...) from (N, M, ...): rows of zeros follow."""
    lacking = rows.new_zeros((len(rows), most - rows.shape[1], *rows.shape[2:]))
    return torch.cat([rows, lacking], 1)


class Truths:
    """What is known of each of many photos.

    ``rows``: for each photo its rows (left, top, right, bottom in parts of the photo, class, kind).
    """

    def __init__(self, rows: Sequence[Sequence[tuple[float, ...]]]) -> None:
        self._starts = np.cumsum([0, *map(len, rows)])
        flat = [row for photo in rows for row in photo]
        self._rows: npt.NDArray[np.float32] = np.array(flat, np.float32).reshape(-1, 6)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def of(self, photos: Sequence[int]) -> Truth:
        """The rows of these photos, boxes in parts of the photo."""
        found = [self._rows[self._starts[i] : self._starts[i + 1]] for i in photos]
        padded = np.zeros((len(found), max([1, *map(len, found)]), 6), np.float32)
        for target, rows in zip(padded, found, strict=True):
            target[: len(rows)] = rows
        rows = torch.from_numpy(padded)
        return Truth(rows[..., :4].contiguous(), rows[..., 4].long(), rows[..., 5].byte())

    def only(self, photos: Sequence[int]) -> Truths:
        """Those of some of the photos."""
        return Truths([self._rows[self._starts[i] : self._starts[i + 1]].tolist() for i in photos])

    def things(self, classes: int) -> list[int]:
        """How many things of each class there are."""
        of = self._rows[self._rows[:, 5] == THING, 4].astype(np.int64)
        return np.bincount(of, minlength=classes).tolist()


class BoxedSet(NamedTuple):
    """Photos of one source. A class that has boxes on any of them has them on all; of other classes
    nothing is known, unless no photo has a box: then nothing is there."""

    photos: Sequence[TruePhoto]

    @property
    def labels(self) -> set[str]:
        """Those of the things in its boxes."""
        return {box.label for photo in self.photos for box in photo.boxes}


def labels_of(sets: Iterable[BoxedSet]) -> tuple[str, ...]:
    """The classes that can be learned from these sets, sorted: those that have a thing."""
    return tuple(
        sorted(
            {
                box.label
                for each in sets
                for photo in each.photos
                for box in photo.boxes
                if not (box.is_crowd or box.may_be_missed)
            }
        )
    )


def read_truths(
    sets: Sequence[BoxedSet],
    labels: Sequence[str],
    report: Callable[[ImageError], None],
) -> tuple[list[TruePhoto], Truths]:
    """The photos of all sets that can be read, one set after the other, and what is known of them.

    ``labels``: the classes; boxes of others are left out. Names differ from labels at most as
    `class_names` allows. A box that may be missed, or that holds many things, becomes a place of
    which nothing is known. ``report``: called for a photo whose size cannot be read.
    Raises SqznetError if none has a thing of a class.
    """
    photos, rows = [], []
    for each in sets:
        names = class_names(labels, each.labels)
        known = {names[label] for label in each.labels} if each.labels else set(labels)
        unknown = [
            (*_WHOLE, float(index), float(UNKNOWN))
            for index, label in enumerate(labels)
            if label not in known
        ]
        indices = {
            name: labels.index(label) for name, label in names.items() if label is not None
        }
        for photo in each.photos:
            try:
                found = _parts(photo)
            except ImageError as error:
                report(error)
                continue
            photos.append(photo)
            rows.append(unknown + [_row(box, indices[box.label]) for box in found if box.label in indices])
    if not any(row[5] == THING for each_rows in rows for row in each_rows):
        raise SqznetError(
            "no readable photo has a box of a class to learn, expected boxes of "
            f"{', '.join(map(printable, labels))}"
        )
    return photos, Truths(rows)


def _parts(photo: TruePhoto) -> Sequence[TrueBox]:
    """The boxes in parts of the photo. Raises ImageError if its size is needed and unreadable."""
    if photo.in_parts:
        return photo.boxes
    # As small as the decoder makes it: only the size of the whole photo is needed.
    height, width = decode(photo.found.image, lambda height, width: (1, 1)).whole
    return [
        box._replace(
            x0=box.x0 / width, y0=box.y0 / height, x1=box.x1 / width, y1=box.y1 / height
        )
        for box in photo.boxes
    ]


def _row(box: TrueBox, index: int) -> tuple[float, ...]:
    sides = [min(max(side, 0.0), 1.0) for side in box[:4]]
    is_empty = sides[2] <= sides[0] or sides[3] <= sides[1]
    kind = UNKNOWN if box.is_crowd or box.may_be_missed else THING
    return (*sides, float(index), float(NONE if is_empty else kind))
