"""Damages weights files in every way that is cheap, and sees what their readers do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from sqznet import graph, weights
from sqznet.errors import WeightsError
from sqznet.weights import Checkpoint

from .test_weights_fuzz import check_promises

_HOSTILE = (b"", bytes(4), b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x80" * 9, b"99999999999999999999")


def damaged(content: bytes, count: int, head: int = 1 << 30) -> Iterator[bytes]:
    """`count` changed copies: cut short, with a bit flipped, with bytes replaced or put in.

    Half of the changes fall into the first `head` bytes.
    """
    source = random.Random(len(content))
    for i in range(count):
        end = len(content) if i % 2 else min(head, len(content))
        begin = source.randrange(end)
        if i % 5 == 0:
            yield content[:begin]
        elif i % 5 < 3:
            bit = content[begin] ^ 1 << source.randrange(8)
            yield content[:begin] + bytes([bit]) + content[begin + 1 :]
        else:
            middle = source.choice((*_HOSTILE, source.randbytes(8)))
            after = begin + source.choice((0, len(middle), 30))
            yield content[:begin] + middle + content[after:]


def attempt(path: Path) -> Checkpoint | None:
    """The Checkpoint, its promises checked; None if the file was refused as it should be."""
    try:
        checkpoint = weights.read(path)
    except WeightsError as error:
        message = str(error)
    else:
        check_promises(checkpoint)
        for padding in (checkpoint.wiring.conv1_padding, checkpoint.wiring.conv10_padding):
            assert isinstance(padding, int)
            assert padding >= 0
        assert checkpoint.variant in graph.VARIANTS
        return checkpoint
    assert str(path) in message
    # An error of another kind means that a check is missing, although it was contained.
    assert "while reading it" not in message
    assert "\n" not in message
    assert len(message) < 700
    return None
