"""The state of a run in a file: after each epoch it replaces the one before, whole or not at all.

It is torch's zip format. Reading executes nothing: only tensors and plain values are accepted.
"""

from __future__ import annotations

import os
import pickle
from io import BytesIO
from typing import Any

import torch

from sqznet.errors import SqznetError, path_for_messages, reason_of
from sqznet.files.part_file import write_file

_VERSION = 1


def save(path: str, key: str, state: dict[str, Any]) -> None:
    """Writes a state: tensors and plain values in dictionaries and lists.

    ``key``: what the run is about, see `load`. Raises OSError if it cannot be written; then the
    state before stays.
    """
    # torch itself reports a full disk as a RuntimeError, in the middle of the file.
    content = BytesIO()
    torch.save({"version": _VERSION, "key": key, "state": state}, content)
    write_file(path, content.getvalue())


def check(path: str) -> None:
    """Raises SqznetError, naming the file, if there is none."""
    if not os.path.exists(path):
        raise SqznetError(
            f"{path_for_messages(path)}: there is no run to resume; start one without resuming"
        )


def load(path: str, key: str) -> dict[str, Any]:
    """The state in a file, its tensors on the CPU.

    Raises SqznetError, naming the file, if it cannot be read, if it is no state of a run, or if the
    run was about something else: its key is another.
    """
    name = path_for_messages(path)
    check(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SqznetError(f"{name}: cannot be read: {reason_of(error)}") from None
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        raise SqznetError(
            f"{name}: damaged, or not the state of a run; start again without resuming"
        ) from None
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        raise SqznetError(
            f"{name}: not a state that this version of sqznet wrote; start again without resuming"
        )
    if found["key"] != key:
        raise SqznetError(
            f"{name}: belongs to another run: the photos or the settings are not those that it "
            "began with; give the same ones, or start again without resuming"
        )
    state: dict[str, Any] = found["state"]
    return state
