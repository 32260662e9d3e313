"""Follows things from frame to frame: the boxes of a detector become tracks with stable numbers.

Each track guesses where its thing is now (`motion`), and takes the box of its class that overlaps
this guess most. Overlap is IoU, the shared area over that of both. This is SORT (A. Bewley and
others, arXiv 1602.00763) with two additions: boxes of low scores continue a track but start none,
from ByteTrack (Y. Zhang and others, arXiv 2110.06864); and what found no partner is compared once
more with both boxes widened, for things that move by their size between two frames, from C-BIoU
(F. Yang and others, arXiv 2211.14317).

Boxes are given to tracks greedily, the best overlap first, not so that the sum is largest. Things
that are apart have one candidate each, and both ways agree. Where things cover each other, the
largest sum may take a sure partner away to give a doubtful one to another track, and that is how
numbers change hands. Ties go to the older track and to the better box, so the same frames give the
same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqznet.boxes import Box, Detection
from sqznet.errors import SqznetError, checked_count
from sqznet.watching.motion import Motion

#: The defaults of `Tracker`.
CONFIRM, PATIENCE = 3, 1.5

# The smallest overlaps that make a partner: of a box, of widened boxes, and of a box of low score.
_OVERLAP, _WIDE_OVERLAP, _LOW_OVERLAP = 0.3, 0.3, 0.4
# What a widened box gets on each side, as a share of its width and height.
_WIDER = 0.5
# A camera that gives few frames may miss a thing in some of them, whatever the patience.
_MISSES = 3


@dataclass(frozen=True)
class Track:
    """A thing that was followed up to this frame.

    number: counts the tracks of its class, from 1.
    detection: what the detector found last; its box is in pixels of the picture.
    box: where the thing is, in pixels of the picture; if it is not seen, that is a guess.
    seen: whether the detector found it in this frame.
    since: the time when it was found first, in seconds since the source started.
    """

    number: int
    detection: Detection
    box: Box
    seen: bool
    since: float

    @property
    def label(self) -> str:
        return self.detection.label

    @property
    def name(self) -> str:
        """Its label and number, such as "person 3"."""
        return f"{self.detection.label} {self.number}"


class Step(NamedTuple):
    """What became of the tracks in one frame: all that are followed, by age; those that began and
    those that ended with it."""

    tracks: list[Track]
    began: list[Track]
    ended: list[Track]


class Tracker:
    """The tracks of one stream.

    thresholds: for each class the score from which a box may start a track; boxes of lower scores
    only continue one. confirm: a track begins when its thing was found in so
    many frames, without one between them in which it was not. patience: seconds for which a thing
    that is not found is still expected; after that its track ends. Where frames are rare, it may be
    missing in two of them. Raises SqznetError for other values.
    """

    def __init__(
        self,
        thresholds: Sequence[float],
        confirm: int = CONFIRM,
        patience: float = PATIENCE,
    ) -> None:
        if not (math.isfinite(patience) and patience >= 0):
            raise SqznetError(f"patience is {patience}, expected seconds, 0 or more")
        self._thresholds = thresholds
        self._confirm = checked_count("confirm", confirm)
        self._patience = patience
        self._followed: list[_Followed] = []
        self._counts: dict[str, int] = {}
        self._time: float | None = None
        self._interval = 0.0

    def update(self, time: float, detections: Iterable[Detection]) -> Step:
        """Takes the boxes of the frame at ``time``, in seconds, in pixels of one picture size.

        A time before that of the previous frame counts as the same time.
        """
        before = time if self._time is None else self._time
        time = max(time, before)
        interval = time - before
        longest = max(self._patience, _MISSES * self._interval)
        ended = self._leave_out(lambda one: time - one.found > longest)
        for one in self._followed:
            one.motion.advance(interval)
        strong, weak = self._by_score(detections)
        free = list(self._followed)
        for boxes, least, wider, is_hit in (
            (strong, _OVERLAP, 0.0, True),
            (strong, _WIDE_OVERLAP, _WIDER, True),
            (weak, _LOW_OVERLAP, 0.0, False),
        ):
            for one, detection in _partners(free, boxes, least, wider):
                free.remove(one)
                boxes.remove(detection)
                one.find(time, detection, is_hit)
        ended += self._leave_out(lambda one: not one.number and one.found < time)
        self._followed += [_Followed(time, detection) for detection in strong]
        began = [self._begin(one) for one in self._followed if self._is_ready(one)]
        self._time, self._interval = time, interval
        tracks = [one.track(time) for one in self._followed if one.number]
        return Step(tracks, [one.track(time) for one in began], ended)

    def _by_score(self, detections: Iterable[Detection]) -> tuple[list[Detection], list[Detection]]:
        """Those that may start a track and those that may not, each best first."""
        strong: list[Detection] = []
        weak: list[Detection] = []
        for detection in sorted(detections, key=lambda found: -found.score):
            least = self._thresholds[detection.index]
            (strong if detection.score >= least else weak).append(detection)
        return strong, weak

    def _leave_out(self, is_over: Callable[[_Followed], bool]) -> list[Track]:
        """Forgets these; those of them that had begun, by age."""
        over = [one for one in self._followed if is_over(one)]
        self._followed = [one for one in self._followed if one not in over]
        return [one.track(math.inf) for one in over if one.number]

    def _is_ready(self, one: _Followed) -> bool:
        return not one.number and one.hits >= self._confirm

    def _begin(self, one: _Followed) -> _Followed:
        label = one.detection.label
        one.number = self._counts[label] = self._counts.get(label, 0) + 1
        return one


class _Followed:
    """A track, or what may become one: ``number`` is 0 until it begins."""

    def __init__(self, time: float, detection: Detection) -> None:
        self.number, self.hits = 0, 1
        self.since = self.found = time
        self.detection = detection
        self.motion = Motion(*_middle(detection.box))

    def find(self, time: float, detection: Detection, is_hit: bool) -> None:
        self.found, self.detection = time, detection
        self.hits += is_hit
        self.motion.correct(*_middle(detection.box))

    def guess(self) -> Box:
        """The last box, moved to where the thing should be now."""
        box = self.detection.box
        x, y = _middle(box)
        across, down = self.motion.x - x, self.motion.y - y
        return box._replace(
            x0=box.x0 + across, x1=box.x1 + across, y0=box.y0 + down, y1=box.y1 + down
        )

    def track(self, time: float) -> Track:
        """What callers see of it at this time."""
        seen = self.found == time
        box = self.detection.box if seen else self.guess()
        return Track(self.number, self.detection, box, seen, self.since)


def _partners(
    tracks: Sequence[_Followed], detections: Sequence[Detection], least: float, wider: float
) -> list[tuple[_Followed, Detection]]:
    """Tracks with their boxes, of those that overlap by at least so much, the best pair first."""
    pairs = [
        (-overlap, age, rank)
        for age, (index, box) in enumerate(
            (one.detection.index, _widened(one.guess(), wider)) for one in tracks
        )
        for rank, detection in enumerate(detections)
        if detection.index == index
        and (overlap := iou(box, _widened(detection.box, wider))) >= least
    ]
    chosen: dict[int, int] = {}
    for _, age, rank in sorted(pairs):
        if age not in chosen and rank not in chosen.values():
            chosen[age] = rank
    return [(tracks[age], detections[rank]) for age, rank in chosen.items()]


def iou(one: Box, other: Box) -> float:
    """The area that two boxes share over the area of both together, 0..1."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def _middle(box: Box) -> tuple[float, float]:
    return (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2


def _widened(box: Box, by: float) -> Box:
    if not by:
        return box
    across, down = by * (box.x1 - box.x0), by * (box.y1 - box.y0)
    return box._replace(x0=box.x0 - across, x1=box.x1 + across, y0=box.y0 - down, y1=box.y1 + down)
