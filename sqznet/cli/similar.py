"""`sqznet similar`: finds the photos that are most similar to one photo."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    add_model_options,
    complain,
    load_network,
    positive,
)
from sqznet.cli.photos import nothing_found, photos
from sqznet.errors import SqznetError, printable
from sqznet.insight.vectors import VectorFile, is_vector_file, load

if TYPE_CHECKING:
    import argparse

    from sqznet import Model
    from sqznet.cli.common import Commands


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "similar",
        help="find the photos that are most similar to one photo",
        description="Print the photos that are most similar to one photo, with their similarity: 1"
        " means equal, 0 nothing in common. The photo itself is left out.",
        examples=(
            "sqznet similar photo.jpg photos/",
            "sqznet similar photo.jpg vectors.npz --top 3",
        ),
    )
    parser.add_argument("query", metavar="QUERY", help="a photo")
    parser.add_argument(
        "place",
        metavar="PLACE",
        help="a folder or a pattern of photos, or a file of vectors from 'sqznet embed'",
    )
    parser.add_argument(
        "--top",
        type=positive,
        default=10,
        metavar="N",
        help="number of photos to print (default: 10)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: a list of objects")
    add_model_options(parser, recognizer=True)


def run(args: argparse.Namespace) -> int:
    model = load_network(args)
    if isinstance(model, int):
        return model
    try:
        query = model.embed(args.query)
    except SqznetError as error:
        complain(error, args.query)
        return EXIT_UNREADABLE
    content, status = _candidates(model, args, query.shape[1])
    if content is None:
        return status
    from sqznet.insight.embedding import nearest

    full = os.path.realpath(args.query)
    ranked = nearest(query, content.vectors, len(content.paths))
    others = [
        (row, cosine) for row, cosine in ranked if os.path.realpath(content.paths[row]) != full
    ]
    if not others:
        complain("no photos except the query", args.place)
        return EXIT_UNREADABLE
    best = [(content.paths[row], cosine) for row, cosine in others[: args.top]]
    if args.json:
        import json

        listed = [{"path": path, "similarity": round(cosine, 7)} for path, cosine in best]
        print(json.dumps(listed, indent=2))
        return status
    width = len(str(len(best)))
    for rank, (path, cosine) in enumerate(best, start=1):
        print(f"  {rank:>{width}}  {cosine:6.4f}  {printable(path)}")
    return status


def _candidates(
    model: Model, args: argparse.Namespace, length: int
) -> tuple[VectorFile | None, int]:
    """The vectors to compare with, or None, and the exit code."""
    from sqznet.cli.embed import collect, weights_hash

    if not is_vector_file(args.place) or os.path.isdir(args.place):
        found = photos([args.place], None)
        if not any(photo.error is None for photo in found):
            return None, nothing_found(found)
        return collect(model, found)
    try:
        content = load(args.place)
        if content.weights != weights_hash(model):
            raise SqznetError(
                f"its vectors come from weights with the SHA-256 {printable(content.weights)}, "
                f"expected {weights_hash(model)}: name those weights with --model"
            )
        if content.vectors.shape[1] != length:
            raise SqznetError(
                f"its vectors have {content.vectors.shape[1]} numbers, expected {length}"
            )
    except SqznetError as error:
        complain(error, args.place)
        return None, EXIT_UNREADABLE
    return content, EXIT_OK
