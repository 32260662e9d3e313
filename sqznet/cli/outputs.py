"""Where `sqznet watch` tells what it sees: files, standard output and the live view."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import sqznet
from sqznet.cli.interrupts import undisturbed
from sqznet.errors import printable, reason_of
from sqznet.files.resumable import ResumableFile

if TYPE_CHECKING:
    from PIL import Image

    from sqznet.watching.shot import Seen

#: The formats for programs.
FORMATS = ("csv", "jsonl")

#: Takes what was seen in one frame.
Show = Callable[[Any], None]


class Viewer(Protocol):
    """A live view."""

    def show(self, seen: Any) -> None: ...


class Telling(Protocol):
    """How one kind of `Seen` is told."""

    def heading(self, format_name: str) -> str:
        """The first line of a format; empty if it has none."""
        ...

    def records(self, seen: Any, format_name: str) -> Iterable[str]:
        """The lines of a frame in a format for programs."""
        ...

    def lines(self, seen: Any) -> Iterable[str]:
        """What people are told about a frame, where there is no live view."""
        ...

    def picture(self, seen: Any) -> Image.Image:
        """The frame as a video shows it."""
        ...

    def view(self, source: str) -> AbstractContextManager[Viewer]:
        """The live view. Raises ImportError without rich."""
        ...


def targets(
    paths: Iterable[str], format_name: str, other: str | None = None
) -> list[tuple[str, str]]:
    """The files to write, each with its format: "video" or one of `FORMATS`; ``format_name``: that
    of a file whose suffix says none; ``other``: a file that is written besides.

    Raises SqznetError for a suffix that means none of them, and for a file that is there twice.
    """
    from sqznet.watching.annotate import CONTAINERS

    found: list[tuple[str, str]] = []
    for path in paths:
        suffix = os.path.splitext(path)[1].lower()
        if suffix in CONTAINERS:
            kind = "video"
        elif suffix.removeprefix(".") in FORMATS:
            kind = suffix.removeprefix(".")
        elif format_name in FORMATS:
            kind = format_name
        else:
            expected = ", ".join((*CONTAINERS, *(f".{name}" for name in FORMATS)))
            raise sqznet.SqznetError(
                f"{printable(path)}: expected a name that ends in one of {expected}"
            )
        taken = [one for one, _ in found] + ([] if other is None else [other])
        if any(os.path.realpath(path) == os.path.realpath(one) for one in taken):
            raise sqznet.SqznetError(f"{printable(path)}: expected each output once")
        found.append((path, kind))
    return found


@contextmanager
def written(path: str, kind: str, telling: Telling) -> Iterator[Show]:
    """The function that writes what is seen into a file, which is complete when the block is left,
    also by Ctrl-C or SIGTERM."""
    if kind in FORMATS:
        with closing(LineFile(path, telling.heading(kind))) as file:
            yield lambda seen: file.write(telling.records(seen, kind))
        return
    from sqznet.watching.annotate import AnnotatedVideo

    def add(seen: Seen) -> None:
        with undisturbed():
            video.add(telling.picture(seen), seen.time)

    def complete() -> None:
        with undisturbed():
            video.close()

    # If a signal comes just before `complete` holds it back, the video is closed behind it.
    with ExitStack() as ends:
        with undisturbed():
            video = ends.enter_context(AnnotatedVideo(path))
        ends.callback(complete)
        yield add


@contextmanager
def shown(source: str, format_name: str, telling: Telling) -> Iterator[Show]:
    """The function that shows what is seen on standard output, in a format for programs or as
    text."""
    if format_name in FORMATS:
        if heading := telling.heading(format_name):
            print(heading, flush=True)
        yield lambda seen: _print(telling.records(seen, format_name))
        return
    if sys.stdout is not None and sys.stdout.isatty():
        try:
            view = telling.view(source)
        except ImportError:  # without rich, plain lines are printed
            pass
        else:
            with view as drawn:
                yield drawn.show
            return
    yield lambda seen: _print(map(printable, telling.lines(seen)))


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


class LineFile:
    """Writes lines into FILE.part, those of a frame at once, so that another program can read them
    meanwhile. It replaces FILE when `close` is called.

    heading: the first line, if any. Raises OSError, naming the file, if it cannot be written;
    FILE.part then keeps what is complete.
    """

    def __init__(self, path: str, heading: str) -> None:
        self._path = path
        self._failed = self._closed = False
        try:
            self._part = ResumableFile(path)
            self._part.file.truncate(0)
            self._part.file.seek(0)
        except OSError as error:
            raise self._named(error) from None
        try:
            if heading:
                self._write(heading)
        except OSError:
            self._part.file.close()
            raise

    def write(self, lines: Iterable[str]) -> None:
        with undisturbed():
            for line in lines:
                self._write(line)

    def close(self) -> None:
        """Completes the file; a second time it does nothing."""
        with undisturbed():
            if self._closed:
                return
            self._closed = True
            if self._failed:
                self._part.file.close()
                return
            try:
                self._part.commit()
            except OSError as error:
                raise self._named(error) from None

    def _write(self, line: str) -> None:
        whole = self._part.file.tell()
        data = memoryview(f"{line}\n".encode("utf-8", "backslashreplace"))
        try:
            while data:
                data = data[self._part.file.write(data) :]
        except OSError as error:
            self._failed = True
            self._part.file.truncate(whole)
            raise self._named(error) from None

    def _named(self, error: OSError) -> OSError:
        return OSError(error.errno, reason_of(error), self._path)


def clock(seconds: float) -> str:
    """Minutes, seconds and tenths, and hours if there are any."""
    tenths = math.floor(10 * seconds + 0.5)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{f'{hours}:' if hours else ''}{minutes:02}:{tenths / 10:04.1f}"
