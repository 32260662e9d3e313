"""`sqznet.watch`: classify what a source shows, frame after frame."""

from __future__ import annotations

import logging
import math
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING, Any

from sqznet.errors import SqznetError, checked_count
from sqznet.watching.newest import Newest
from sqznet.watching.shot import Notice, Shot, Source, now
from sqznet.watching.smoothing import Smoother
from sqznet.watching.sources import open_source

if TYPE_CHECKING:
    from sqznet.answers import Prediction
    from sqznet.images.frame import Frame

# What a frame's classes beyond its likeliest few could add to an average is not worth their time.
_COUNTED = 20


@dataclass(frozen=True)
class Sighting:
    """What was seen in one frame.

    time: seconds since the source began; of a video, its own time.
    shown: the label to show and its score, averaged over time and kept from flickering.
    predictions: the averaged scores, best first; `shown` need not be the first.
    latency: seconds from when the frame could be had to the answer.
    dropped: frames of a live source that came since the one before and were not looked at.
    picture: the frame itself; `picture.to_rgb()` gives it as an array.
    path: the picture's file, where the source is a folder.
    """

    time: float
    shown: Prediction
    predictions: list[Prediction]
    latency: float
    dropped: int
    picture: Frame
    path: str | None


def watch(
    source: Any,
    *,
    model: Any = None,
    fps: float | None = None,
    every: int = 1,
    top: int = 5,
    smoothing: float = 0.5,
    hysteresis: float = 0.3,
    format: str = "rgb",
    live: bool = False,
    notice: Notice | None = None,
) -> Generator[Sighting, None, None]:
    """Classify the frames of a camera, a video or a folder as they come.

    source: a camera's number; a video file; an address such as ``"rtsp://..."`` or ``"http://..."``
    (these need PyAV: ``pip install sqznet[video]``); a folder, of which every picture is taken that
    is written to it from now on, once it is complete; a started Picamera2; or anything that gives
    pictures one after the other, such as a generator of arrays.
    Of a live source (cameras and streams without end) the newest frame is taken and older ones are
    dropped, so that answers are never late and memory stays flat. A live source that goes away is
    waited for and opened again. Of a file every frame is taken.

    ``model``: what ``load`` takes or gives; default: the bundled SqueezeNet 1.1.
    ``fps``: frames to look at in a second, at most; of a file, a second of the video.
    ``every``: of a file or a folder, take every so many-th.
    ``top``: predictions to give.
    ``smoothing``: time constant in seconds of the average over time, 0 for none.
    ``hysteresis``: from 0 to below 1; the shown label changes when its average has fallen below
    (1 - hysteresis) of the best one's.
    ``format``: "rgb" or "bgr" (as OpenCV gives), of arrays from the caller.
    ``live``: whether the caller's pictures come at their own pace and are to be read in the
    background, the newest first.
    ``notice``: takes one line on what went wrong but does not end the watching: a camera that was
    lost or is back, a damaged picture; default: a warning of the logger ``sqznet``.

    Gives Sightings until the source ends; closing the generator ends it at once. Raises
    SqznetError if the source cannot be opened or an option is wrong, and, after the frames that
    could be read, if a video is damaged or cut short; WeightsError as ``load`` does.
    """
    smoother = Smoother(smoothing, hysteresis)
    every, top = checked_count("every", every), checked_count("top", top)
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise SqznetError(f"fps is {fps}, expected more than 0")
    notice = notice or logging.getLogger("sqznet").warning
    opened = open_source(source, format, live, notice)
    if opened.live and every > 1:
        raise SqznetError("every is for files: of a live source the newest frame counts, try fps")
    if fps is not None and not opened.timed:
        raise SqznetError("fps is for video: of a folder each new picture counts, try every")
    feed = _newest(opened, fps, notice) if opened.live else _chosen(opened, fps, every)
    return _sightings(feed, _loaded(model), smoother, top)


def _sightings(
    feed: Generator[tuple[Shot, int], None, None], model: Any, smoother: Smoother, top: int
) -> Generator[Sighting, None, None]:
    counted = max(top, _COUNTED)
    with closing(feed):
        for shot, dropped in feed:
            smoother.update(shot.time, model.classify(shot.picture, top=counted))
            yield Sighting(
                time=shot.time,
                shown=smoother.shown,
                predictions=smoother.top(top),
                latency=now() - shot.arrived,
                dropped=dropped,
                picture=shot.picture,
                path=shot.path,
            )


def _newest(
    source: Source, fps: float | None, notice: Notice
) -> Generator[tuple[Shot, int], None, None]:
    newest = Newest(source, notice)
    due = 0.0
    try:
        for shot, dropped in newest:
            yield shot, dropped
            if fps is not None:
                due = _next(due, shot.arrived, fps)
                sleep(max(0.0, due - now()))
    finally:
        newest.close()


def _chosen(
    source: Source, fps: float | None, every: int
) -> Generator[tuple[Shot, int], None, None]:
    due = 0.0
    with closing(source.shots()) as shots:
        for index, shot in enumerate(shots):
            # A little early is on time: times are rounded.
            if index % every or (fps is not None and shot.time < due - 1e-3):
                continue
            if fps is not None:
                due = _next(due, shot.time, fps)
            yield shot, 0


def _next(due: float, taken: float, fps: float) -> float:
    """When the next frame is due: a step later, and one that was missed is not made up for."""
    return due + 1 / fps if taken < due + 1 / fps else taken + 1 / fps


def _loaded(model: Any) -> Any:
    if hasattr(model, "classify"):
        return model
    from sqznet.api import load

    return load(model)
