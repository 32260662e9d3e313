"""Finds the classes of a model that the names of folders mean."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqznet import weights


def class_names(labels: Sequence[str], folders: Iterable[str]) -> dict[str, str | None]:
    """The label that each folder's name means, None if there is none.

    That is, in this order: the label itself; for WordNet's number of a class of ImageNet, such as
    ``n01484850``, the name of that class; the only label that differs in nothing but capital
    letters, underscores, hyphens and the form of its accents.
    """
    known = set(labels)
    alike = defaultdict(set)
    for label in labels:
        alike[_plain(label)].add(label)
    synsets: dict[str, str] = {}
    found: dict[str, str | None] = {}
    for folder in folders:
        if folder not in known and not synsets and _is_synset(folder):
            synsets = dict(zip(weights.imagenet_synsets(), weights.imagenet_labels(), strict=True))
        name = folder if folder in known else synsets.get(folder)
        near = alike[_plain(folder)]
        found[folder] = name if name in known else next(iter(near)) if len(near) == 1 else None
    return found


def _is_synset(name: str) -> bool:
    return len(name) == 9 and name[0] == "n" and name[1:].isdecimal()


def _plain(name: str) -> str:
    composed = unicodedata.normalize("NFC", name).casefold()
    return " ".join(composed.replace("_", " ").replace("-", " ").split())
