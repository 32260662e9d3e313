"""`sqznet classes`: lists and searches the classes of a network."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from sqznet.cli.alignment import aligned
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    complain,
    load_model,
)
from sqznet.errors import printable, shown

if TYPE_CHECKING:
    import argparse

    from sqznet.cli.common import Commands


class _Class(NamedTuple):
    """A class: its index, its name and, if it is one of ImageNet's, its coarse name, WordNet's
    number of it and all names that WordNet has above it."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which is not needed here
    label: str
    coarse: str | None = None
    synset: str | None = None
    above: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        return (self.label, self.synset or "", *self.above)


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "classes",
        help="list or search the classes of a network",
        description="List the classes of a network: index, name and, for ImageNet's classes, the "
        "coarse name. With WORD, list only the classes whose name contains it or that WordNet "
        "files under it: 'cat' finds tabby. WORD may also be a WordNet number, such as n02123045.",
        examples=(
            "sqznet classes cat",
            "sqznet classes --coarse",
            "sqznet classes --model mugs.sqz --json",
        ),
    )
    parser.add_argument("words", nargs="*", metavar="WORD", help="the word to search for")
    parser.add_argument(
        "--coarse",
        action="store_true",
        help="list the coarse names, with the number of classes of each",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: a list of objects")
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="weights or a recognizer, a file or a name as for 'sqznet classify' (default: the "
        "bundled SqueezeNet 1.1)",
    )
    parser.add_argument(
        "--labels", metavar="FILE", help="class names, text or JSON (default: those of the weights)"
    )
    parser.add_argument(
        "--backbone",
        metavar="FILE",
        help="the network that a recognizer was trained on (default: the bundled one)",
    )
    parser.set_defaults(threads=1, isa=None)


def run(args: argparse.Namespace) -> int:
    model = load_model(args)
    if isinstance(model, int):
        return model
    classes = _classes(model.labels)
    if not classes:
        complain("these weights have no classes", args.model)
        return EXIT_UNREADABLE
    if args.coarse and any(item.coarse is None for item in classes):
        complain("--coarse is for ImageNet's 1000 classes, these are others", args.model)
        return EXIT_USAGE
    found = search(classes, " ".join(args.words))
    if not found:
        near = _nearest(classes, " ".join(args.words))
        complain(f"no class has {shown(' '.join(args.words))} in its name{near}")
        return EXIT_UNREADABLE
    if args.coarse:
        _print_coarse(found, args.json)
    elif args.json:
        fields = ("index", "label", "coarse", "synset")
        listed = [{name: getattr(item, name) for name in fields} for item in found]
        print(json.dumps(listed, indent=2))
    else:
        _print_rows([(str(c.index), c.label, c.coarse or "") for c in found])
    return EXIT_OK


def search(classes: list[_Class], text: str) -> list[_Class]:
    """The classes with this text in a name, as whole words; if there are none, anywhere in it."""
    if not text:
        return classes
    word = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)", re.IGNORECASE)
    found = [item for item in classes if any(map(word.search, item.names()))]
    part = text.lower()
    return found or [c for c in classes if any(part in name.lower() for name in c.names())]


def _classes(labels: tuple[str, ...]) -> list[_Class]:
    from sqznet import weights
    from sqznet.weights.hierarchy import coarse_names, groups
    from sqznet.weights.labels import imagenet_start

    start = imagenet_start(labels)
    if start is None:
        return [_Class(index, label) for index, label in enumerate(labels)]
    above: list[tuple[str, ...]] = [()] * len(labels)
    for group in groups():
        for index in group.classes:
            above[start + index] += group.names
    synsets = (*[None] * start, *weights.imagenet_synsets())
    named = zip(labels, coarse_names(labels), synsets, above, strict=True)
    return [_Class(index, *rest) for index, rest in enumerate(named)]


def _nearest(classes: list[_Class], text: str) -> str:
    from difflib import get_close_matches

    names = {name.lower(): name for item in classes for name in item.names()}
    near = get_close_matches(text.lower(), names, n=3)
    return f"; the nearest: {', '.join(printable(names[name]) for name in near)}" if near else ""


def _print_coarse(found: list[_Class], as_json: bool) -> None:
    members: dict[str, list[int]] = {}
    for item in found:
        members.setdefault(item.coarse or item.label, []).append(item.index)
    if as_json:
        listed = [{"label": name, "classes": indices} for name, indices in members.items()]
        print(json.dumps(listed, indent=2))
    else:
        _print_rows([(str(len(indices)), name) for name, indices in members.items()])


def _print_rows(rows: list[tuple[str, ...]]) -> None:
    """Aligned columns: a number, then texts."""
    rows = [tuple(map(printable, row)) for row in rows]
    for line in aligned(rows, left=(1, 2)):
        print(line)
