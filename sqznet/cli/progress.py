"""A progress bar on stderr, with the speed and the remaining time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sqznet.cli.common import is_quiet

# Seconds: short work shows no bar, and faster updates are unreadable.
_DELAY = 1.0
_INTERVAL = 0.2
_WIDTH = 30


class Progress(Protocol):
    def advance(self) -> None:
        """Counts one more item as done."""
        ...

    def clear(self) -> None:
        """Removes the bar, so that a line can be printed; the next `advance` draws it again."""
        ...


class Silent:
    def advance(self) -> None:
        pass

    def clear(self) -> None:
        pass


class Drawn:
    """Shared by both kinds of bar: when to draw."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.began = time.monotonic()
        self._next = self.began + _DELAY

    def advance(self) -> None:
        self.done += 1
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _INTERVAL
            self.draw(now - self.began)

    def draw(self, seconds: float) -> None:
        raise NotImplementedError

    def clear(self) -> None:
        erase()


class Plain(Drawn):
    """Without rich."""

    def draw(self, seconds: float) -> None:
        draw_bar(_WIDTH * self.done // self.total, _WIDTH, figures(self, seconds))


class Rich(Drawn):
    """With rich's bar and colors."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress_bar import ProgressBar

        super().__init__(total)
        self._console = Console(stderr=True, highlight=False)
        self._bar: Any = ProgressBar(total=total, width=_WIDTH)

    def draw(self, seconds: float) -> None:
        self._bar.update(self.done)
        self.clear()
        self._console.print(self._bar, end="")
        self._console.print(f" {figures(self, seconds)}", end="", soft_wrap=True)
        sys.stderr.flush()


def is_drawn() -> bool:
    """Whether there is a terminal to draw on, and -q is not given."""
    return not is_quiet() and sys.stderr is not None and sys.stderr.isatty()


def draw_bar(filled: int, width: int, text: str) -> None:
    """Draws a bar with a text behind it, in place of the line before."""
    bar = "#" * filled + "-" * (width - filled)
    print(f"\r[{bar}] {text}\x1b[K", end="", file=sys.stderr, flush=True)


def erase() -> None:
    """Removes the line that was drawn last."""
    print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def figures(bar: Drawn, seconds: float) -> str:
    """For example ``120/250  48.0 %  310.2/s  0:03 left``."""
    rate = bar.done / max(seconds, 1e-9)
    left = duration((bar.total - bar.done) / rate)
    share = 100 * bar.done / bar.total
    return f"{bar.done}/{bar.total}  {share:.1f} %  {rate:.1f}/s  {left} left"


def duration(seconds: float) -> str:
    """For example ``0:03`` or ``2:00:59``: minutes and seconds, and hours if there are any."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


@contextmanager
def progress(total: int, wanted: bool = True) -> Iterator[Progress]:
    """A bar for this number of items, removed at the end; nothing if stderr is not a terminal."""
    bar: Progress = Silent()
    if wanted and is_drawn():
        try:
            bar = Rich(total)
        except ImportError:
            bar = Plain(total)
    try:
        yield bar
    finally:
        bar.clear()
