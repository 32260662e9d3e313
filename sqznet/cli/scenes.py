"""How `sqznet watch --detect` tells what the detector sees: tracks, and what happens to them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

from sqznet.cli.outputs import clock
from sqznet.errors import printable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

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

    def picture(self, scene: Scene) -> npt.NDArray[np.uint8]:
        from sqznet.watching.annotate import boxed

        return boxed(scene, self._zones)

    def view(self, source: str) -> SceneView:
        from sqznet.watching.terminal_scene import SceneView

        return SceneView(source)


def event_lines(scene: Scene) -> Iterable[str]:
    """A JSON object for each event of a frame."""
    return (json.dumps({"time": round(event.time, 4), **_event(event)}) for event in scene.events)


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
        "box": [round(side, 2) for side in track.box[:4]],
    }


def _event(event: Event) -> dict[str, Any]:
    """What happened to which thing; the zone and the direction of those that have one."""
    where = {"zone": event.zone, "direction": event.direction}
    return {
        "event": event.kind,
        **{name: value for name, value in where.items() if value is not None},
        **_thing(event.track),
    }
