"""The outputs of `sqznet classify`: text on a terminal, data on stdout, or a file."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from sqznet.answers import Predictions, score_text, share
from sqznet.errors import SqznetError, printable
from sqznet.files.part_file import PartFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqznet.cli.records import Writer

FORMATS = ("table", "csv", "json", "jsonl", "parquet")
# In these formats, the part file of a killed run holds complete records.
_SURVIVING = ("csv", "json", "jsonl")
_BY_ENDING = {".txt": "table", **{f".{name}": name for name in FORMATS[1:]}}


class Output(Protocol):
    """Takes the results, one photo after another."""

    def write(self, path: str, predictions: Predictions) -> None: ...

    def finish(self) -> None: ...


def chosen_format(wanted: str | None, path: str | None) -> str:
    """The requested format, else the one of the output file's suffix.

    Raises SqznetError for an unknown suffix.
    """
    if wanted is not None or path is None:
        return wanted or "table"
    try:
        return _BY_ENDING[os.path.splitext(path)[1].lower()]
    except KeyError:
        raise SqznetError(
            f"{printable(path)}: no format has this suffix, expected {', '.join(_BY_ENDING)}; "
            "or name one with --format"
        ) from None


def format_predictions(predictions: Predictions) -> Iterable[str]:
    """One aligned line per prediction: rank, label, score (in percent, or a value)."""
    rank_width = len(str(len(predictions)))
    label_width = max((len(p.label) for p in predictions), default=0)
    for rank, prediction in enumerate(predictions, start=1):
        yield (
            f"  {rank:>{rank_width}}  {prediction.label:<{label_width}}"
            f"  {score_text(prediction.score, predictions.activation):>8}"
        )
    if not predictions:
        yield "  no class has this score"


class Table:
    """Readable text: a heading per photo, a line per prediction, an empty line between photos."""

    def __init__(self, file: BinaryIO | None = None) -> None:
        self._file = file
        self._separator = ""

    def begin(self) -> None:
        pass

    def write(self, path: str, predictions: Predictions) -> None:
        lines = [f"{self._separator}{printable(path)}", *format_predictions(predictions)]
        self._separator = "\n"
        if self._file is None:
            print("\n".join(lines))
        else:
            from sqznet.cli.records import write_all

            write_all(self._file, "\n".join(lines) + "\n")

    def finish(self) -> None:
        pass


class ColorTable:
    """The same text on a terminal, with colors and a bar for each score; needs rich."""

    BAR = 20

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False)
        self._separator = ""

    def write(self, path: str, predictions: Predictions) -> None:
        from rich.text import Text

        piece = "━" if self._console.encoding.startswith("utf") else "#"
        text = Text.assemble(self._separator, (printable(path), "bold"))
        self._separator = "\n"
        for rank, line in enumerate(format_predictions(predictions)):
            text.append(f"\n{line}", "green" if rank == 0 and predictions else "")
            if predictions:
                length = share(predictions[rank].score, predictions.activation)
                bar = piece * round(self.BAR * length)
                text.append(f"  {bar}", "green" if rank == 0 else "cyan")
        self._console.print(text, soft_wrap=True)

    def finish(self) -> None:
        pass


class Stream:
    """Data on stdout."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        writer.begin()

    def write(self, path: str, predictions: Predictions) -> None:
        with undisturbed():
            self._writer.write(path, predictions)

    def finish(self) -> None:
        self._writer.finish()


def on_stdout(format_name: str) -> Output:
    """The output if no file was given."""
    if format_name == "table":
        if sys.stdout is not None and sys.stdout.isatty():
            try:
                return ColorTable()
            except ImportError:
                pass
        return Table()
    from sqznet.cli.records import WRITERS

    sys.stdout.flush()
    return Stream(WRITERS[format_name](sys.stdout.buffer))


class ResultFile:
    """A file of results; it gets its name only when it is complete.

    ``done``: how often each photo is in it already, by its path as stored.
    Raises SqznetError if the file cannot be continued, and OSError if it cannot be written.
    """

    def __init__(self, path: str, format_name: str, resume: bool) -> None:
        self.done: Counter[str] = Counter()
        self._part = PartFile(path, resumable=True)
        self._survives = format_name in _SURVIVING
        earlier = resume and self._take_up()
        if not earlier:
            self._part.create()
        # Unbuffered: written data survives even if the process is killed.
        self._file: Any = open(self._part.path, "rb+", buffering=0 if self._survives else -1)  # noqa: SIM115
        try:
            self._writer = _writer(format_name, self._file)
            if earlier:
                with open(self._part.path, "rb") as reading:
                    self.done.update(self._writer.resume(reading))
            else:
                self._writer.begin()
        except BaseException as error:
            self._file.close()
            if earlier != "part":
                self._part.discard()
            if isinstance(error, SqznetError):
                name = self._part.path if earlier == "part" else path
                raise SqznetError(f"{printable(name)}: {error}") from None
            raise

    def write(self, path: str, predictions: Predictions) -> None:
        with undisturbed():
            before = self._file.tell() if self._survives else 0
            try:
                self._writer.write(path, predictions)
            except OSError:
                self._give_up(before)
                raise

    def finish(self) -> None:
        """Completes the file and gives it its name."""
        with undisturbed():
            before = self._file.tell() if self._survives else 0
            try:
                self._writer.finish()
                self._file.close()
                self._part.commit()
            except OSError:
                self._give_up(before)
                raise

    def kept(self) -> str | None:
        """After an error: the file with the results so far, if they could be saved."""
        return self._part.path if os.path.exists(self._part.path) else None

    def _take_up(self) -> str:
        """Copies the results of an earlier run to the part file; returns its kind: "part", "file"
        or ""."""
        if self._survives and os.path.isfile(self._part.path):
            return "part"
        if not os.path.isfile(self._part.target):
            return ""
        from shutil import copyfile

        self._part.discard()
        copyfile(self._part.target, self._part.path)
        return "file"

    def _give_up(self, whole: int) -> None:
        """Keeps the complete records, if possible."""
        try:
            if not self._survives:
                raise OSError
            if not self._file.closed:
                self._file.truncate(whole)
        except OSError:
            self._part.discard()
        finally:
            with suppress(OSError):  # buffered data cannot be written either
                self._file.close()


def _writer(format_name: str, file: BinaryIO) -> Any:
    if format_name == "table":
        return Table(file)
    from sqznet.cli.records import WRITERS

    return WRITERS[format_name](file)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Delays Ctrl-C until the block is done, so that every record is written completely."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
