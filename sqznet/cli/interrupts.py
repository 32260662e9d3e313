"""Ctrl-C and SIGTERM: both end a command in the same way, and wait until a record is complete."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM, which `timeout`, `docker stop` and systemd send."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raises `Terminated` for SIGTERM inside the block, unless the program handles it already.
    Afterwards both are handled as before."""
    if not _is_main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}

    def terminate(number: int, frame: Any) -> None:
        raise Terminated

    if before[signal.SIGTERM] is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: it is not Python's
                signal.signal(number, handler)


@contextmanager
def heard_once() -> Iterator[None]:
    """The first of both ends the block; later ones are ignored, while the block completes what it
    has begun, and until `terminable` ends: Python prints an interrupt that comes in the middle of a
    destructor of what the interrupted calls held."""
    if not _is_main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    heard = False

    def hear(number: int, frame: Any) -> None:
        nonlocal heard
        handler = before[number]
        if not heard and callable(handler):
            heard = True
            handler(number, frame)

    try:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, hear)
        yield
    finally:
        if not heard:
            for number, handler in before.items():
                if callable(handler):
                    signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Delays both until the block is done, so that every record is written completely."""
    if not _is_main_thread():
        yield
        return
    came: list[int] = []
    before: dict[int, Any] = {}
    try:
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):  # else it is ignored, ends the process, or is not Python's
                before[number] = handler
                signal.signal(number, lambda number, _frame: came.append(number))
        yield
    finally:
        for taken, handler in before.items():
            signal.signal(taken, handler)
    if came:
        signal.raise_signal(came[0])


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
