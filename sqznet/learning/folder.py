"""Finds the classes in a folder: each sub-folder is a class, and its name is the label."""

from __future__ import annotations

import os
from collections.abc import Callable

from sqznet.errors import ImageError, SqznetError, printable, reason_of
from sqznet.images.finding import expand, has_photo_suffix


def classes_in(
    folder: str | os.PathLike[str], report: Callable[[str | ImageError], None]
) -> dict[str, list[str]]:
    """The image files of each class, by label; labels and files are sorted by name.

    `sqznet.images.finding` defines what an image file is. Images may lie in nested folders of a
    class's folder.
    ``report`` is called for images outside the class folders and for class folders without images.
    Raises SqznetError if the folder does not exist, or if no sub-folder holds an image.
    """
    name = printable(os.fsdecode(folder))
    try:
        with os.scandir(os.fsdecode(folder)) as listing:
            entries = sorted(
                (entry for entry in listing if not entry.name.startswith(".")),
                key=lambda entry: entry.name,
            )
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise SqznetError(f"{name}: {reason_of(error)}") from None
    stray = [entry.name for entry in entries if not entry.is_dir() and has_photo_suffix(entry.name)]
    if stray:
        others = f" (and {len(stray) - 1} more)" if stray[1:] else ""
        report(f"{name}: {printable(stray[0])}{others} is in no sub-folder, so it has no class")
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
                raise SqznetError(f"{name}: two folders are named {label}, expected one")
            if files:
                classes[label] = files
    if not classes:
        raise SqznetError(f"{name}: expected a sub-folder with images for each class, found none")
    return classes
