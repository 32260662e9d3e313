"""Downloads one file: resumes broken downloads, and never leaves a partial file under its name."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import TYPE_CHECKING

from sqznet.errors import WeightsError, printable, reason_of
from sqznet.files.part_file import move_into_place

if TYPE_CHECKING:
    from http.client import HTTPResponse

# A server that sends no byte for this many seconds counts as silent.
_TIMEOUT = 20.0

# Seconds between attempts; there is one more attempt than pauses.
_PAUSES = (0.5, 1.0, 2.0)

# Several times the size of any SqueezeNet; a server that sends more sends something else.
_MAX_BYTES = 64 << 20

_BLOCK = 64 << 10
_OK, _PARTIAL, _BEYOND_END = 200, 206, 416
_FIRST_SERVER_FAULT = 500


class _BrokenOffError(Exception):
    """The transfer failed in a way that another attempt may fix."""


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Prevents other processes and threads from downloading to the same path at the same time.

    A lock file remains beside the path. On systems without such locks, two downloads may corrupt
    each other's part, which the hash reveals. Raises OSError if the folder is not writable.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{path}.lock", "ab") as file:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)  # closing the file releases it
        yield


def download(url: str, path: str, is_sound: Callable[[str], bool]) -> None:
    """Downloads the URL to the path; `is_sound(part)` tells whether a complete file is valid.

    Data received before a connection breaks stay in `path`.part for the next attempt or call.
    Raises WeightsError if the file is not available or not valid, OSError if it cannot be written.
    """
    part = f"{path}.part"
    for pause in (*_PAUSES, None):
        try:
            was_resumed = _transfer(url, part)
        except _BrokenOffError as error:
            if pause is None:
                raise WeightsError(
                    f"{error}; the part received so far is kept for another try"
                ) from None
            time.sleep(pause)
            continue
        if is_sound(part):
            move_into_place(part, path)
            _remove(_tag(part))
            return
        _remove(part)
        _remove(_tag(part))
        if not was_resumed:
            break
    raise WeightsError(
        "the downloaded file has another sha256 than the published one, and was not kept"
    )


def _transfer(url: str, part: str) -> bool:
    """Completes the partial file; returns whether it resumed an earlier one."""
    start, validator = _kept(part)
    with _open(url, part, start, validator) as response:
        resumes = response.status == _PARTIAL
        if resumes and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            _remove(part)
            raise _BrokenOffError("the server sent another part than requested")
        if not resumes:
            start = 0
            _remember(part, response)
        _receive(response, part, start)
        return resumes


def _open(url: str, part: str, start: int, validator: str) -> HTTPResponse:
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    headers = {"User-Agent": "sqznet", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    try:
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == _BEYOND_END and start:
            _remove(part)
            raise _BrokenOffError("the partial file is longer than the file") from None
        answer = f"the server answered {error.code} {printable(str(error.reason), 100)}"
        if error.code >= _FIRST_SERVER_FAULT:
            raise _BrokenOffError(answer) from None
        raise WeightsError(answer) from None
    except URLError as error:
        raise _BrokenOffError(
            f"the server cannot be reached ({printable(reason_of(error.reason), 200)})"
        ) from None
    except (OSError, HTTPException) as error:
        raise _BrokenOffError(
            f"the server does not answer ({printable(reason_of(error), 200)})"
        ) from None
    return response


def _receive(response: HTTPResponse, part: str, start: int) -> None:
    stated = response.headers.get("Content-Length", "")
    total = start + int(stated) if stated.isascii() and stated.isdigit() else None
    done = start
    with open(part, "ab" if start else "wb") as file, _Progress(part, total) as progress:
        while block := _read(response, done):
            done += len(block)
            if done > _MAX_BYTES:
                file.truncate(0)
                raise WeightsError(f"the server sent more than {_MAX_BYTES} bytes")
            file.write(block)
            progress.show(done)
    if total is not None and done < total:
        raise _BrokenOffError(f"the connection broke off after {done} of {total} bytes")


def _read(response: HTTPResponse, done: int) -> bytes:
    try:
        return response.read1(_BLOCK)
    except (OSError, HTTPException) as error:
        raise _BrokenOffError(
            f"the connection broke off after {done} bytes ({printable(reason_of(error), 200)})"
        ) from None


# --- Partial files ---------------------------------------------------------------------------


def _tag(part: str) -> str:
    return f"{part}.tag"


def _kept(part: str) -> tuple[int, str]:
    """The size of the partial file, and the server's name of that version of the file."""
    try:
        with open(_tag(part), encoding="latin-1") as file:
            validator = file.read(1000)
        size = os.path.getsize(part)
    except OSError:
        return 0, ""
    return (size, validator) if validator.isprintable() and validator else (0, "")


def _remember(part: str, response: HTTPResponse) -> None:
    """Stores the version's name, which resuming requires; a weak validator is not sufficient."""
    validator = response.headers.get("ETag", "")
    if not validator or validator.startswith("W/"):
        validator = response.headers.get("Last-Modified", "")
    _remove(part)
    with open(_tag(part), "w", encoding="latin-1", errors="replace") as file:
        file.write(validator)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


class _Progress:
    """A progress line on stderr, only on a terminal."""

    def __init__(self, part: str, total: int | None) -> None:
        self._name = printable(os.path.basename(part).removesuffix(".part"))
        self._total = total
        self._shown_at = 0.0
        self._is_on = sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_on and self._shown_at:
            print(file=sys.stderr)

    def show(self, done: int) -> None:
        """Redraws the line, at most ten times a second and at the end."""
        now = time.monotonic()
        if not self._is_on or (now < self._shown_at + 0.1 and done != self._total):
            return
        self._shown_at = now
        text = f"{done / 1e6:.1f} MB"
        if self._total:
            text = f"{100 * done // self._total:3} %  {text} of {self._total / 1e6:.1f} MB"
        print(f"\r{self._name}  {text}", end="", file=sys.stderr, flush=True)
