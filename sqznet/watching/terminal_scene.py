"""The live view of `sqznet watch --detect`: where things are, which, and what happened last."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from sqznet.answers import score_text
from sqznet.detection.drawing import color_of
from sqznet.errors import printable
from sqznet.watching.terminal import View

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sqznet.watching.events import Event
    from sqznet.watching.objects import Scene
    from sqznet.watching.tracks import Track

# The map of the picture: its most lines, the part of the view's width that it may take, and the
# least columns of a view that has one. A character is about twice as high as wide.
_LINES, _WIDEST, _LEAST = 14, 0.62, 36
_TALL = 2.0
_GAP = 2
_NAME, _SCORE, _FOLLOWED = 11, 7, 9  # columns
_EVENTS = 3

Cell = tuple[str, str]  # a character and its style


class SceneView(View["Scene"]):
    """A small map of the picture with the boxes, a list of the things, and the last events."""

    def __init__(self, source: str, console: Console | None = None) -> None:
        super().__init__(source, console)
        self._events: deque[Event] = deque(maxlen=_EVENTS)

    def show(self, seen: Scene) -> None:
        self._events.extend(seen.events)
        super().show(seen)

    def content(self, seen: Scene, room: int) -> list[RenderableType]:
        tracks = seen.seen
        shape = _shape(seen.picture.width, seen.picture.height, room)
        body: RenderableType
        if shape is None:
            body = _listed(tracks, seen.time, room, _LINES)
        else:
            across, down = shape
            table = Table.grid(padding=(0, _GAP))
            table.add_column(width=across, no_wrap=True)
            table.add_column(width=room - across - _GAP, no_wrap=True)
            listed = _listed(tracks, seen.time, room - across - _GAP, down)
            table.add_row(_map(seen, across, down), listed)
            body = table
        return [_counted(tracks), Text(), body, Text(), *self._happened()]

    def _happened(self) -> list[Text]:
        texts = [f"{event.time:.1f} s  {event}" for event in self._events]
        texts = [printable(text) for text in texts] + [""] * (_EVENTS - len(texts))
        return [Text(text, no_wrap=True, overflow="ellipsis") for text in texts]


def _counted(tracks: Sequence[Track]) -> Text:
    """How many things of each class are seen."""
    counts = Counter(track.label for track in tracks)
    text = ", ".join(f"{counts[label]} x {printable(label)}" for label in sorted(counts))
    style = "bold yellow" if text else "dim"
    return Text(text or "nothing in view", style, no_wrap=True, overflow="ellipsis")


def _listed(tracks: Sequence[Track], time: float, room: int, lines: int) -> Table:
    """A line for each thing: its name, its score and for how long it was followed."""
    followed = _FOLLOWED if room >= _NAME + _SCORE + _FOLLOWED else 0
    table = Table.grid()
    table.add_column(width=max(1, room - _SCORE - followed), no_wrap=True, overflow="ellipsis")
    table.add_column(width=_SCORE, justify="right", no_wrap=True)
    if followed:
        table.add_column(width=followed, justify="right", no_wrap=True)
    room_for = lines if len(tracks) <= lines else lines - 1
    for track in tracks[:room_for]:
        cells = [
            Text(printable(track.name), f"bold {color_of(track.detection.index)}"),
            Text(score_text(track.detection.score, "sigmoid", 0)),
            Text(f"{time - track.since:.1f} s", "dim"),
        ]
        table.add_row(*cells if followed else cells[:2])
    if len(tracks) > room_for:
        table.add_row(Text(f"and {len(tracks) - room_for} more", "dim"))
    return table


# --- The map -------------------------------------------------------------------------------------


def _shape(width: int, height: int, room: int) -> tuple[int, int] | None:
    """The columns and lines of the map of a picture; None if there is no room for one."""
    if room < _LEAST:
        return None
    across = min(int(_WIDEST * room), round(_LINES * _TALL * width / height))
    return max(3, across), max(3, min(_LINES, round(across * height / width / _TALL)))


def _map(scene: Scene, across: int, down: int) -> Text:
    """The outline of the picture, and the boxes in it; those that have been there for longer are
    above."""
    cells: list[list[Cell]] = [[(" ", "")] * across for _ in range(down)]
    _frame(cells, (0, 0, across - 1, down - 1), "┌┐└┘─│", "dim")
    wide, high = across / scene.picture.width, down / scene.picture.height
    for track in reversed(scene.seen):
        box = track.box
        left, right = (min(across - 1, max(0, int(x * wide))) for x in (box.x0, box.x1 - 1))
        top, bottom = (min(down - 1, max(0, int(y * high))) for y in (box.y0, box.y1 - 1))
        style = color_of(track.detection.index)
        _frame(cells, (left, top, right, bottom), "╭╮╰╯─│", style)
        _write(cells[top], track.name, (left + 1, right), f"bold {style}")
    text = Text(no_wrap=True)
    for number, row in enumerate(cells):
        text.append("\n" if number else "")
        for character, style in _whole(row):
            text.append(character, style)
    return text


def _write(row: list[Cell], name: str, place: tuple[int, int], style: str) -> None:
    """Writes a name between two columns, as much of it as there is room for."""
    column, end = place
    for character in printable(name):
        width = cell_len(character)
        if column + width > end:
            break
        if width:
            row[column : column + width] = [(character, style), ("", "")][:width]
        column += width


def _whole(row: Sequence[Cell]) -> Iterator[Cell]:
    """The cells; a space for what is left of a wide character, of which a box covers a half."""
    followers = [*row[1:], (" ", "")]
    before = 1
    for (character, style), (follower, _) in zip(row, followers, strict=True):
        width = cell_len(character)
        torn = before != 2 if not character else width == 2 and follower != ""
        yield (" ", style) if torn else (character, style)
        before = 1 if torn else width


def _frame(
    cells: list[list[Cell]], place: tuple[int, int, int, int], drawn: str, style: str
) -> None:
    """Draws a rectangle: four corners, its horizontal and its vertical lines; one of a single line
    or column is a stroke."""
    left, top, right, bottom = place
    for x in range(left, right + 1):
        cells[top][x] = cells[bottom][x] = drawn[4], style
    for y in range(top, bottom + 1):
        cells[y][left] = cells[y][right] = drawn[5], style
    if left < right and top < bottom:
        for x, y, corner in zip(
            (left, right, left, right), (top, top, bottom, bottom), drawn, strict=False
        ):
            cells[y][x] = corner, style
