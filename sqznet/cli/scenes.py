"""How `sqznet watch --detect` tells what the detector sees: tracks, and what happens to them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

from sqznet.cli.outputs import LineFile, clock
from sqznet.errors import printable

if TYPE_CHECKING:
    from PIL import Image

    from sqznet import Event, Scene, Track
    from sqznet.watching.terminal_scene import SceneView
    from sqznet.watching.zones import Zone

COLUMNS = (
    *("time", "label", "number", "score", "index", "x0", "y0", "x1", "y1"),
    *("latency_ms", "dropped"),
)


class Scenes:
    """Tells scenes: in csv a row for each thing in a frame, in jsonl an object for each frame; and
    a line for each event."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        self._zones = zones
        self._drawn: tuple[Scene, Image.Image] | None = None

    def heading(self, format_name: str) -> str:
        return ",".join(COLUMNS) if format_name == "csv" else ""

    def records(self, scene: Scene, format_name: str) -> Iterable[str]:
        if format_name == "csv":
            yield from (_row(scene, track) for track in scene.seen)
            return
        yield json.dumps(
            {
                **_frame(scene),
                "objects": [_thing(track) for track in scene.seen],
                "events": [_event(event) for event in scene.events],
            }
        )

    def lines(self, scene: Scene) -> Iterable[str]:
        return (f"{clock(event.time)}  {event}" for event in scene.events)

    def picture(self, scene: Scene) -> Image.Image:
        from sqznet.watching.annotate import boxed

        if self._drawn is None or self._drawn[0] is not scene:  # several files show the same frame
            self._drawn = scene, boxed(scene, self._zones)
        return self._drawn[1]

    def view(self, source: str) -> SceneView:
        from sqznet.watching.terminal_scene import SceneView

        return SceneView(source)


@contextmanager
def logged(path: str) -> Iterator[Callable[[Scene], None]]:
    """The function that writes a JSON object for each event into a file, which is complete when the
    block is left."""
    with closing(LineFile(path, "")) as file:
        yield lambda scene: file.write(
            json.dumps({"time": round(event.time, 4), **_event(event)}) for event in scene.events
        )


def _frame(scene: Scene) -> dict[str, Any]:
    return {
        "time": round(scene.time, 4),
        "latency_ms": round(1000 * scene.latency, 2),
        "dropped": scene.dropped,
    }


def _row(scene: Scene, track: Track) -> str:
    thing = _thing(track)
    corners = dict(zip(("x0", "y0", "x1", "y1"), thing.pop("box"), strict=True))
    thing["label"] = printable(thing["label"])
    line = StringIO()
    row = {**_frame(scene), **thing, **corners}
    csv.DictWriter(line, COLUMNS, lineterminator="").writerow(row)
    return line.getvalue()


def _thing(track: Track) -> dict[str, Any]:
    return {
        "label": track.label,
        "number": track.number,
        "score": round(track.detection.score, 6),
        "index": track.detection.index,
        "box": [round(side, 2) for side in track.detection.box[:4]],
    }


def _event(event: Event) -> dict[str, Any]:
    """What happened to which thing; the zone and the direction of those that have one."""
    where = {"zone": event.zone, "direction": event.direction}
    return {
        "event": event.kind,
        **{name: value for name, value in where.items() if value is not None},
        **_thing(event.track),
    }
