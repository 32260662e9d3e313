"""Which detections are right: those that overlap a true box, by the rules of COCO's evaluation.

They are those of pycocotools' COCOeval (Lin et al., "Microsoft COCO: Common Objects in Context",
2014; cocodataset.org, "Detection Evaluation"). For each photo and class the detections, best first,
take the true box that they overlap most and that no earlier one took; a true box counts as found if
the overlap, intersection over union, reaches a threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sqznet.boxes import Detection

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]

#: The overlaps from which on a box counts as found: 0.5, 0.55, ... 0.95.
OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
#: Ranges of areas in pixels, ends included.
AREAS = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
#: More detections of one class on one photo do not count.
MOST = 100


class TrueBox(NamedTuple):
    """A thing that is on a photo, in pixels of the upright photo, end excluded.

    ``may_be_missed``: it need not be found, and a detection of it is neither right nor wrong, as
    VOC's difficult ones. ``is_crowd``: it holds many things, as COCO's crowds, which may be missed;
    detections within it are neither right nor wrong. ``area``: in pixels; default: that of the box.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    label: str
    may_be_missed: bool = False
    is_crowd: bool = False
    area: float | None = None


class Matches(NamedTuple):
    """What became of the detections of one class on one photo, for each overlap of `OVERLAPS`.

    ``scores``: (D,), best first. ``right``, ``neither``: (10, D), whether each is a thing that no
    other detection has, and whether it does not count; the rest is wrong. ``things``: how many had
    to be found.
    """

    scores: Floats
    right: Flags
    neither: Flags
    things: int


def matched(
    found: Sequence[Detection], true: Sequence[TrueBox], area: tuple[float, float]
) -> Matches:
    """Matches detections and true boxes of one class on one photo.

    ``area``: what is smaller or larger need not be found, and is not wrong where it is found.
    """
    import numpy as np

    best = sorted(found, key=lambda detection: -detection.score)[:MOST]
    boxes = _array([detection.box[:4] for detection in best])
    several = np.array([box.is_crowd or box.may_be_missed for box in true], bool)
    areas = np.array([_area(box) for box in true], np.float64)
    outside = (areas < area[0]) | (areas > area[1])
    optional = several | outside
    order = np.argsort(optional, kind="stable")  # those that must be found come first
    true = [true[i] for i in order]
    several, optional = several[order], optional[order]
    shares = overlaps(boxes, _array([box[:4] for box in true]), [box.is_crowd for box in true])
    taken = np.full((len(OVERLAPS), len(best)), -1)
    for row, least in enumerate(OVERLAPS):
        _take(shares, least, several, optional, taken[row])
    has_one = taken >= 0
    neither = has_one & (optional[taken] if len(true) else False)
    sizes = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    neither |= ~has_one & ((sizes < area[0]) | (sizes > area[1]))
    scores = np.array([detection.score for detection in best], np.float64)
    return Matches(scores, has_one & ~neither, neither, int(np.count_nonzero(~optional)))


def overlaps(boxes: Floats, true: Floats, crowd: Sequence[bool]) -> Floats:
    """Intersection over union of boxes (D, 4) and true boxes (T, 4), as (D, T); of a crowd it is
    the part of the box that lies in it."""
    import numpy as np

    starts = np.maximum(boxes[:, None, :2], true[None, :, :2])
    ends = np.minimum(boxes[:, None, 2:], true[None, :, 2:])
    shared = np.prod(np.clip(ends - starts, 0, None), axis=2)
    own = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)[:, None]
    others = np.prod(true[:, 2:] - true[:, :2], axis=1)[None, :]
    union = np.where(np.array(crowd, bool)[None, :], own, own + others - shared)
    result: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return result


def _take(shares: Floats, least: float, several: Flags, optional: Flags, taken: Floats) -> None:
    """Gives each detection its true box, by writing the box's index into ``taken``."""
    free = [True] * shares.shape[1]
    for row, overlap in enumerate(shares):
        best, chosen = min(least, 1 - 1e-10), -1
        for index, share in enumerate(overlap):
            if not (free[index] or several[index]):
                continue
            if chosen >= 0 and optional[index] and not optional[chosen]:
                break  # one that must be found goes before those that need not be
            if share >= best:
                best, chosen = share, index
        taken[row] = chosen
        if chosen >= 0:
            free[chosen] = False


def _area(box: TrueBox) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0) if box.area is None else box.area


def _array(rows: Sequence[Sequence[float]]) -> Floats:
    import numpy as np

    return np.array(rows, np.float64).reshape(len(rows), 4)
