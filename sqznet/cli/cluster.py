"""`sqznet classify --ray`: photos on a Ray cluster, into a folder of Parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from sqznet.cli.columns import Columns
from sqznet.cli.common import EXIT_OK, EXIT_UNREADABLE, complain, notice, say
from sqznet.cli.progress import progress
from sqznet.errors import SqznetError, path_for_messages
from sqznet.files.parquet import parquet_library
from sqznet.files.paths import stored_text
from sqznet.images.finding import Found, expand
from sqznet.ray.cluster import Content, connected, cores, run
from sqznet.ray.partitions import Partitions, sensible_size
from sqznet.ray.storage import Folder, fetched, located, photos_in

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Generator, Mapping

    from sqznet.cli.forms import Form

    Answers = Callable[[Iterable[Found]], Generator[tuple[str, Any], None, None]]


class WithErrors:
    """The columns of a form, and one that says why a photo has no answer."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.names = (*columns.names, "error")

    def rows(self, path: str, answers: Sequence[Any] | SqznetError, model: str) -> list[list[Any]]:
        if isinstance(answers, SqznetError):
            nothing = [""] * (len(self._columns.names) - 2)
            return [[stored_text(path), *nothing, model, stored_text(str(answers))]]
        return [[*row, ""] for row in self._columns.rows(path, answers, model)]

    def is_first(self, row: Sequence[Any]) -> bool:
        return self._columns.is_first(row)


class ParquetWork:
    """Makes the file of a partition, on a node: see ``sqznet.ray.cluster.Work``.

    ``answers``: yields the path of each photo with its answers or its error; ``form``: how they are
    written; ``made_by``: says which model makes them.
    """

    def __init__(self, answers: Answers, form: Form, made_by: str) -> None:
        self._answers, self._form, self._made_by = answers, form, made_by

    def __call__(self, photos: Iterable[Found]) -> Content:
        from sqznet.cli.records import ParquetWriter

        file, failed = BytesIO(), 0
        writer = ParquetWriter(file, self._made_by, self._form)
        writer.begin()
        for path, answers in self._answers(photos):
            failed += isinstance(answers, SqznetError)
            writer.write(path, answers)
        writer.finish()
        return Content(file.getvalue(), failed)


def check(args: argparse.Namespace) -> None:
    """Raises SqznetError for options that do not go with --ray, and for a missing library."""
    if args.output is None:
        raise SqznetError("--ray writes a folder of Parquet files: name it with -o")
    if args.format not in (None, "parquet"):
        raise SqznetError(f"--ray writes Parquet, not {args.format}")
    for name in ("draw", "threads"):
        if getattr(args, name) is not None:
            raise SqznetError(f"--{name} is for one machine, it does not go with --ray")
    if "-" in args.paths:
        raise SqznetError("--ray takes folders, photos and addresses, not standard input")
    parquet_library()


def write_partitions(
    args: argparse.Namespace, work: ParquetWork, settings: Mapping[str, Any]
) -> int:
    """Answers for the photos of the arguments, on the cluster; returns the exit code."""
    status = EXIT_OK
    try:
        folder = Folder(args.output)
        partitions = Partitions(folder, settings, args.resume)
        addresses: dict[str, str] = {}
        found = list(_photos(args.paths, addresses))
        for photo in found:
            if photo.error is not None:
                complain(photo.error)
                status = EXIT_UNREADABLE
        paths = [photo.path for photo in found if photo.error is None]
        if not paths:
            return status
        with connected(args.ray) as ray:
            folder.make()
            partitions.add(paths, args.partition or sensible_size(len(paths), cores(ray)))
            failed = _run(ray, work, partitions, folder, addresses)
    except SqznetError as error:
        complain(error)
        return EXIT_UNREADABLE
    if failed:
        notice(f"photos that could not be read: {failed}; the column 'error' says why")
    return EXIT_UNREADABLE if failed else status


def _photos(names: Sequence[str], addresses: dict[str, str]) -> Iterator[Found]:
    """The photos of paths and addresses, with absolute paths. Adds to ``addresses`` how to open the
    buckets."""
    named: dict[str | Found, None] = {}
    for name in names:
        bucket, key = located(name)
        if bucket is None:
            named[key if "://" in name else name] = None
        else:
            addresses[bucket.name] = bucket.address
            named |= dict.fromkeys(photos_in(bucket, key))
    for photo in expand(named, notice=notice):
        is_local = photo.error is None and "://" not in photo.path
        yield fetched(os.path.abspath(photo.path)) if is_local else photo


def _run(
    ray: Any,
    work: ParquetWork,
    partitions: Partitions,
    folder: Folder,
    addresses: Mapping[str, str],
) -> int:
    """Writes the partitions that are left; returns how many of their photos have an error."""
    left = list(partitions.left())
    total = sum(len(paths) for _, paths in left)
    written = failed = 0
    name = path_for_messages(folder.name)
    with progress(total) as bar:

        def tell(line: str) -> None:
            bar.clear()
            notice(line)

        try:
            for done in run(ray, work, left, folder, addresses, tell):
                written += 1
                failed += done.failed
                for _ in range(done.photos):
                    bar.advance()
        except BaseException as error:
            bar.clear()
            if isinstance(error, (SqznetError, KeyboardInterrupt)):
                so_far = partitions.complete + written
                complain(
                    f"{name}: {so_far} of {partitions.count} files are complete; --resume continues"
                )
            raise
    plural = ("s" if total != 1 else "", "s" if written != 1 else "")
    say(f"{name}: {total} photo{plural[0]} in {written} file{plural[1]}")
    return failed
