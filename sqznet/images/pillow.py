"""Calls into Pillow: silences its warnings and turns all its exceptions into ImageError."""

from __future__ import annotations

import warnings
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqznet.errors import ImageError, reason_of

if TYPE_CHECKING:
    from types import TracebackType


class _PillowQuiet:
    """Ignores the warnings of Pillow's modules while any thread is inside.

    warnings.catch_warnings alone would leave its filter behind if two threads overlap.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._saved.__exit__(kind, error, at)


_PILLOW_QUIET = _PillowQuiet()


def reason(error: BaseException) -> str:
    return " ".join(reason_of(error).split())[:200]


def guarded(function: Any, *arguments: Any) -> Any:
    """Calls a function with Pillow's warnings silenced and any exception turned into ImageError.

    The last argument is the name of the image.
    """
    try:
        with _PILLOW_QUIET:
            return function(*arguments)
    except ImageError:
        raise
    # Damaged files make Pillow raise almost anything: SyntaxError, struct.error, IndexError, ...
    except Exception as error:
        raise ImageError(f"{arguments[-1]}: cannot be decoded: {reason(error)}") from None
