"""Where answers go: text on a terminal, data on stdout, or a file."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import suppress
from io import BufferedRandom, BufferedReader
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from sqznet.cli.interrupts import undisturbed
from sqznet.errors import SqznetError, printable

if TYPE_CHECKING:
    from sqznet.cli.forms import Form
    from sqznet.cli.records import Writer

FORMATS = ("table", "csv", "json", "jsonl", "parquet")
# In these formats, the part file of a killed run holds complete records.
_SURVIVING = ("csv", "json", "jsonl")
_BY_ENDING = {".txt": "table", **{f".{name}": name for name in FORMATS[1:]}}


class Output(Protocol):
    """Takes the results, one photo after another."""

    def write(self, path: str, answers: Any) -> None: ...

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


class Table:
    """Readable text: a heading per photo, a line per answer, an empty line between photos."""

    def __init__(self, form: Form, file: BinaryIO | None = None) -> None:
        self._form, self._file = form, file
        self._separator = ""

    def begin(self) -> None:
        pass

    def write(self, path: str, answers: Any) -> None:
        lines = [f"{self._separator}{printable(path)}", *self._form.lines(answers)]
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

    def __init__(self, form: Form) -> None:
        from rich.console import Console

        self._form = form
        self._console = Console(highlight=False)
        self._separator = ""

    def write(self, path: str, answers: Any) -> None:
        from rich.text import Text

        piece = "━" if self._console.encoding.startswith("utf") else "#"
        text = Text.assemble(self._separator, (printable(path), "bold"))
        self._separator = "\n"
        bars = self._form.bars(answers)
        for rank, line in enumerate(self._form.lines(answers)):
            text.append(f"\n{line}", "green" if rank == 0 and bars else "")
            if bars:
                bar = piece * round(self.BAR * bars[rank])
                text.append(f"  {bar}", "green" if rank == 0 else "cyan")
        self._console.print(text, soft_wrap=True)

    def finish(self) -> None:
        pass


class Stream:
    """Data on stdout. ``for_eyes``: makes names and labels `printable`, else they stay exact."""

    def __init__(self, writer: Writer, form: Form, for_eyes: bool) -> None:
        self._writer, self._form, self._for_eyes = writer, form, for_eyes
        writer.begin()

    def write(self, path: str, answers: Any) -> None:
        if self._for_eyes:
            path, answers = printable(path), self._form.for_eyes(answers)
        with undisturbed():
            self._writer.write(path, answers)

    def finish(self) -> None:
        self._writer.finish()


def on_stdout(format_name: str, model: str, form: Form) -> Output:
    """The output if no file was given. ``model``, ``form``: as for `ResultFile`."""
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    if format_name == "table":
        if is_terminal:
            try:
                return ColorTable(form)
            except ImportError:
                pass
        return Table(form)
    from sqznet.cli.records import writer

    sys.stdout.flush()
    # JSON escapes by itself what is not printable.
    data = writer(format_name, sys.stdout.buffer, model, form)
    return Stream(data, form, is_terminal and format_name == "csv")


class ResultFile:
    """A file of results; it gets its name only when it is complete, and what was there stays so
    long. Until then they are in FILE.part, which no other process can write at the same time.

    ``done``: how often each photo is in it already, by its path as stored. ``model``: says which
    model makes it. ``form``: how the answers are written.
    Raises SqznetError if the file cannot be continued, and OSError if it cannot be written.
    """

    def __init__(self, path: str, format_name: str, resume: bool, model: str, form: Form) -> None:
        from sqznet.cli.salvage import whole_size
        from sqznet.files.resumable import ResumableFile

        self.done: Counter[str] = Counter()
        self._part = ResumableFile(path)
        self._survives = format_name in _SURVIVING
        # Unbuffered: written data survives even if the process is killed.
        raw = self._part.file
        self._file: Any = raw if self._survives else BufferedRandom(raw)
        earlier = ""
        try:
            self._writer = _writer(format_name, self._file, model, form)
            whole = whole_size(raw, format_name) if resume else 0
            earlier = self._part.path if whole else self._part.target
            if whole or (resume and os.path.isfile(earlier)):
                self._continue(earlier, whole)
            else:
                raw.truncate(0)
                raw.seek(0)
                self._writer.begin()
        except BaseException as error:
            if earlier == self._part.path:
                self._file.close()
            else:
                self._part.discard()
            if isinstance(error, SqznetError):
                name = earlier if earlier == self._part.path else path
                raise SqznetError(f"{printable(name)}: {error}") from None
            raise

    def write(self, path: str, answers: Any) -> None:
        with undisturbed():
            before = self._file.tell() if self._survives else 0
            try:
                self._writer.write(path, answers)
            except OSError:
                self._give_up(before)
                raise

    def finish(self) -> None:
        """Completes the file and gives it its name."""
        with undisturbed():
            before = self._file.tell() if self._survives else 0
            try:
                self._writer.finish()
                self._file.flush()
                self._part.commit()
            except OSError:
                self._give_up(before)
                raise

    def suspend(self) -> str | None:
        """Keeps the results so far for a later run. Returns the file with them, if they could be
        saved."""
        with undisturbed():
            try:
                if not self._survives:
                    self._writer.finish()
                self._file.close()
            except OSError:
                self._part.discard()
        return self.kept()

    def kept(self) -> str | None:
        """After an error: the file with the results so far, if they could be saved."""
        return self._part.path if os.path.exists(self._part.path) else None

    def _continue(self, earlier: str, whole: int) -> None:
        """Continues FILE.part behind its whole records, or a copy of FILE."""
        from sqznet.cli.salvage import Head

        raw = self._part.file
        if not whole:
            from shutil import copyfileobj

            raw.truncate(0)
            raw.seek(0)
            with open(earlier, "rb") as complete:
                copyfileobj(complete, raw)
            whole = raw.tell()
        # Nothing is changed before all of it was read and found to be sound.
        self.done.update(self._writer.resume(BufferedReader(Head(raw, whole))))
        raw.truncate(whole)
        self._writer.proceed()

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


def _writer(format_name: str, file: BinaryIO, model: str, form: Form) -> Any:
    if format_name == "table":
        return Table(form, file)
    from sqznet.cli.records import writer

    return writer(format_name, file, model, form)
