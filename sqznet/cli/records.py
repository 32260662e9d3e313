"""The machine-readable formats of `sqznet classify` and `sqznet detect`.

csv and parquet: a row per answer, with the columns path, rank, label, score, index, of a detection
x0, y0, x1 and y1, and model; a photo without an answer of sufficient score has one row with only
path and model. Or a row per photo, with the columns path, label_1, score_1, index_1, label_2 and so
on, and model. jsonl: for each photo an object on a line, {"path": ..., "model": ..., "predictions":
[{"label": ..., "score": ..., "index": ...}, ...]}, or "detections", each with a "box" [x0, y0, x1,
y1]; json: a list of these. "model" says which model made them, see ``Classifier.fingerprint``. All
text is UTF-8.

Each photo is written in one piece, so a truncated file ends after a complete photo, and every
writer can continue a file of its own format.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import StringIO, TextIOWrapper
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from sqznet.errors import MAX_SHOWN, SqznetError, printable, shown
from sqznet.files.parquet import parquet_library
from sqznet.files.paths import stored_text

if TYPE_CHECKING:
    from sqznet.cli.forms import Form


class Writer(Protocol):
    """Writes the answers for photos in one format."""

    def begin(self) -> None:
        """Writes what precedes the first photo."""
        ...

    def resume(self, earlier: BinaryIO) -> Iterator[str]:
        """Yields the paths of the photos that an earlier run wrote.

        ``earlier``: its file, opened for reading.
        Raises SqznetError (without the file name) if the file has another format, or if another
        model made it.
        """
        ...

    def proceed(self) -> None:
        """After `resume`: prepares the file, which holds what was read and no more, for writing."""
        ...

    def write(self, path: str, answers: Sequence[Any]) -> None: ...

    def finish(self) -> None:
        """Writes what follows the last photo."""
        ...


def write_all(file: BinaryIO, text: str) -> None:
    """Writes all of a text; an unbuffered file may accept only a part at a time."""
    data = memoryview(text.encode("utf-8", "backslashreplace"))
    while data:
        data = data[file.write(data) :]
    file.flush()


class CsvWriter:
    """Comma-separated values as in RFC 4180, but with Unix line ends. Fields with line breaks are
    quoted."""

    def __init__(self, file: BinaryIO, model: str, form: Form) -> None:
        self._file, self._model, self._columns = file, model, form.columns

    def begin(self) -> None:
        self._rows([self._columns.names])

    def resume(self, earlier: BinaryIO) -> Iterator[str]:
        _require_line_end(earlier)
        try:
            with TextIOWrapper(earlier, "utf-8", newline="") as text:
                reader = csv.reader(text, strict=True)
                header = next(reader, [])
                names = self._columns.names
                if tuple(header) != names:
                    raise _other(f"the first line {_shown(','.join(header))}", ",".join(names))
                for row in reader:
                    if len(row) != len(names):
                        raise _other(f"{len(row)} columns in line {reader.line_num}", len(names))
                    _require_model(row[-1], self._model)
                    if self._columns.is_first(row):
                        yield row[0]
        except (csv.Error, UnicodeDecodeError) as error:
            raise _other(str(error), "csv") from None

    def proceed(self) -> None:
        self._file.seek(0, 2)

    def write(self, path: str, answers: Sequence[Any]) -> None:
        self._rows(self._columns.rows(path, answers, self._model))

    def finish(self) -> None:
        pass

    def _rows(self, rows: Sequence[Sequence[object]]) -> None:
        text = StringIO()
        plain = csv.writer(text, lineterminator="\n")
        # Before Python 3.13, the csv module quotes no carriage return by itself.
        quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row in rows:
            (quoted if any("\r" in str(field) for field in row) else plain).writerow(row)
        write_all(self._file, text.getvalue())


class JsonLinesWriter:
    """One object per line."""

    def __init__(self, file: BinaryIO, model: str, form: Form) -> None:
        self._file, self._model, self._form = file, model, form

    def begin(self) -> None:
        pass

    def resume(self, earlier: BinaryIO) -> Iterator[str]:
        _require_line_end(earlier)
        for line in _lines(earlier):
            yield _path_in(line, self._model, self._form.key)

    def proceed(self) -> None:
        self._file.seek(0, 2)

    def write(self, path: str, answers: Sequence[Any]) -> None:
        write_all(self._file, f"{_object(path, answers, self._model, self._form)}\n")

    def finish(self) -> None:
        pass


class JsonWriter:
    """A list with one object per line."""

    def __init__(self, file: BinaryIO, model: str, form: Form) -> None:
        self._file, self._model, self._form = file, model, form
        self._before = "\n"
        self._end = 0  # of the last object, where a comma or the end of the list follows

    def begin(self) -> None:
        write_all(self._file, "[")

    def resume(self, earlier: BinaryIO) -> Iterator[str]:
        for number, line in enumerate(_lines(earlier)):
            if number == 0:
                if line != "[":
                    raise _other(f"the first line {_shown(line)}", "[")
            elif line == "]":
                break
            else:
                yield _path_in(line.removesuffix(","), self._model, self._form.key)
                self._before = ",\n"
            self._end += len(line.encode()) + 1
        if not self._end:
            raise _other("an empty file", "[")

    def proceed(self) -> None:
        self._file.seek(self._end - 1)
        self._file.truncate()

    def write(self, path: str, answers: Sequence[Any]) -> None:
        write_all(self._file, f"{self._before}{_object(path, answers, self._model, self._form)}")
        self._before = ",\n"

    def finish(self) -> None:
        write_all(self._file, "\n]\n")


class ParquetWriter:
    """Columns; needs pyarrow. The data is complete in the file only after `finish`."""

    # The number of photos in a row group.
    GROUP = 2000

    def __init__(self, file: BinaryIO, model: str, form: Form) -> None:
        self._file, self._model, self._columns = file, model, form.columns
        self._pa = pa = parquet_library()
        kinds = {"rank": pa.int32(), "index": pa.int32()}
        kinds |= dict.fromkeys(("score", "x0", "y0", "x1", "y1"), pa.float32())
        self._schema = pa.schema(
            [(name, kinds.get(name.partition("_")[0], pa.string())) for name in self._columns.names]
        )
        self._waiting: list[Sequence[object]] = []
        self._earlier: Any = None
        self._photos = 0

    def begin(self) -> None:
        self._writer: Any = self._pa.parquet.ParquetWriter(self._file, self._schema)

    def resume(self, earlier: BinaryIO) -> Iterator[str]:
        try:
            table = self._pa.parquet.ParquetFile(earlier).read()
        except (self._pa.ArrowException, OSError) as error:
            raise _other(str(error).splitlines()[0], "Parquet") from None
        if not table.schema.equals(self._schema):
            names = ", ".join(self._columns.names)
            raise _other(f"the columns {', '.join(table.column_names)}", names)
        for model in table.column("model").unique().to_pylist():
            _require_model(model, self._model)
        self._earlier = table
        # The first two columns say which rows begin a photo.
        for row in zip(*(column.to_pylist() for column in table.columns[:2]), strict=True):
            if self._columns.is_first(row):
                yield row[0]

    def proceed(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self.begin()
        if self._earlier.num_rows:
            self._writer.write_table(self._earlier)
        self._earlier = None

    def write(self, path: str, answers: Sequence[Any]) -> None:
        self._waiting += self._columns.rows(path, answers, self._model)
        self._photos += 1
        if self._photos == self.GROUP:
            self._flush()

    def finish(self) -> None:
        self._flush()
        self._writer.close()
        self._file.flush()

    def _flush(self) -> None:
        if self._waiting:
            columns = [list(column) for column in zip(*self._waiting, strict=True)]
            columns[1:] = [[None if v == "" else v for v in column] for column in columns[1:]]
            arrays = [
                self._pa.array(column, field.type)
                for column, field in zip(columns, self._schema, strict=True)
            ]
            self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))
        self._waiting, self._photos = [], 0


def writer(format_name: str, file: BinaryIO, model: str, form: Form) -> Writer:
    """The writer of a format for answers of this form."""
    if format_name in form.formats:
        own: Writer = form.formats[format_name](file)
        return own
    kinds: Mapping[str, Callable[..., Writer]] = {
        "csv": CsvWriter,
        "json": JsonWriter,
        "jsonl": JsonLinesWriter,
        "parquet": ParquetWriter,
    }
    return kinds[format_name](file, model, form)


def _object(path: str, answers: Sequence[Any], model: str, form: Form) -> str:
    photo = {"path": stored_text(path), "model": model, form.key: list(map(form.item, answers))}
    text = json.dumps(photo, ensure_ascii=False)
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    """A character of JSON; what is not printable as an escape, which means the same."""
    return character if character.isprintable() else json.dumps(character)[1:-1]


def _path_in(line: str, model: str, key: str) -> str:
    try:
        photo = json.loads(line)
    except (ValueError, RecursionError):
        photo = None
    if not isinstance(photo, dict) or set(photo) != {"path", "model", key}:
        expected = f'{{"path": ..., "model": ..., "{key}": ...}}'
        raise _other(f"the line {_shown(line)}", expected)
    _require_model(photo["model"], model)
    return str(photo["path"])


def _lines(file: BinaryIO) -> Iterator[str]:
    for line in file:
        try:
            yield line.decode("utf-8").removesuffix("\n")
        except UnicodeDecodeError as error:
            raise _other(str(error), "UTF-8") from None


def _require_line_end(file: BinaryIO) -> None:
    size = file.seek(0, 2)
    file.seek(max(0, size - 1))
    if file.read() not in (b"", b"\n"):
        raise _other("an unfinished last line", "a line end")
    file.seek(0)


def _require_model(found: object, model: str) -> None:
    if found != model:
        raise SqznetError(
            f"cannot continue this file: the model {shown(found)} made it, this is {shown(model)}: "
            "take the same model, or write to another file"
        )


def _shown(line: str) -> str:
    return printable(line, MAX_SHOWN) or "''"


def _other(found: str, expected: object) -> SqznetError:
    return SqznetError(
        f"cannot continue this file: found {found}, expected {expected}, as this command writes "
        "it in this format"
    )
