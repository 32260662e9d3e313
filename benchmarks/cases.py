"""The measured cases. Sizes are 224x224 and numbers are fp32, except in "int8"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch

from benchmarks.engines.base import SIZE
from benchmarks.network import Shape


@dataclass(frozen=True)
class Case:
    """One row of the table.

    kind: "latency" (a preprocessed batch to logits), "int8" (the same with 8-bit networks, and
    sqznet in fp32, too), "jpeg" (a file to its top five) or "cold" (a fresh interpreter to its
    first label).
    """

    name: str
    kind: str
    variant: str
    batch: int
    threads: int  # 0: the engine's default for sqznet, the usable cores for the others

    @property
    def shape(self) -> Shape:
        """(batch, height, width) of the input."""
        return (self.batch, SIZE, SIZE)

    @property
    def title(self) -> str:
        """A readable title."""
        threads = f"{self.threads} thread{'s' if self.threads != 1 else ''}"
        if self.kind == "latency":
            return f"SqueezeNet {self.variant}, batch {self.batch}, {threads}: ms per image"
        if self.kind == "int8":
            return f"SqueezeNet {self.variant} in int8, sqznet also in fp32, {threads}: ms an image"
        if self.kind == "jpeg":
            return f"JPEG file to top five, SqueezeNet {self.variant}, {threads}: ms per photo"
        return f"Cold start, import to first label, SqueezeNet {self.variant}: ms"


def latency(variant: str, batch: int, threads: int) -> Case:
    """A preprocessed batch to logits."""
    return Case(f"{variant}-b{batch}-{threads}t", "latency", variant, batch, threads)


CASES = (
    latency("1.1", 1, 1),
    latency("1.1", 1, 2),
    latency("1.1", 16, 1),
    latency("1.1", 16, 2),
    latency("1.0", 1, 1),
    latency("1.0", 1, 2),
    Case("1.1-int8-1t", "int8", "1.1", 1, 1),
    Case("1.0-int8-1t", "int8", "1.0", 1, 1),
    Case("jpeg-1t", "jpeg", "1.1", 1, 1),
    Case("jpeg-2t", "jpeg", "1.1", 1, 2),
    Case("cold", "cold", "1.1", 1, 0),
)


def select(patterns: Iterable[str]) -> tuple[Case, ...]:
    """Cases whose name matches any of the patterns ("1.1-*", "jpeg*"); all if there are none."""
    wanted = tuple(patterns)
    if not wanted:
        return CASES
    chosen = tuple(case for case in CASES if any(fnmatch(case.name, p) for p in wanted))
    if not chosen:
        raise ValueError(f"no case matches; there are {', '.join(c.name for c in CASES)}")
    return chosen
