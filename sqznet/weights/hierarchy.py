"""ImageNet's classes in the hierarchy of WordNet: "cat" stands for seven of them."""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

from sqznet.errors import SqznetError, WeightsError, reason_of
from sqznet.weights.labels import imagenet_start


class Group(NamedTuple):
    """The classes below a synset of WordNet: its names, and the indices of the classes.

    ``is_coarse``: whether the first name is a coarse class.
    """

    names: tuple[str, ...]
    classes: frozenset[int]
    is_coarse: bool


@cache
def groups() -> tuple[Group, ...]:
    """All groups, from data/imagenet_hierarchy.txt, which tools/make_hierarchy.py describes.

    Raises WeightsError, naming the file, if it cannot be read.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.path.join(package, "data", "imagenet_hierarchy.txt")
    try:
        with open(path, encoding="ascii") as file:
            return tuple(_group(line) for line in file)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read: {reason_of(error)}") from None


@cache
def coarse_names(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The coarse class of each of these classes; one that is in none keeps its own name.

    Raises SqznetError if the labels are not those of ImageNet's 1000 classes in their order, with
    or without a background class before them.
    """
    start = imagenet_start(labels)
    if start is None:
        raise SqznetError(
            "coarse names are known for ImageNet's 1000 classes alone, these are "
            f"{len(labels)} other{'s' if len(labels) != 1 else ''}"
        )
    names = list(labels)
    # The smallest group that a class is in comes last and stays.
    for group in sorted(groups(), key=lambda group: -len(group.classes)):
        if group.is_coarse:
            for index in group.classes:
                names[start + index] = group.names[0]
    return tuple(names)


def _group(line: str) -> Group:
    names, _, ranges = line.rpartition(": ")
    classes: set[int] = set()
    for span in ranges.split():
        first, _, last = span.partition("-")
        classes.update(range(int(first), int(last or first) + 1))
    return Group(tuple(names.removeprefix("*").split(", ")), frozenset(classes), names[0] == "*")
