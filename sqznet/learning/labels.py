"""Names of the user's own classes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from sqznet.errors import SqznetError

#: More classes would not leave two images of each, see `learner.MAX_ROWS`.
MAX_CLASSES = 900


def check_labels(new: Sequence[Any], known: Sequence[str]) -> None:
    """Raises SqznetError unless the labels are usable as names of different classes."""
    for label in new:
        if not isinstance(label, str) or not label.strip():
            raise SqznetError(f"a label is {label!r}, expected the name of a class")
    if not new:
        raise SqznetError("no classes, expected at least one")
    spelled: dict[str, str] = {}
    for label in (*known, *new):
        other = spelled.setdefault(unicodedata.normalize("NFC", label.strip()), label)
        if other != label:
            raise SqznetError(f"the labels {other!a} and {label!a} are spelled alike; rename one")
    if len(spelled) > MAX_CLASSES:
        raise SqznetError(f"{len(spelled)} classes, expected at most {MAX_CLASSES}")
