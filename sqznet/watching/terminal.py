"""The live view of `sqznet watch`, drawn by rich."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sqznet.answers import score_text, share
from sqznet.errors import printable
from sqznet.watching.shot import now
from sqznet.watching.video import shown

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sqznet.watching.loop import Sighting

# Seconds between two drawings: faster updates are unreadable and take time from the frames.
_REDRAW = 0.1
# How many frames the frame rate is averaged over.
_MEASURED = 30


class View:
    """Draws the newest sighting: label, scores as bars, frame rate, latency, dropped frames.

    source: the name in the title. console: where to draw; default: standard output.
    """

    def __init__(self, source: str, console: Console | None = None) -> None:
        self._source = shown(source)
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._moments: deque[float] = deque(maxlen=_MEASURED)
        self._dropped = self._frames = 0
        self._drawn = 0.0
        self._last: Sighting | None = None

    def __enter__(self) -> View:
        self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._last is not None:
            self._live.update(self.drawing(self._last), refresh=True)
        self._live.stop()

    def show(self, sighting: Sighting) -> None:
        moment = now()
        self._moments.append(moment)
        self._dropped += sighting.dropped
        self._frames += 1
        self._last = sighting
        if moment - self._drawn >= _REDRAW:
            self._drawn = moment
            self._live.update(self.drawing(sighting), refresh=True)

    def drawing(self, sighting: Sighting) -> RenderableType:
        """The view of one sighting as a rich renderable."""
        bars = Table.grid(padding=(0, 2))
        bars.add_column(width=34, no_wrap=True, overflow="ellipsis")
        bars.add_column(width=30)
        bars.add_column(justify="right")
        activation = sighting.activation
        for prediction in sighting.predictions:
            is_shown = prediction.index == sighting.shown.index
            bars.add_row(
                Text(printable(prediction.label), "bold" if is_shown else "dim"),
                ProgressBar(total=1.0, completed=share(prediction.score, activation), width=30),
                Text(score_text(prediction.score, activation), "bold" if is_shown else "dim"),
            )
        head = Text(printable(sighting.shown.label), "bold yellow")
        head.append(f"  {score_text(sighting.shown.score, activation, 0)}", "not bold")
        return Panel(
            Group(head, Text(), bars, Text(), Text(self._figures(sighting), "dim")),
            title=Text(self._source),
            title_align="left",
            width=84,
        )

    def _figures(self, sighting: Sighting) -> str:
        where = f"{sighting.picture.width} x {sighting.picture.height}"
        figures = [f"{sighting.time:.1f} s", where, f"{1000 * sighting.latency:.1f} ms"]
        if len(self._moments) > 1:
            span = max(1e-6, self._moments[-1] - self._moments[0])
            figures.append(f"{(len(self._moments) - 1) / span:.1f} frames/s")
        figures += [f"{self._frames} frames", f"{self._dropped} dropped"]
        return "  ·  ".join(figures)
