"""What `sqznet watch` prints and writes of each sighting, besides the live view and the video."""

from __future__ import annotations

import csv
import json
import math
import sys
from io import StringIO
from typing import TYPE_CHECKING, Any

from sqznet.answers import score_text
from sqznet.cli.interrupts import undisturbed
from sqznet.errors import printable, reason_of
from sqznet.files.resumable import ResumableFile

if TYPE_CHECKING:
    from sqznet import Sighting

#: The formats for programs: a row, or an object, for each frame.
FORMATS = ("csv", "jsonl")

COLUMNS = ("time", "label", "score", "index", "latency_ms", "dropped", "path")


class Lines:
    """Prints a line when the shown label changes, and for each file of a folder."""

    def __init__(self) -> None:
        self._shown: int | None = None

    def show(self, sighting: Sighting) -> None:
        shown = sighting.shown.index if sighting.sure else None
        if self._shown != shown or sighting.path is not None:
            self._shown = shown
            path = "" if sighting.path is None else f"  {sighting.path}"
            score, label = "-", "no class has this score"
            if sighting.sure:
                score = score_text(sighting.shown.score, sighting.activation)
                label = sighting.shown.label
            print(printable(f"{clock(sighting.time)}  {score:>8}  {label}{path}"), flush=True)


class Records:
    """Prints the records of a format."""

    def __init__(self, format_name: str) -> None:
        self._format = format_name
        if head := heading(format_name):
            print(head, flush=True)

    def show(self, sighting: Sighting) -> None:
        print(record(sighting, self._format), flush=True)


class RecordFile:
    """Writes the records of a format into FILE.part, each at once, so that another program can read
    them meanwhile. It replaces FILE when `close` is called.

    Raises OSError, naming the file, if it cannot be written; FILE.part then keeps what is complete.
    """

    def __init__(self, path: str, format_name: str) -> None:
        self._path, self._format = path, format_name
        self._failed = self._closed = False
        try:
            self._part = ResumableFile(path)
            self._part.file.truncate(0)
            self._part.file.seek(0)
        except OSError as error:
            raise self._named(error) from None
        try:
            if head := heading(format_name):
                self._write(head)
        except OSError:
            self._part.file.close()
            raise

    def show(self, sighting: Sighting) -> None:
        with undisturbed():
            self._write(record(sighting, self._format))

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


def heading(format_name: str) -> str:
    return ",".join(COLUMNS) if format_name == "csv" else ""


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


def clock(seconds: float) -> str:
    """Minutes, seconds and tenths, and hours if there are any."""
    tenths = math.floor(10 * seconds + 0.5)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{f'{hours}:' if hours else ''}{minutes:02}:{tenths / 10:04.1f}"


def is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()
