"""`sqznet embed`: computes a vector for each photo, for comparison and clustering."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_model_options,
    complain,
    load_network,
    say,
)
from sqznet.cli.photos import add_paths, nothing_found, photos
from sqznet.cli.progress import progress
from sqznet.errors import SqznetError, printable, reason_of
from sqznet.files.parquet import parquet_library
from sqznet.insight.vectors import ENDINGS, VectorFile, is_vector_file, save

if TYPE_CHECKING:
    import argparse

    from sqznet import Model
    from sqznet.cli.common import Commands
    from sqznet.images.finding import Found


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "embed",
        help="write a vector for each photo",
        description="Write a vector of 512 numbers for each photo. Similar photos have similar "
        "vectors.",
        examples=(
            "sqznet embed photos/ -o vectors.npz",
            "sqznet embed photos/ -o vectors.parquet --normalize",
        ),
    )
    add_paths(parser)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help=f"the file to write, with the suffix {' or '.join(ENDINGS)}",
    )
    parser.add_argument("--normalize", action="store_true", help="scale each vector to length 1")
    add_model_options(parser, recognizer=True)


def run(args: argparse.Namespace) -> int:
    try:
        _check_output(args.output)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE
    model = load_network(args)
    if isinstance(model, int):
        return model
    found = photos(args.paths, args.output)
    if not any(photo.error is None for photo in found):
        return nothing_found(found)
    content, status = collect(model, found)
    if not content.paths:
        return status
    if args.normalize:
        from sqznet.insight.embedding import normalized

        content = VectorFile(content.paths, normalized(content.vectors), content.weights)
    try:
        save(content, args.output)
    except OSError as error:
        complain(f"cannot be written: {reason_of(error)}", args.output)
        return EXIT_UNREADABLE
    count, size = content.vectors.shape
    say(f"{args.output}: {count} vector{'s' if count != 1 else ''} of {size} numbers")
    return status


def collect(model: Model, found: list[Found]) -> tuple[VectorFile, int]:
    """The vectors of all readable photos, and the exit code."""
    import numpy as np

    from sqznet.insight.embedding import embed_files, length

    status = EXIT_OK
    paths: list[str] = []
    vectors = np.empty((len(found), length(model)), np.float32)
    with progress(len(found)) as bar, closing(embed_files(model, found)) as results:
        for path, vector, error in results:
            if error is None:
                vectors[len(paths)] = vector
                paths.append(path)
            else:
                bar.clear()
                complain(error, path)
                status = EXIT_UNREADABLE
            bar.advance()
    return VectorFile(paths, vectors[: len(paths)], weights_hash(model)), status


def weights_hash(model: Model) -> str:
    """The SHA-256, in hex, of the file that the weights come from."""
    from sqznet.weights.known import sha256
    from sqznet.weights.reading import read_file

    return sha256(read_file(model.checkpoint.path))


def _check_output(path: str) -> None:
    if not is_vector_file(path):
        raise SqznetError(
            f"{printable(path)}: no format has this suffix, expected {' or '.join(ENDINGS)}"
        )
    if os.path.splitext(path)[1].lower() == ".parquet":
        parquet_library()
