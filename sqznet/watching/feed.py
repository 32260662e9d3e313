"""Chooses the frames of a source that are looked at."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import closing
from time import sleep

from sqznet.errors import SqznetError, checked_count
from sqznet.watching.newest import Newest
from sqznet.watching.shot import Notice, Shot, Source, now


def feed(
    source: Source, fps: float | None, every: int, notice: Notice
) -> Generator[tuple[Shot, int], None, None]:
    """Frames, each with the number of frames of a live source that were skipped before it.

    ``fps``, ``every``: as for `sqznet.watch`. Raises SqznetError if they are invalid or do not fit
    the source.
    """
    every = checked_count("every", every)
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise SqznetError(f"fps is {fps}, expected more than 0")
    if source.live and every > 1:
        raise SqznetError("every is for files: a live source gives the newest frame, try fps")
    if fps is not None and not source.timed:
        raise SqznetError("fps is for video: a folder gives each new image, try every")
    return _newest(source, fps, notice) if source.live else _chosen(source, fps, every)


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
            # Times are rounded, so a slightly early frame is on time.
            if index % every or (fps is not None and shot.time < due - 1e-3):
                continue
            if fps is not None:
                due = _next(due, shot.time, fps)
            yield shot, 0


def _next(due: float, taken: float, fps: float) -> float:
    """When the next frame is due: one interval later; missed frames are not made up for."""
    return due + 1 / fps if taken < due + 1 / fps else taken + 1 / fps
