"""Class names: from a list, a text or JSON file, or ImageNet's, and the check of their number."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from sqznet import weights
from sqznet.errors import SqznetError, WeightsError, printable, reason_of

#: The number of ImageNet's classes. TensorFlow adds a class "background" before them.
IMAGENET_CLASSES = 1000

BACKGROUND = "background"
# Names in label files for the class with index 0 that is not in ImageNet.
_BACKGROUND_NAMES = ("background", "__background__", "dummy")
_FIRST_OF_IMAGENET, _LAST_OF_IMAGENET = "tench", "toilet"  # tissue, or toilet_tissue

# A thousand names take 20 kB.
_MAX_BYTES = 4 << 20

# Caffe's synset_words.txt has WordNet's number before each name.
_SYNSET = r"n\d{8}\s+(\S.*)"

_PATHS = (str, os.PathLike)
Labels = str | os.PathLike[str] | Iterable[str]


def for_network(
    given: Labels | None, own: tuple[str, ...] | None, classes: int, origin: str
) -> tuple[str, ...]:
    """One name for each of a network's classes.

    `given`: names, or the path of a file of names, see `read`; None for `own`, the labels in the
    weights, or, if they have none and there are 1000 or 1001 classes, for ImageNet's.
    `origin`: the weights file, for messages.

    1001 classes are ImageNet's after a background class: ImageNet's thousand names get "background"
    before them, and a list of 1001 names loses a leading "background" (or "dummy") if the network
    has 1000 classes.

    Raises WeightsError, with both numbers, if they differ, SqznetError if `given` is not names.
    """
    if given is None and own is None:
        if classes not in (IMAGENET_CLASSES, IMAGENET_CLASSES + 1):
            return tuple(f"class {i}" for i in range(classes))
        own = weights.imagenet_labels()
    names = (own or ()) if given is None else _names(given)
    names = _with_or_without_background(names, classes)
    if len(names) != classes:
        place = f" in {printable(os.fsdecode(given))}" if isinstance(given, _PATHS) else ""
        raise WeightsError(
            f"{origin} has {classes} classes, but there are {len(names)} labels{place}"
        )
    return names


def imagenet_start(labels: tuple[str, ...]) -> int | None:
    """The index of the first of ImageNet's 1000 classes if these are they, in their order: 0, or 1
    behind a background class; else None. They are known by the names at both ends, whose spelling
    lists agree on."""
    start = len(labels) - IMAGENET_CLASSES
    if start not in (0, 1) or (start and labels[0].strip().lower() not in _BACKGROUND_NAMES):
        return None
    first, last = labels[start].lower(), labels[-1].lower()
    known = first.split(",")[0] == _FIRST_OF_IMAGENET and last.startswith(_LAST_OF_IMAGENET)
    return start if known else None


def read(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The names in a file, in the order of their classes.

    Text has one name per line; WordNet's numbers before them (``n01440764 tench``) are removed.
    JSON has a list of names, or an object that maps each index to its name or to a list that ends
    in it, like Keras's ``imagenet_class_index.json``. The encoding is UTF-8.
    Raises WeightsError, naming the file, if it cannot be read or has other content.
    """
    name = printable(os.fsdecode(path))
    try:
        from sqznet.files.paths import expanded

        place = expanded(path)
        if not os.path.isfile(place):
            raise WeightsError("expected a file of class names, found no such file")
        with open(place, "rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise WeightsError(f"expected class names, at most {_MAX_BYTES} bytes of them")
        return _parse(content)
    except WeightsError as error:
        raise WeightsError(f"{name}: {error}") from None
    except OSError as error:
        raise WeightsError(f"{name}: cannot be read: {reason_of(error)}") from None
    except ValueError:  # a zero byte in the path
        raise WeightsError(f"{name}: is not a valid path of a file of class names") from None


def _names(given: Labels) -> tuple[str, ...]:
    if isinstance(given, _PATHS):
        return read(given)
    names = tuple(given) if isinstance(given, Iterable) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise SqznetError(
            "labels must be a sequence of names, one for each class, or the path of a file of them"
        )
    return names


def _with_or_without_background(names: tuple[str, ...], classes: int) -> tuple[str, ...]:
    first = names[0].strip().lower() if names else ""
    if len(names) == classes + 1 and first in _BACKGROUND_NAMES:
        return names[1:]
    is_imagenet = len(names) == IMAGENET_CLASSES and first.split(",")[0] == _FIRST_OF_IMAGENET
    return (BACKGROUND, *names) if is_imagenet and classes == len(names) + 1 else names


def _parse(content: bytes) -> tuple[str, ...]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WeightsError(f"is not UTF-8 text (byte {error.start})") from None
    if text.lstrip().startswith(("[", "{")):
        return _parse_json(text)
    names = [line.strip() for line in text.rstrip().splitlines()]
    if "" in names or "\0" in text:
        place = f"line {names.index('') + 1} is empty" if "" in names else "it holds a zero byte"
        raise WeightsError(f"expected one class name a line, but {place}")
    if not names:
        raise WeightsError("expected one class name a line, found none")
    synsets = [re.fullmatch(_SYNSET, name) for name in names]
    return tuple(
        match[1] if match and all(synsets) else name
        for match, name in zip(synsets, names, strict=True)
    )


def _parse_json(text: str) -> tuple[str, ...]:
    from sqznet.weights.strict_json import parse_json

    value = parse_json(text.encode(), "labels")
    if isinstance(value, dict):
        value = _by_index(value)
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise WeightsError("expected a JSON list of class names, or an object from index to name")
    return tuple(value)


def _by_index(values: dict[str, object]) -> list[object]:
    """The values for "0", "1", ... in order; for a list, its last item."""
    ordered = [values.get(str(index)) for index in range(len(values))]
    if None in ordered:
        raise WeightsError(
            f"expected the JSON keys 0 to {len(values) - 1}, but {ordered.index(None)} is missing"
        )
    return [value[-1] if isinstance(value, list) and value else value for value in ordered]
