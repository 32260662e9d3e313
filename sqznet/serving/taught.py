"""Classes that clients teach a server, photo by photo, and their file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqznet.errors import SqznetError
from sqznet.learning.recognizer import Recognizer
from sqznet.model import Model
from sqznet.serving.served import Served


class Lesson(NamedTuple):
    """A photo file, and the label of the class that it shows."""

    photo: bytes
    label: str


class Taught(Served):
    """A recognizer that learns from clients. ``teach`` and ``save`` are tasks of a `Batcher`."""

    def __init__(self, name: str, recognizer: Recognizer, pixels: int, path: str) -> None:
        super().__init__(name, recognizer, pixels)
        self._recognizer, self._path = recognizer, path

    def teach(self, lessons: Sequence[Lesson], others: bool) -> list[dict[str, Any]]:
        """Learns a photo; gives the classes known then."""
        return [self._learned(lesson) for lesson in lessons]

    def save(self, items: Sequence[None], others: bool) -> list[dict[str, Any]]:
        """Writes the file; gives the classes in it."""
        self._recognizer.save(self._path)
        return [self.state() for _ in items]

    def state(self) -> dict[str, Any]:
        return {
            "model": self.name,
            "labels": list(self._recognizer.labels),
            "images": self._recognizer.num_images,
        }

    def _learned(self, lesson: Lesson) -> dict[str, Any]:
        self._recognizer.add(lesson.label, self.decode(lesson.photo))
        return self.state()


def taught(path: str | os.PathLike[str], network: Model, pixels: int) -> Taught:
    """The classes of a file, or none yet if there is no such file.

    Raises WeightsError for another file, and SqznetError if its folder is missing.
    """
    place = os.fspath(path)
    if os.path.lexists(place):
        recognizer = Recognizer.load(place, backbone=network, report=_silent)
    elif os.path.isdir(os.path.dirname(os.path.abspath(place))):
        recognizer = Recognizer(network, report=_silent)
    else:
        raise SqznetError(f"{place}: cannot be written later: no such folder")
    name = os.path.splitext(os.path.basename(place))[0]
    return Taught(name, recognizer, pixels, place)


def _silent(_: object) -> None:
    """Nobody reads what a recognizer reports: clients see how many images it has."""
