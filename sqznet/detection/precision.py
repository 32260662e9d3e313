"""Average precision: how much of what is there a detector finds, and how much of it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqznet.detection.matching import OVERLAPS, Matches

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]

# COCO reads the precision at these recalls: 0, 0.01, ... 1.
_RECALLS = 101


@dataclass(frozen=True)
class Ranking:
    """The detections of one class on all photos that count, best first, for one overlap.

    ``scores``: (D,). ``right``: (D,), whether each is a thing that no other detection has.
    ``things``: how many had to be found.
    """

    scores: Floats
    right: Flags
    things: int

    def curve(self) -> tuple[Floats, Floats]:
        """Recall and precision, (D,) each, if the detections end with each in turn."""
        import numpy as np

        hits = np.cumsum(self.right)
        recall = hits / max(self.things, 1)
        return recall, hits / np.arange(1, len(hits) + 1)

    def envelope(self) -> tuple[Floats, Floats]:
        """The same with the precision that is reached at that recall or a higher one."""
        import numpy as np

        recall, precision = self.curve()
        return recall, np.maximum.accumulate(precision[::-1])[::-1]

    def average(self) -> float | None:
        """COCO's average precision: the mean of the envelope at 101 recalls; None without things.

        pycocotools computes the same, in COCOeval.accumulate.
        """
        import numpy as np

        if not self.things:
            return None
        recall, precision = self.envelope()
        places = np.searchsorted(recall, np.linspace(0, 1, _RECALLS), side="left")
        reached = places[places < len(recall)]
        return float(precision[reached].sum() / _RECALLS)

    def area(self) -> float | None:
        """The area below the envelope, as Pascal VOC has it since 2010; None without things."""
        import numpy as np

        if not self.things:
            return None
        recall, precision = self.envelope()
        return float((np.diff(recall, prepend=0) * precision).sum())

    def at(self, threshold: float) -> tuple[int, int]:
        """How many detections have this score or a higher one, and how many of them are right."""
        kept = self.right[self.scores >= threshold]
        return len(kept), int(kept.sum())


def rankings(photos: Sequence[Matches]) -> list[Ranking]:
    """Those of one class, one for each overlap of `OVERLAPS`."""
    import numpy as np

    things = sum(photo.things for photo in photos)
    scores = np.concatenate([np.empty(0), *(photo.scores for photo in photos)])
    order = np.argsort(-scores, kind="stable")
    made = []
    for row in range(len(OVERLAPS)):
        right = np.concatenate([np.empty(0, bool), *(photo.right[row] for photo in photos)])[order]
        neither = np.concatenate([np.empty(0, bool), *(photo.neither[row] for photo in photos)])
        counts = ~neither[order]
        made.append(Ranking(scores[order][counts], right[counts], things))
    return made


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of those that are there; None if there is none."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
