"""How `sqznet watch` tells what the classifier sees: a label for each frame."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from io import StringIO
from typing import TYPE_CHECKING, Any

from sqznet.answers import score_text
from sqznet.cli.outputs import clock
from sqznet.errors import printable

if TYPE_CHECKING:
    from PIL import Image

    from sqznet import Sighting
    from sqznet.watching.terminal import SightingView

COLUMNS = ("time", "label", "score", "index", "latency_ms", "dropped", "path")


class Sightings:
    """Tells sightings: a record for each frame, a line when the shown label changes, and for each
    file of a folder."""

    def __init__(self) -> None:
        self._shown: int | None = None

    def heading(self, format_name: str) -> str:
        return ",".join(COLUMNS) if format_name == "csv" else ""

    def records(self, sighting: Sighting, format_name: str) -> Iterable[str]:
        yield record(sighting, format_name)

    def lines(self, sighting: Sighting) -> Iterable[str]:
        shown = sighting.shown.index if sighting.sure else None
        if self._shown != shown or sighting.path is not None:
            self._shown = shown
            path = "" if sighting.path is None else f"  {sighting.path}"
            score, label = "-", "no class has this score"
            if sighting.sure:
                score = score_text(sighting.shown.score, sighting.activation)
                label = sighting.shown.label
            yield f"{clock(sighting.time)}  {score:>8}  {label}{path}"

    def picture(self, sighting: Sighting) -> Image.Image:
        from sqznet.watching.annotate import annotated

        return annotated(sighting)

    def view(self, source: str) -> SightingView:
        from sqznet.watching.terminal import SightingView

        return SightingView(source)


def record(sighting: Sighting, format_name: str) -> str:
    """One line. Without a label that is sure enough, "label", "score" and "index" are empty."""
    shown = sighting.shown if sighting.sure else None
    fields: dict[str, Any] = {
        "time": round(sighting.time, 4),
        "label": shown.label if shown else None,
        "score": round(shown.score, 6) if shown else None,
        "index": shown.index if shown else None,
        "latency_ms": round(1000 * sighting.latency, 2),
        "dropped": sighting.dropped,
    }
    if format_name == "csv":
        line = StringIO()
        names = {"label": printable(shown.label) if shown else None}
        names["path"] = None if sighting.path is None else printable(sighting.path)
        csv.DictWriter(line, COLUMNS, lineterminator="").writerow({**fields, **names})
        return line.getvalue()
    fields["predictions"] = [
        {"label": p.label, "score": round(p.score, 6), "index": p.index}
        for p in sighting.predictions
    ]
    if sighting.path is not None:
        fields["path"] = sighting.path
    return json.dumps(fields)
