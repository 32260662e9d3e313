"""Finds the classes in a folder: one sub-folder a class, its name the label."""

from __future__ import annotations

import os
from collections.abc import Callable

from sqznet.errors import ImageError, SqznetError, printable
from sqznet.images.finding import expand, has_photo_ending


def classes_in(
    folder: str | os.PathLike[str], report: Callable[[str | ImageError], None]
) -> dict[str, list[str]]:
    """The image files of each class, by its label; labels and files in the order of their names.

    `sqznet.images.finding` says what an image file is; those of a class may lie in folders within
    its own.
    ``report`` is told of images beside the classes' folders, and of those folders without any.
    Raises SqznetError if there is no such folder, or no sub-folder with an image in it.
    """
    name = printable(os.fsdecode(folder))
    try:
        with os.scandir(os.fsdecode(folder)) as listing:
            entries = sorted(
                (entry for entry in listing if not entry.name.startswith(".")),
                key=lambda entry: entry.name,
            )
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise SqznetError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    stray = [entry.name for entry in entries if not entry.is_dir() and has_photo_ending(entry.name)]
    if stray:
        others = f" (and {len(stray) - 1} more)" if stray[1:] else ""
        report(f"{name}: {printable(stray[0])}{others} lies in no sub-folder, so it has no class")
    classes: dict[str, list[str]] = {}
    for entry in entries:
        if entry.is_dir():
            files = []
            for found in expand([entry.path]):
                if found.error is None:
                    files.append(found.path)
                else:
                    report(found.error)
            label = printable(entry.name)
            if label in classes:
                raise SqznetError(f"{name}: two folders are called {label}, expected one")
            if files:
                classes[label] = files
    if not classes:
        raise SqznetError(f"{name}: expected a sub-folder with images for each class, found none")
    return classes
