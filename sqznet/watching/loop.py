"""`sqznet.watch`: classifies the frames of a source one after another."""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqznet.answers import summed
from sqznet.errors import SqznetError, checked_count
from sqznet.watching.feed import feed
from sqznet.watching.framing import Framing
from sqznet.watching.shot import Notice, Shot, Source, now
from sqznet.watching.smoothing import HYSTERESIS, SMOOTHING, Smoother
from sqznet.watching.sources import open_source

if TYPE_CHECKING:
    from sqznet.answers import Prediction
    from sqznet.images.frame import Frame

# How many of a frame's best classes are averaged; others are too small to matter.
_COUNTED = 20


@dataclass(frozen=True)
class Sighting:
    """The result for one frame.

    time: seconds since the source started; for a video file, the time within the video.
    shown: the label to show and its score, averaged over time and with hysteresis.
    predictions: the averaged scores, best first; `shown` need not be the first.
    latency: seconds from when the frame was available to the answer.
    dropped: how many frames of a live source were skipped since the previous result.
    picture: the frame, or the turned region of it; `picture.to_rgb()` returns it as an array.
    path: the image file, if the source is a folder.
    activation: what made the scores, see `Prediction`.
    sure: whether the score of `shown` is at least the `min_score` of `watch`.
    """

    time: float
    shown: Prediction
    predictions: list[Prediction]
    latency: float
    dropped: int
    picture: Frame
    path: str | None
    activation: str = "softmax"
    sure: bool = True


def watch(
    source: Any,
    *,
    model: Any = None,
    fps: float | None = None,
    every: int = 1,
    top: int = 5,
    smoothing: float | None = None,
    hysteresis: float | None = None,
    min_score: float | None = None,
    rotate: int = 0,
    roi: Sequence[float] | None = None,
    format: str = "rgb",
    live: bool = False,
    coarse: bool = False,
    rate: float | None = None,
    notice: Notice | None = None,
) -> Generator[Sighting, None, None]:
    """Classifies the frames of a camera, a video or a folder as they arrive.

    source: a camera number; a video file or a FIFO; an address such as ``"rtsp://..."`` or
    ``"http://..."`` (these need PyAV: ``pip install av``); an animated GIF, PNG or WebP
    file; a folder, of which each image file that is written from now on is classified once it is
    complete; a started Picamera2; or any iterable of images, such as a generator of arrays.
    For a live source (cameras and endless streams) only the newest frame counts and older ones are
    dropped, so answers are never late and memory stays flat. A lost live source is opened again
    when it is back. Of a file, a pipe or a video on a web server every frame is classified.

    ``model``: a model, or what ``load`` takes; default: the bundled SqueezeNet 1.1.
    ``fps``: the maximum number of frames per second; for a file, per second of video.
    ``every``: for a file or a folder, classify only every N-th frame.
    ``top``: the number of predictions.
    ``smoothing``: the time constant in seconds of the average over time, 0 for none; default: 0.5,
    and 0 for a folder, whose photos have nothing to do with each other.
    ``hysteresis``: at least 0 and below 1; the shown label changes when its average falls below
    (1 - hysteresis) times the best average; default: 0.3, and 0 for a folder.
    ``min_score``: while the average score of the shown label is lower, sightings are not ``sure``.
    ``rotate``: degrees clockwise, 0, 90, 180 or 270, by which frames are turned first.
    ``roi``: the region of interest of the turned frame, the only part that is classified: x, y,
    width and height in pixels or, if none of them is above 1, as shares of the frame.
    ``format``: "rgb" or "bgr" (as in OpenCV), the channel order of arrays from the caller.
    ``live``: whether the caller's images arrive at their own pace; then they are read in the
    background, and only the newest counts.
    ``coarse``: sum the scores of classes that share a coarse name, see `Model.classify`; the index
    is then that of the name's first class.
    ``rate``: how many of the caller's images were taken per second, for images that were not taken
    just now, such as those of a file; default: their times are when they arrive.
    ``notice``: called with one line about each problem that does not end the loop, such as a lost
    camera, its return, or a damaged image; default: a warning of the logger ``sqznet``.

    Yields Sightings until the source ends; closing the generator stops it at once. Raises
    SqznetError if the source cannot be opened or an option is invalid, and, after the readable
    frames, if a video is damaged or truncated; and WeightsError as ``load`` does.
    """
    top = checked_count("top", top)
    if min_score is not None and not math.isfinite(min_score):
        raise SqznetError(f"min_score is {min_score}, expected a score")
    framing = Framing(rotate, roi)
    notice = notice or logging.getLogger("sqznet").warning
    opened = open_source(source, format, live, rate, notice)
    smoother = _smoother(opened, smoothing, hysteresis)
    frames = feed(opened, fps, every, notice)
    least = -math.inf if min_score is None else min_score
    loaded = _loaded(model)
    names = loaded.coarse_labels if coarse else None
    return _sightings(frames, loaded, names, framing, smoother, top, least)


def _sightings(
    frames: Generator[tuple[Shot, int], None, None],
    model: Any,
    names: Sequence[str] | None,
    framing: Framing,
    smoother: Smoother,
    top: int,
    least: float,
) -> Generator[Sighting, None, None]:
    activation = getattr(model, "activation", "softmax")
    # Outputs without an activation may all matter: none is 0 only because others are larger.
    all_count = activation == "none" or names is not None
    counted = len(model.labels) if all_count else max(top, _COUNTED)
    with closing(frames):
        for shot, dropped in frames:
            picture = framing(shot.picture)
            found = model.classify(picture, top=counted)
            smoother.update(shot.time, found if names is None else _shared(found, names))
            yield Sighting(
                time=shot.time,
                shown=smoother.shown,
                predictions=smoother.top(top),
                latency=now() - shot.arrived,
                dropped=dropped,
                picture=picture,
                path=shot.path,
                activation=activation,
                sure=smoother.shown.score >= least,
            )


def _shared(predictions: Sequence[Prediction], names: Sequence[str]) -> list[Prediction]:
    """The sums by coarse names, each with the index of its first class in every frame."""
    first = {name: index for index, name in reversed(list(enumerate(names)))}
    found = summed(predictions, names, len(first))
    return [p._replace(index=first[p.label]) for p in found]


def _smoother(source: Source, smoothing: float | None, hysteresis: float | None) -> Smoother:
    usual = (SMOOTHING, HYSTERESIS) if source.timed else (0.0, 0.0)
    return Smoother(
        usual[0] if smoothing is None else smoothing, usual[1] if hysteresis is None else hysteresis
    )


def _loaded(model: Any) -> Any:
    if hasattr(model, "classify"):
        return model
    from sqznet.api import load

    return load(model)
