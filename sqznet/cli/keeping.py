"""The photos and clips of `sqznet watch --detect --save FOLDER`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

from sqznet.cli import picture
from sqznet.cli.interrupts import undisturbed
from sqznet.files.paths import expanded

if TYPE_CHECKING:
    from PIL import Image

    from sqznet import Event, Scene

_LONGEST_NAME = 120  # characters


@contextmanager
def kept(
    folder: str, clip: float | None, kinds: tuple[str, ...], drawn: Callable[[Scene], Image.Image]
) -> Iterator[Callable[[Scene], None]]:
    """The function that keeps scenes with an event of these kinds: a photo for each event; or a
    video with ``clip`` seconds before it and after it, one for events that are close together.

    Raises OSError if the folder cannot be made and, for clips, SqznetError without PyAV.
    """
    folder = expanded(folder)
    os.makedirs(folder, exist_ok=True)

    def events(scene: Scene) -> list[Event]:
        return [event for event in scene.events if event.kind in kinds]

    def photograph(scene: Scene) -> None:
        for event in events(scene):
            with undisturbed():
                picture.write(drawn(scene), _free_name(folder, event, ".jpg"))

    if clip is None:
        yield photograph
        return
    from sqznet.watching.clips import Clips

    clips = Clips(clip)

    def film(scene: Scene) -> None:
        first = next(iter(events(scene)), None)
        path = first and _free_name(folder, first, ".mp4")
        with undisturbed():
            clips.add(drawn(scene), scene.time, path)

    try:
        yield film
    finally:
        with undisturbed():
            clips.close()


def _free_name(folder: str, event: Event, suffix: str) -> str:
    """A path in the folder that says what happened, and when, and does not exist yet."""
    text = f"{datetime.now():%Y-%m-%d %H.%M.%S} {event.time:.1f} s {event}"
    safe = "".join(c if c.isalnum() or c in " -_.," else "_" for c in text)[:_LONGEST_NAME]
    names = (f"{safe}{f' ({number})' if number > 1 else ''}{suffix}" for number in count(1))
    paths = (os.path.join(folder, name) for name in names)
    return next(path for path in paths if not os.path.lexists(path))
