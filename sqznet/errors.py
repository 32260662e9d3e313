"""Errors for bad input, checks of arguments, and values as messages show them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from operator import index
from typing import Any

#: What messages show of a value from a file or a caller: characters of a text, bits of a number.
MAX_SHOWN, MAX_BITS = 60, 128

# Systems take names of at most 255 characters, and few paths are longer.
_MAX_PATH = 512


class SqznetError(ValueError):
    """The base of every error that sqznet raises on purpose."""


class ImageError(SqznetError):
    """An image could not be read."""


class WeightsError(SqznetError):
    """A weights file is damaged, unsafe, or not a SqueezeNet."""


class UnsupportedIsaError(SqznetError):
    """The requested instruction set is unknown or cannot run on this CPU."""


def printable(text: str, most: int | None = None) -> str:
    """A text, such as a file name, for use in messages: line breaks, terminal escapes and lone
    surrogates become backslash escapes, so that it stays on one line and cannot affect a terminal.

    ``most``: the number of characters after which a text of any length is cut.
    """
    if most is not None and len(text) > most:
        text = text[:most] + "..."
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def path_for_messages(path: str | os.PathLike[str] | os.PathLike[bytes]) -> str:
    """A path on one line, as ``printable``; both ends of one that is longer than most, such as the
    content of a file that was passed in place of its path. An address loses its user and password.
    """
    name = os.fsdecode(path)
    if "://" in name:
        name = re.sub("(?<=://)[^/?#]*@", "", name)
    if len(name) > _MAX_PATH:
        half = MAX_SHOWN // 2
        return f"{printable(name[:half])}...{printable(name[-half:])} ({len(name)} characters)"
    return printable(name)


def reason_of(error: BaseException | str) -> str:
    """Why something failed, without the path that the text of an OSError contains. Some libraries
    give a text in place of an error."""
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def shown(value: object) -> str:
    """A value from a file or a caller for a message: short, quoted, in ASCII, on one line."""
    if not isinstance(value, (str, bytes, int, float, type(None))):
        # Never repr() a nested object: its text can be exponentially longer than the file.
        return f"a {type(value).__name__}"
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, (str, bytes)) and len(value) > MAX_SHOWN:
        return ascii(value[:MAX_SHOWN]) + "..."
    return ascii(value)


def listed(texts: Sequence[str], most: int = 5) -> str:
    """Texts, such as names, for use in messages: "a, b and 3 more" after so many of them."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(map(printable, texts[:most])) + more


def whole_number(value: Any) -> int:
    """The value of an integer of any library, 0 for anything else, including True and False."""
    try:
        return 0 if isinstance(value, bool) else index(value)
    except TypeError:
        return 0


def checked_count(name: str, value: Any, most: int | None = None) -> int:
    """The value of an argument that counts something.

    Raises SqznetError, naming the argument, unless it is a whole number from 1 to ``most``.
    """
    count = whole_number(value)
    if count < 1 or (most is not None and count > most):
        upper = "up" if most is None else f"to {most}"
        raise SqznetError(f"{name} must be a whole number from 1 {upper}, not {shown(value)}")
    return count
