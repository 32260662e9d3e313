"""The live views of `sqznet watch`, drawn by rich."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rich.console import Group
from rich.control import Control
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from sqznet.answers import score_text, share
from sqznet.errors import printable
from sqznet.watching.shot import Seen, now
from sqznet.watching.video import shown

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sqznet.watching.loop import Sighting

# Seconds between two drawings: faster updates are unreadable and take time from the frames.
_REDRAW = 0.1
# How many frames the frame rate is averaged over.
_MEASURED = 30
# Columns of the whole view, if the terminal has them; its border; and the least of a label.
_WIDEST, _BORDER, _NARROWEST = 84, 4, 12
_SCORE = 10  # columns of a score


Kind = TypeVar("Kind", bound=Seen)


class View(ABC, Generic[Kind]):
    """Draws the newest of what was seen, in a panel with figures such as the frame rate.

    source: the name in the title. console: where to draw; default: standard output.
    """

    def __init__(self, source: str, console: Console | None = None) -> None:
        self._source = shown(source)
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._moments: deque[float] = deque(maxlen=_MEASURED)
        self._dropped = self._frames = 0
        self._drawn = 0.0
        self._last: Kind | None = None
        self._width, self._height = self._live.console.width, 0

    def __enter__(self) -> View[Kind]:
        self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._last is not None:
            self._draw(self._last)
        self._live.stop()

    def show(self, seen: Kind) -> None:
        moment = now()
        self._moments.append(moment)
        self._dropped += seen.dropped
        self._frames += 1
        self._last = seen
        if moment - self._drawn >= _REDRAW:
            self._drawn = moment
            self._draw(seen)

    def _draw(self, seen: Kind) -> None:
        console = self._live.console
        width = console.width
        if width < self._width:
            # The terminal has wrapped the lines of the last drawing, of which rich knows nothing.
            drawn = min(self._width, _WIDEST)
            more = self._height * (math.ceil(drawn / width) - 1)
            up = [(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)]
            console.control(Control(*up * more))
        self._width = width
        drawing = self.drawing(seen)
        self._height = len(console.render_lines(drawing))
        self._live.update(drawing, refresh=True)

    @abstractmethod
    def content(self, seen: Kind, room: int) -> list[RenderableType]:
        """What is above the figures, in so many columns."""

    def drawing(self, seen: Kind) -> RenderableType:
        """The view as a rich renderable."""
        width = min(_WIDEST, self._live.console.width)
        room = max(1, width - _BORDER)
        figures = Text(self._figures(seen, room), "dim", no_wrap=True)
        return Panel(
            Group(*self.content(seen, room), Text(), figures),
            title=Text(self._source),
            title_align="left",
            width=width,
        )

    def _figures(self, seen: Kind, room: int) -> str:
        """As many of the figures as there is room for, the most useful ones."""
        figures = {
            "time": f"{seen.time:.1f} s",
            "size": f"{seen.picture.width} x {seen.picture.height}",
            "latency": f"{1000 * seen.latency:.1f} ms",
            "rate": self._rate(),
            "frames": f"{self._frames} frames",
            "dropped": f"{self._dropped} dropped",
        }
        figures = {name: text for name, text in figures.items() if text}
        for name in ("frames", "size", "time", "latency", "dropped"):
            if len("  ·  ".join(figures.values())) <= room:
                break
            del figures[name]
        return "  ·  ".join(figures.values())

    def _rate(self) -> str:
        """The frame rate; nothing before the second frame."""
        if len(self._moments) < 2:
            return ""
        span = max(1e-6, self._moments[-1] - self._moments[0])
        return f"{(len(self._moments) - 1) / span:.1f} frames/s"


class SightingView(View["Sighting"]):
    """The label and the best scores as bars."""

    def content(self, sighting: Sighting, room: int) -> list[RenderableType]:
        wide = max(0, room - _SCORE - 4)  # for labels and bars, with gaps of two
        bar = min(30, max(0, wide - _NARROWEST), wide * 30 // 66)
        bars = Table.grid(padding=(0, 2))
        bars.add_column(width=max(1, wide - bar), no_wrap=True, overflow="ellipsis")
        bars.add_column(width=bar)
        bars.add_column(width=_SCORE, justify="right", no_wrap=True)
        activation = sighting.activation
        for prediction in sighting.predictions:
            is_shown = sighting.sure and prediction.index == sighting.shown.index
            bars.add_row(
                Text(printable(prediction.label), "bold" if is_shown else "dim"),
                ProgressBar(total=1.0, completed=share(prediction.score, activation), width=bar),
                Text(score_text(prediction.score, activation), "bold" if is_shown else "dim"),
            )
        head = Text("no class has this score", "dim", no_wrap=True, overflow="ellipsis")
        if sighting.sure:
            head = Text(printable(sighting.shown.label), "bold yellow", no_wrap=True)
            score = f"  {score_text(sighting.shown.score, activation, 0)}"
            head.truncate(max(1, room - len(score)), overflow="ellipsis")
            head.append(score, "not bold")
        return [head, Text(), bars]
