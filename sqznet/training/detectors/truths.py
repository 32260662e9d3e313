"""What is known of the photos that a detector is trained with: boxes, and where nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sqznet.training.detectors.sets import is_thing

if TYPE_CHECKING:
    import numpy.typing as npt

    from sqznet.detection.matching import TrueBox
    from sqznet.detection.true_photo import TruePhoto

#: What a row is: nothing, a thing, or a place where things of its class may be that have no box.
NONE, THING, UNKNOWN = 0, 1, 2


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
        order = (self.kinds == NONE).byte().argsort(dim=1, stable=True)
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


def truths_of(photos: Sequence[TruePhoto], labels: Sequence[str]) -> Truths:
    """What is known of photos whose boxes are in parts and of these classes.

    A box that may be missed, or that holds many things, is a place of which nothing is known.
    """
    indices = {label: float(index) for index, label in enumerate(labels)}
    return Truths([[_row(box, indices[box.label]) for box in photo.boxes] for photo in photos])


def _row(box: TrueBox, index: float) -> tuple[float, ...]:
    sides = [min(max(side, 0.0), 1.0) for side in box[:4]]
    is_empty = sides[2] <= sides[0] or sides[3] <= sides[1]
    kind = NONE if is_empty else THING if is_thing(box) else UNKNOWN
    return (*sides, index, float(kind))
