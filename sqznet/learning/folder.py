"""Finds the classes in a folder: each sub-folder is a class, and its name is the label."""

from __future__ import annotations

import os
from collections.abc import Callable

from sqznet.errors import ImageError, SqznetError, path_for_messages, printable, reason_of
from sqznet.files.paths import expanded
from sqznet.images.finding import expand, has_photo_suffix, natural
from sqznet.images.passed_over import PassedOver


def classes_in(
    folder: str | os.PathLike[str], report: Callable[[str | ImageError], None]
) -> dict[str, list[str]]:
    """The image files of each class, by label; labels and files are sorted by name, numbers in
    names by their value.

    `sqznet.images.finding` defines what an image file is. Images may lie in nested folders of a
    class's folder.
    ``report`` is called for images outside the class folders, for class folders without images, and
    for what is passed over, see `expand`.
    Raises SqznetError if the folder does not exist, or if no sub-folder holds an image.
    """
    name, place = path_for_messages(folder), expanded(folder)
    try:
        entries = [entry for entry in os.listdir(place) if not entry.startswith(".")]
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise SqznetError(f"{name}: {reason_of(error)}") from None
    paths = [os.path.join(place, entry) for entry in sorted(entries, key=natural)]
    folders = [path for path in paths if os.path.isdir(path)]
    _report_stray(name, [path for path in paths if not os.path.isdir(path)], report)
    classes: dict[str, list[str]] = {}
    for path in folders:
        files = []
        for found in expand([path], notice=report):
            if found.error is None:
                files.append(found.path)
            else:
                report(found.error)
        label = printable(os.path.basename(path))
        if label in classes:
            raise SqznetError(f"{name}: two folders are named {label}, expected one")
        if files:
            classes[label] = files
    if not classes:
        raise SqznetError(f"{name}: expected a sub-folder with images for each class, found none")
    return classes


def _report_stray(name: str, paths: list[str], report: Callable[[str | ImageError], None]) -> None:
    """Reports files that are in no class folder."""
    passed = PassedOver()
    stray = [path for path in paths if passed.is_photo(path, has_photo_suffix(path))]
    if stray:
        first = printable(os.path.basename(stray[0]))
        others = f" (and {len(stray) - 1} more)" if stray[1:] else ""
        report(f"{name}: {first}{others} is in no sub-folder, so it has no class")
    for line in passed.lines():
        report(f"{name}: {line}")
