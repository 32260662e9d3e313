"""Calls into Pillow: silences its warnings and turns all its exceptions into ImageError."""

from __future__ import annotations

import sys
import warnings
from threading import local
from typing import Any

from sqznet.errors import ImageError, printable, reason_of

_modules_seen = 0


class _Thread(local):
    """What a thread does: whether it is inside `guarded`."""

    is_inside = False


_THREAD = _Thread()


class _Warnings:
    """Stands in for the module `warnings` in Pillow's modules: silent inside `guarded`.

    A filter would not do: filters belong to the whole process, so that one set here would also
    hide the warnings of other threads, or undo a change that another thread makes meanwhile.
    """

    def warn(
        self, message: Any, category: Any = None, stacklevel: int = 1, *rest: Any, **options: Any
    ) -> None:
        if not _THREAD.is_inside:
            warnings.warn(message, category, stacklevel + 1, *rest, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(warnings, name)


_WARNINGS = _Warnings()


def reason(error: BaseException) -> str:
    return printable(" ".join(reason_of(error).split()), 200)


def plug_in(module: str) -> Any:
    """A module of Pillow, imported and silenced."""
    imported = __import__(f"PIL.{module}", fromlist=(module,))
    _silence()
    return imported


def guarded(function: Any, *arguments: Any) -> Any:
    """Calls a function with Pillow's warnings silenced and any exception turned into ImageError.

    The last argument is the name of the image.
    """
    _silence()
    before, _THREAD.is_inside = _THREAD.is_inside, True
    try:
        return function(*arguments)
    except ImageError:
        raise
    # Damaged files make Pillow raise almost anything: SyntaxError, struct.error, IndexError, ...
    except Exception as error:
        raise ImageError(f"{arguments[-1]}: cannot be decoded: {reason(error)}") from None
    finally:
        _THREAD.is_inside = before


def _silence() -> None:
    """Gives the modules of Pillow that were imported since the last call `_Warnings`."""
    global _modules_seen
    if len(sys.modules) == _modules_seen:
        return
    modules = sys.modules.copy()
    for name, module in modules.items():
        if name.startswith("PIL.") and getattr(module, "warnings", None) is warnings:
            module.warnings = _WARNINGS  # type: ignore[attr-defined]
    _modules_seen = len(modules)
