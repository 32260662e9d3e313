"""What a kind of case came to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic


@dataclass
class Outcome:
    """``tried``: how many cases; ``failures``: a line for each that went wrong."""

    name: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)

    def row(self) -> tuple[str, str, str]:
        return self.name, f"{self.tried:,}", str(len(self.failures))


def until(seconds: float) -> Iterator[int]:
    """Counts 0, 1, 2, ... for so long."""
    end, number = monotonic() + seconds, 0
    while monotonic() < end:
        yield number
        number += 1
