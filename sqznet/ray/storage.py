"""Photos and results on disks that all nodes share, and in the buckets s3:// and gs://.

Buckets are reached through pyarrow.fs, as Ray Data reaches them: with the credentials and settings
of the machine, and with the options of pyarrow's in an address, such as
``s3://bucket/folder?endpoint_override=127.0.0.1:9000&scheme=http``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from sqznet.errors import ImageError, SqznetError, path_for_messages, printable, reason_of
from sqznet.files.part_file import write_file
from sqznet.files.paths import expanded
from sqznet.images.finding import Found, has_photo_suffix, natural
from sqznet.images.texts import is_address

_BUCKETS = ("s3", "gs")
# Seconds for which a store of Google's is tried that does not answer; pyarrow would try 15 minutes.
_RETRIES = "retry_limit_seconds"
_PATIENCE = 60
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)/?([^?]*)(\?.*)?", re.DOTALL)

# What the texts of the stores' errors mean, by a word in them.
_MEANINGS = (
    (
        "ACCESS_DENIED|Forbidden|PERMISSION_DENIED|Permission denied|INVALID_ACCESS_KEY|"
        "SIGNATURE_DOES_NOT|InvalidAccessKey|Unauth|UNAUTH|HTTP status 40[13]",
        "no permission: check the credentials of this machine",
    ),
    ("NO_SUCH_BUCKET|NoSuchBucket|NOT_FOUND|HTTP status 404", "there is no such bucket"),
    (
        "NETWORK_CONNECTION|curlCode|resolve|timed? ?out|UNAVAILABLE|Connection refused",
        "cannot be reached",
    ),
)


class MissingError(ImageError):
    """There is no such photo, on a disk or in a bucket that can be read."""


class Bucket(NamedTuple):
    """``name``: such as s3://photos. ``address``: that, with what is needed to open it."""

    name: str
    address: str

    def path(self, key: str) -> str:
        """A file or folder in it, as pyarrow names it."""
        _, root = _opened(self.address)
        return f"{root}/{key}" if key else str(root)

    @property
    def files(self) -> Any:
        return _opened(self.address)[0]


def located(text: str) -> tuple[Bucket | None, str]:
    """The bucket of an address and the name in it; no bucket, and the absolute path, of a file or a
    folder on a disk. Raises SqznetError for any other address."""
    match = _ADDRESS.fullmatch(text)
    if match is None and not is_address(text):
        return None, os.path.abspath(expanded(text))
    scheme, host, key, options = match.groups() if match else ("", "", "", None)
    scheme = scheme.lower()
    if scheme == "file" and host in ("", "localhost"):
        from urllib.request import url2pathname

        return None, os.path.abspath(url2pathname(f"/{key}"))
    if scheme not in _BUCKETS or not host:
        raise SqznetError(
            f"{path_for_messages(text)}: not an address of photos, expected a folder, "
            "file:///folder, s3://bucket/folder or gs://bucket/folder"
        )
    name = f"{scheme}://{host.rpartition('@')[2]}"
    return Bucket(name, f"{scheme}://{host}{options or ''}"), key.strip("/")


@cache
def _opened(address: str) -> tuple[Any, str]:
    """pyarrow's file system of a bucket, and the bucket's name in it."""
    try:
        from pyarrow import ArrowException, fs
    except ImportError:
        raise SqznetError("buckets need pyarrow: pip install pyarrow") from None
    plain, _, options = address.partition("?")
    if address.startswith("gs:") and _RETRIES not in options:
        address = f"{plain}?{options}{'&' if options else ''}{_RETRIES}={_PATIENCE}"
    try:
        files, root = fs.FileSystem.from_uri(address)
    except (OSError, ArrowException) as error:
        raise _refused(plain, error) from None
    return files, root.rstrip("/")


# --- Photos --------------------------------------------------------------------------------------


def photos_in(bucket: Bucket, key: str) -> list[Found]:
    """The photos of a folder of a bucket, sorted by name, or the one of this name; or an error with
    the reason why there is none. Hidden ones are skipped."""
    from pyarrow.fs import FileSelector, FileType

    name = f"{bucket.name}/{key}"
    path = bucket.path(key)
    try:
        info = bucket.files.get_file_info(path)
        if info.type == FileType.File:
            return [Found(name)]
        if info.type == FileType.NotFound:
            root = bucket.files.get_file_info(bucket.path(""))
            what = "bucket" if root.type == FileType.NotFound else "photo or folder"
            return [_nothing(name, f"there is no such {what}")]
        listed = bucket.files.get_file_info(FileSelector(path, recursive=True))
    except OSError as error:
        return [Found(name, ImageError(str(_refused(name, error))))]
    start = len(bucket.path("")) + 1
    keys = [info.path[start:] for info in listed if info.type == FileType.File]
    found = [one for one in keys if has_photo_suffix(one) and not _is_hidden(one[len(key) :])]
    if not found:
        return [_nothing(name, "a folder without photos, expected files such as photo.jpg in it")]
    return [Found(f"{bucket.name}/{one}") for one in sorted(found, key=natural)]


def fetched(path: str, addresses: Mapping[str, str] = MappingProxyType({})) -> Found:
    """The photo of a path or an address: with its content, if it is in a bucket, or with the error
    why the bucket does not give it. ``addresses``: how to open some buckets, by their names."""
    try:
        bucket, key = located(path) if "://" in path else (None, path)
        if bucket is None:
            return Found(key) if os.path.lexists(key) else _missing(path)
        bucket = bucket._replace(address=addresses.get(bucket.name, bucket.address))
        # The name of a photo may contain what begins the options of an address.
        where = bucket.path(path.removeprefix(f"{bucket.name}/"))
        with bucket.files.open_input_file(where) as file:
            return Found(path, content=file.read())
    except FileNotFoundError:
        return _missing(path)
    except OSError as error:
        return Found(path, ImageError(str(_refused(path, error))))
    except SqznetError as error:
        return Found(path, ImageError(str(error)))


def _missing(path: str) -> Found:
    return Found(path, MissingError(f"{path_for_messages(path)}: no such file"))


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _nothing(name: str, reason: str) -> Found:
    return Found(name, ImageError(f"{path_for_messages(name)}: {reason}"))


# --- Results -------------------------------------------------------------------------------------


class Folder:
    """A folder of results on a disk or in a bucket. Its files appear whole or not at all.

    ``name``: as the user calls it. Raises SqznetError for what is no address of a folder; and each
    method, if the folder cannot be used, naming it.
    """

    def __init__(self, name: str) -> None:
        self.name = name.partition("?")[0] if "://" in name else name
        self._bucket, self._path = located(name)

    def make(self) -> None:
        """Creates a folder on a disk; those of buckets come with their first file."""
        if self._bucket is None:
            try:
                os.makedirs(self._path, exist_ok=True)
            except OSError as error:
                raise self._failed(error) from None

    def names(self) -> set[str]:
        """The names of the files in it; none if it does not exist."""
        try:
            if self._bucket is None:
                return set(os.listdir(self._path))
            from pyarrow.fs import FileSelector

            selector = FileSelector(self._bucket.path(self._path), allow_not_found=True)
            return {info.base_name for info in self._bucket.files.get_file_info(selector)}
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise self._failed(error) from None

    def read(self, name: str) -> bytes:
        try:
            if self._bucket is None:
                with open(os.path.join(self._path, name), "rb") as file:
                    return file.read()
            with self._bucket.files.open_input_file(self._within(name)) as stored:
                content: bytes = stored.read()
                return content
        except OSError as error:
            raise self._failed(error) from None

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, in place of one of this name. On a disk it is written beside it, then
        renamed; in a bucket it appears when all of it was received."""
        try:
            if self._bucket is None:
                write_file(os.path.join(self._path, name), content)
                return
            with self._bucket.files.open_output_stream(self._within(name)) as stored:
                stored.write(content)
        except OSError as error:
            raise self._failed(error) from None

    def is_there(self) -> bool:
        """Whether this machine sees it; a bucket is everywhere."""
        return self._bucket is not None or os.path.isdir(self._path)

    def _within(self, name: str) -> str:
        assert self._bucket is not None
        return self._bucket.path(f"{self._path}/{name}".lstrip("/"))

    def _failed(self, error: OSError) -> SqznetError:
        return _refused(self.name, error)


def _refused(name: str, error: BaseException) -> SqznetError:
    """The error of a store, with what it means."""
    text = " ".join(reason_of(error).split())
    meaning = next((said for words, said in _MEANINGS if re.search(words, text)), None)
    shown = printable(text, 200)
    return SqznetError(f"{path_for_messages(name)}: {f'{meaning} ({shown})' if meaning else shown}")
