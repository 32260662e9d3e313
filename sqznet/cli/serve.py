"""`sqznet serve`: answers over HTTP, for programs and for browsers."""

from __future__ import annotations

import argparse
import os
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

import sqznet
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_engine_options,
    complain,
    is_quiet,
    load_detector,
    load_model,
    notice,
    number,
    positive,
    say,
)
from sqznet.serving.memory import lend_large_blocks
from sqznet.serving.settings import Limits, Settings, require_libraries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqznet import Detector
    from sqznet.cli.common import Commands
    from sqznet.serving.served import Served

_TOKEN = "SQZNET_TOKEN"
_LIMITS = Limits()


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "serve",
        help="answer over HTTP, with a page for browsers",
        description="Answer over HTTP: a page for browsers at /, photos at /classify, /detect and "
        "/explain, "
        "tensors by the Open Inference Protocol at /v2, metrics at /metrics, a description at "
        "/openapi.json. SIGTERM and Ctrl-C end it once all that was accepted is answered. With "
        f"{_TOKEN} set, clients must send 'Authorization: Bearer TOKEN'. It needs "
        "libraries, which it names if they are missing",
        examples=(
            "sqznet serve",
            "sqznet serve --model dogs=dogs.safetensors --model mugs.sqz --port 9000",
            "sqznet serve --teach mine.sqz    # classes that are taught on the page",
        ),
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="FILE",
        help="weights or a recognizer, a file or a name to download, offered under the file's name "
        "or as in NAME=FILE; may be repeated, the first is the default (default: the bundled "
        "SqueezeNet 1.1)",
    )
    parser.add_argument(
        "--detector",
        metavar="FILE",
        help="the detector of /detect, a file or a name to download (default: the bundled one)",
    )
    parser.add_argument(
        "--teach",
        metavar="FILE",
        help="let clients teach classes with the first network, and save them in this file, which "
        "is read if it exists",
    )
    parser.add_argument(
        "--host",
        default=Settings().host,
        metavar="NAME",
        help="address to listen on, such as 0.0.0.0 for all (default: 127.0.0.1, this machine "
        "alone)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=Settings().port,
        metavar="N",
        help="port to listen on, 0 for any free one (default: 8000)",
    )
    _add_limits(parser)
    add_engine_options(parser)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-body",
        type=positive,
        default=_LIMITS.body,
        metavar="BYTES",
        help=f"largest request (default: {_LIMITS.body})",
    )
    parser.add_argument(
        "--max-pixels",
        type=positive,
        default=_LIMITS.pixels,
        metavar="N",
        help=f"largest photo; a pixel takes 4 bytes of memory (default: {_LIMITS.pixels})",
    )
    parser.add_argument(
        "--max-seconds",
        type=_seconds,
        default=_LIMITS.seconds,
        metavar="S",
        help="longest time from a request's first byte to its answer (default: "
        f"{_LIMITS.seconds:g})",
    )
    parser.add_argument(
        "--max-requests",
        type=positive,
        default=_LIMITS.queue,
        metavar="N",
        help="number of requests at the same time; further ones get status 429 (default: "
        f"{_LIMITS.queue})",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        default=_LIMITS.batch,
        metavar="N",
        help=f"number of photos that one thread takes at once (default: {_LIMITS.batch})",
    )
    parser.add_argument(
        "--batch-wait",
        type=_milliseconds,
        default=_LIMITS.wait,
        metavar="MS",
        help="how long a photo waits for others while a thread is free (default: 0)",
    )


def run(args: argparse.Namespace) -> int:
    try:
        require_libraries()
        settings = _settings(args)
    except sqznet.SqznetError as error:
        complain(error)
        return EXIT_USAGE
    lend_large_blocks()
    models = _models(args, settings)
    if isinstance(models, int):
        return models
    # Detectors compute in float32, whatever the other models do.
    engine = Namespace(threads=args.threads, isa=args.isa, precision="float32", size=None)
    detector = load_detector(engine, args.detector)
    if isinstance(detector, int):
        return detector
    return _serve(models, detector, settings)


def _serve(models: Sequence[Served], detector: Detector, settings: Settings) -> int:
    from logging.config import dictConfig

    from sqznet.serving import logs
    from sqznet.serving.server import Server
    from sqznet.serving.sought import Sought

    try:
        server = Server(models, Sought(detector, settings.limits.pixels), settings)
    except sqznet.SqznetError as error:  # two models of one name, or an address that is taken
        complain(error)
        return EXIT_USAGE
    if not settings.is_local and settings.token is None:
        notice(f"anyone who reaches {settings.host} may use this server: set {_TOKEN}")
    dictConfig(logs.configuration(is_quiet()))
    say(f"{server.url}: {', '.join(served.name for served in models)}")
    if sys.stdout is not None:
        sys.stdout.flush()  # a program that started this one waits for the address
    try:
        server.run()
    except KeyboardInterrupt:  # SIGTERM too: it is how a server is meant to end
        say("stopped, all that was accepted is answered")
    return EXIT_OK


def _settings(args: argparse.Namespace) -> Settings:
    token = os.environ.get(_TOKEN)
    if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
        raise sqznet.SqznetError(f"{_TOKEN} must be printable ASCII, and not empty")
    limits = Limits(
        body=args.max_body,
        pixels=args.max_pixels,
        seconds=args.max_seconds,
        queue=args.max_requests,
        batch=args.batch,
        wait=args.batch_wait,
    )
    return Settings(args.host, args.port, token, args.teach, limits)


def _models(args: argparse.Namespace, settings: Settings) -> list[Served] | int:
    """The models of the options, or the exit code after reporting why there are none."""
    from sqznet.serving.served import Served
    from sqznet.serving.taught import taught

    found: list[Served] = []
    for named in args.model or [None]:
        name, file = _named(named)
        model = load_model(Namespace(**{**vars(args), "model": file}))
        if isinstance(model, int):
            return model
        found.append(Served(name, model, settings.limits.pixels))
    if settings.taught is not None:
        try:
            found.append(taught(settings.taught, found[0].network, settings.limits.pixels))
        except sqznet.SqznetError as error:
            complain(error)
            return EXIT_UNREADABLE
    return found


def _named(text: str | None) -> tuple[str, str | None]:
    """The name and the file of NAME=FILE, or of a file alone."""
    if text is None:
        return "squeezenet1_1", None
    name, equals, file = text.partition("=")
    if equals and name and file and "/" not in name and not os.path.exists(text):
        return name, file
    return os.path.splitext(os.path.basename(text))[0] or text, text


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) < 1 << 16):
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    value = number(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text!r}")
    return value


def _milliseconds(text: str) -> float:
    value = number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"expected milliseconds from 0 up, got {text!r}")
    return value / 1000
