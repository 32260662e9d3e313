"""Downloads one file: resumes broken downloads, and never leaves a partial file under its name."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPResponse

from sqznet.errors import WeightsError, printable, reason_of
from sqznet.files.connections import Deadline, opened
from sqznet.files.part_file import move_into_place

# Seconds for one file, with all attempts: 5 MB at 8 kB/s.
_LONGEST = 600.0

# Seconds between attempts; there is one more attempt than pauses.
_PAUSES = (0.5, 1.0, 2.0)

# Several times the size of any SqueezeNet; a server that sends more sends something else.
_MAX_BYTES = 64 << 20
_DIGITS = 18  # of a length; Python refuses to read numbers of thousands

_BLOCK = 64 << 10
_PARTIAL, _BEYOND_END = 206, 416
_FIRST_SERVER_FAULT = 500
# What a server or a name can make Python's HTTP library raise; UnicodeError is a ValueError.
_FAILURES = (OSError, HTTPException, ValueError)


class _BrokenOffError(Exception):
    """The transfer failed in a way that another attempt may fix."""


@contextlib.contextmanager
def locked(path: str) -> Iterator[Deadline]:
    """Prevents other processes and threads from downloading to the same path at the same time, and
    gives the deadline for this one, which includes the time to wait for another.

    A lock file remains beside the path. On systems without such locks, two downloads may corrupt
    each other's part, which the hash reveals. Raises OSError if the folder is not writable, and
    WeightsError if something other than a file is where the downloads go.
    """
    deadline = Deadline(_LONGEST)
    lock = f"{path}.lock"
    for place in (path, lock, _part(path), _tag(_part(path))):
        _require_regular(place)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(lock, "ab") as file:
        while not _locks(file.fileno()):
            if deadline.has_passed():
                raise WeightsError(
                    f"another process has been downloading it for {deadline.seconds:.0f} seconds"
                )
            deadline.pause(0.05)
        yield deadline


def _require_regular(path: str) -> None:
    """Raises WeightsError if something other than a file is there: reading a pipe would wait for
    ever, and a device may have no end."""
    with contextlib.suppress(OSError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise WeightsError(f"{printable(path)} is there and no regular file: remove it")


def _locks(file: int) -> bool:
    """Whether the file is locked now, until it is closed, or cannot be locked here at all."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        pass
    return True


def download(url: str, path: str, is_sound: Callable[[str], bool], deadline: Deadline) -> None:
    """Downloads the URL to the path; `is_sound(part)` tells whether a complete file is valid.

    Data received before a connection breaks stay in `path`.part for the next attempt or call.
    Raises WeightsError if the file is not available, not valid or not complete at the deadline, and
    OSError if it cannot be written.
    """
    part, kept = _part(path), "the part received so far is kept for another try"
    late = f"it is not complete after {deadline.seconds:.0f} seconds; {kept}"
    for pause in (*_PAUSES, None):
        try:
            with deadline.enforced():
                was_resumed = _transfer(url, part, deadline)
        except _BrokenOffError as error:
            if deadline.has_passed():
                raise WeightsError(late) from None
            if pause is None:
                raise WeightsError(f"{error}; {kept}") from None
            deadline.pause(pause)
            continue
        if is_sound(part):
            move_into_place(part, path)
            _remove(_tag(part))
            return
        if deadline.has_passed():  # a connection that was cut may look like the end of the file
            raise WeightsError(late)
        _remove(part)
        _remove(_tag(part))
        if not was_resumed:
            break
    raise WeightsError(
        "the downloaded file has another sha256 than the published one, and was not kept"
    )


def _transfer(url: str, part: str, deadline: Deadline) -> bool:
    """Completes the partial file; returns whether it resumed an earlier one."""
    start, validator = _kept(part)
    with _open(url, part, start, validator, deadline) as response:
        resumes = response.status == _PARTIAL
        if resumes and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            _remove(part)
            raise _BrokenOffError("the server sent another part than requested")
        if not resumes:
            start = 0
            _remember(part, response)
        _receive(response, part, start)
        return resumes


def _open(url: str, part: str, start: int, validator: str, deadline: Deadline) -> HTTPResponse:
    from urllib.error import HTTPError, URLError

    headers = {"User-Agent": "sqznet", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    try:
        return opened(url, headers, deadline)
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
    except _FAILURES as error:
        raise _BrokenOffError(
            f"the server does not answer ({printable(reason_of(error), 200)})"
        ) from None


def _receive(response: HTTPResponse, part: str, start: int) -> None:
    stated = response.headers.get("Content-Length", "").strip()
    total = None
    if stated.isascii() and stated.isdigit():
        if len(stated) > _DIGITS or start + int(stated) > _MAX_BYTES:
            raise WeightsError(f"the server has more than {_MAX_BYTES} bytes for it")
        total = start + int(stated)
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
    except _FAILURES as error:
        raise _BrokenOffError(
            f"the connection broke off after {done} bytes ({printable(reason_of(error), 200)})"
        ) from None


# --- Partial files ---------------------------------------------------------------------------


def _part(path: str) -> str:
    return f"{path}.part"


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
