"""The stack machine of the pickle language: its stack and memo, and the budget that bounds them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqznet.errors import WeightsError

# What one pickle may cost. The pickle of a SqueezeNet has 3000 opcodes; a history of the training
# beside it has any number. So many take about half a second.
_MAX_OPCODES = 600_000
_MAX_BYTES = 96 << 20

#: The memory, at most, of an object in its container and in the memo, without its content.
OBJECT_BYTES = 200

_STOP = ord(".")
_LINE = re.compile(rb"([^\n]*)\n")


@dataclass(frozen=True)
class Function:
    """Something that a pickle may call, with its name in the pickle."""

    name: str
    call: Callable[..., object]


class Placeholder:
    """Something that a pickle names or makes, and that is not made here: only its name is known.

    content: what the pickle sets in it, if it is a kind of dictionary.
    """

    __slots__ = ("content", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.content: dict[Any, Any] = {}


class Key:
    """A key of a dictionary that is not a text or a small integer. Hashing the real one could take
    exponential time, and no weights have such keys."""

    __slots__ = ()


FindGlobal = Callable[[str, str], object]
PersistentLoad = Callable[[object], object]


class Machine:
    """The stack machine that executes a pickle."""

    def __init__(
        self, data: memoryview, find_global: FindGlobal, persistent_load: PersistentLoad
    ) -> None:
        self.data = data
        self.position = 0
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []  # stacks set aside by MARK
        self.memo: dict[int, Any] = {}
        self.room = _MAX_BYTES
        self.find_global = find_global
        self.persistent_load = persistent_load

    def run(self, operations: Mapping[int, Callable[[Machine], object]]) -> Any:
        """Executes the pickle from the current position; returns its object."""
        data = self.data
        for _ in range(_MAX_OPCODES):
            opcode = data[self.position]
            self.position += 1
            if opcode == _STOP:
                return self.stack.pop()
            operation = operations.get(opcode)
            if operation is None:
                raise WeightsError(
                    f"its pickle has an opcode {bytes([opcode])!r} at byte {self.position - 1} "
                    "that a weights file does not need"
                )
            operation(self)
        raise WeightsError(
            f"its pickle has more than {_MAX_OPCODES} operations; save the weights alone, with "
            "torch.save(model.state_dict(), path)"
        )

    def spend(self, nbytes: int) -> None:
        """Raises WeightsError if the objects of the pickle take too much memory with these."""
        self.room -= nbytes
        if self.room < 0:
            raise WeightsError(
                f"the objects in its pickle take more than {_MAX_BYTES >> 20} MiB; save the "
                "weights alone, with torch.save(model.state_dict(), path)"
            )

    def take(self, count: int) -> memoryview:
        """The next bytes of the program; raises IndexError at its end."""
        end = self.position + count
        if end > self.data.nbytes:
            raise IndexError
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def line(self) -> bytes:
        """The bytes up to a line feed."""
        found = _LINE.match(self.data, self.position)
        if not found:
            raise IndexError
        self.position = found.end()
        return bytes(found[1])

    def push(self, value: object) -> None:
        self.stack.append(value)

    def make(self, value: object) -> None:
        """Pushes a new object."""
        self.spend(OBJECT_BYTES)
        self.stack.append(value)

    def text(self, size: int) -> None:
        """Pushes a text; half of a surrogate pair is allowed, as in Python's own texts."""
        self.spend(OBJECT_BYTES + 4 * size)
        self.stack.append(str(self.take(size), "utf-8", "surrogatepass"))

    def pop_mark(self) -> list[Any]:
        """Returns the items pushed since the last MARK."""
        items = self.stack
        self.stack = self.marked.pop()
        return items

    def look_up(self, index: int) -> None:
        if index not in self.memo:
            raise WeightsError(f"its pickle refers to an object that it never made (memo {index})")
        self.push(self.memo[index])

    def remember(self, index: int) -> None:
        self.spend(OBJECT_BYTES)
        self.memo[index] = self.stack[-1]
