"""`sqznet.watch_objects`: finds the things in the frames of a source, and follows them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqznet.detection.thresholds import DEFAULT, Threshold, by_class
from sqznet.errors import SqznetError, shown
from sqznet.watching.events import Event, Events
from sqznet.watching.feed import feed
from sqznet.watching.framing import Framing
from sqznet.watching.shot import Notice, Shot, now
from sqznet.watching.sources import open_source
from sqznet.watching.tracks import CONFIRM, PATIENCE, Track, Tracker
from sqznet.watching.zones import checked_zones

if TYPE_CHECKING:
    from sqznet.boxes import Detection
    from sqznet.images.frame import Frame
    from sqznet.watching.zones import Zone

# The detector is asked for boxes from this share of the threshold on: lower ones continue tracks.
_LOW = 0.5


@dataclass(frozen=True)
class Scene:
    """What is in one frame.

    time: seconds since the source started; for a video file, the time within the video.
    tracks: the things that are followed, by age; `track.seen` says whether this frame shows them.
    events: what happened since the previous frame.
    latency: seconds from when the frame was available to the answer.
    dropped: how many frames of a live source were skipped since the previous answer.
    picture: the frame, or the turned region of it; `picture.to_rgb()` returns it as an array.
    """

    time: float
    tracks: list[Track]
    events: list[Event]
    latency: float
    dropped: int
    picture: Frame

    @property
    def seen(self) -> list[Track]:
        """The tracks that this frame shows, by age."""
        return [track for track in self.tracks if track.seen]


def watch_objects(
    source: Any,
    *,
    detector: Any = None,
    threshold: Threshold = DEFAULT,
    only: Iterable[str] | None = None,
    zones: Mapping[str, Sequence[tuple[float, float]]] | Iterable[Zone] | None = None,
    confirm: int = CONFIRM,
    patience: float = PATIENCE,
    fps: float | None = None,
    every: int = 1,
    rotate: int = 0,
    roi: Sequence[float] | None = None,
    format: str = "rgb",
    live: bool = False,
    rate: float | None = None,
    notice: Notice | None = None,
) -> Generator[Scene, None, None]:
    """Finds people and animals in the frames of a camera or a video, and follows each of them.

    ``source``: as for ``watch``, but no folder, whose photos have nothing to do with each other.
    ``detector``: a detector, or what ``load_detector`` takes; default: the bundled one.
    ``threshold``: the score from which a thing is new, in 0..1, or a mapping from labels to such
    numbers; what is followed already is found from half of it on.
    ``only``: the labels to follow; default: all.
    ``zones``: names with points (x, y): two are a line that things cross, more are the corners of
    an area that they enter and exit. In whole pixels of ``picture`` or, if no number is above 1, as
    shares of its width and height. The middle of the lower edge of a box says where a thing is.
    ``confirm``: a thing appears when it was found in so many frames in succession.
    ``patience``: seconds for which a thing that is not found is still expected, with its number;
    where frames are rare, it may be missing in two of them.
    ``fps``, ``every``, ``rotate``, ``roi``, ``format``, ``live``, ``rate``, ``notice``: as for
    ``watch``. Tracks need the times of frames: give ``rate`` for images that arrive faster or more
    slowly than they were taken.

    Yields Scenes until the source ends; closing the generator stops it at once. Raises SqznetError
    if the source cannot be opened or an option is invalid; for the first frame, if a zone lies
    outside of it; after the readable frames, if a video is damaged or truncated; and WeightsError
    as ``load_detector`` does.
    """
    events = Events(checked_zones(zones))
    framing = Framing(rotate, roi)
    notice = notice or logging.getLogger("sqznet").warning
    opened = open_source(source, format, live, rate, notice)
    if not opened.timed:
        raise SqznetError(
            f"{opened.name}: is a folder, whose photos have no times, so nothing can be followed; "
            "'sqznet detect' finds what is on them"
        )
    frames = feed(opened, fps, every, notice)
    detector = _loaded(detector)
    thresholds = by_class(threshold, detector.labels)
    wanted = _wanted(only, detector.labels)
    tracker = Tracker(thresholds, confirm, patience)
    lowest = {label: _LOW * least for label, least in zip(detector.labels, thresholds, strict=True)}

    def found(picture: Frame) -> list[Detection]:
        return [one for one in detector.detect(picture, lowest) if one.label in wanted]

    return _scenes(frames, found, framing, tracker, events)


def _scenes(
    frames: Generator[tuple[Shot, int], None, None],
    found: Callable[[Frame], list[Detection]],
    framing: Framing,
    tracker: Tracker,
    events: Events,
) -> Generator[Scene, None, None]:
    with closing(frames):
        for shot, dropped in frames:
            picture = framing(shot.picture)
            step = tracker.update(shot.time, found(picture))
            happened = events.update(shot.time, step, picture.width, picture.height)
            latency = now() - shot.arrived
            yield Scene(shot.time, step.tracks, happened, latency, dropped, picture)


def _loaded(detector: Any) -> Any:
    if hasattr(detector, "detect"):
        return detector
    from sqznet.detection.loading import load_detector

    return load_detector(detector)


def _wanted(only: Iterable[str] | None, labels: Sequence[str]) -> Sequence[str]:
    if only is None:
        return labels
    wanted = [only] if isinstance(only, str) else list(only)
    for label in wanted:
        if label not in labels:
            raise SqznetError(
                f"only has the label {shown(label)}, expected one of {', '.join(labels)}"
            )
    if not wanted:
        raise SqznetError(f"only is empty, expected some of {', '.join(labels)}")
    return wanted
