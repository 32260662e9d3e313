"""Interprets the part of the pickle language that torch.save writes, and nothing else.

The standard unpickler is unsafe even with a whitelist, because it also trusts the sizes in the
stream: a few bytes make it allocate gigabytes (a memo index, the length of a string). Here, the
time and memory of every opcode are bounded by the bytes it occupies, only functions from the caller
are ever called, and opcodes outside the list below are refused. The standard library's pickletools
describes the meaning of the opcodes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqznet.errors import WeightsError, shown

#: The pickle of a SqueezeNet has 10 kB, or a few times that with an optimizer's state. Its objects
#: may take a hundred times as much memory.
MAX_PICKLE = 1 << 19

# No function of torch has more parameters; the same tuple can be passed to any number of calls.
_MAX_ARGUMENTS = 16

# Larger integers as dictionary keys may be made to collide; no weights file has any.
_MAX_KEY = 1 << 31


@dataclass(frozen=True)
class Function:
    """Something that a pickle may call, with its name in the pickle."""

    name: str
    call: Callable[..., object]


FindGlobal = Callable[[str, str], object]
PersistentLoad = Callable[[object], object]


def load(
    view: memoryview, start: int, find_global: FindGlobal, persistent_load: PersistentLoad
) -> tuple[Any, int]:
    """Interprets the pickle that begins at `start`; returns its object and its end.

    find_global(module, name) returns the meaning of a name: a Function, or an inert object.
    persistent_load(identity) returns the object for a persistent id.
    Both raise WeightsError for unknown arguments, as this function does for an invalid pickle.
    """
    machine = _Machine(view[start : start + MAX_PICKLE], find_global, persistent_load)
    try:
        value = machine.run()
    except (IndexError, struct.error, UnicodeDecodeError):
        if view.nbytes - start > MAX_PICKLE:
            raise WeightsError(f"its pickle is longer than {MAX_PICKLE} bytes") from None
        raise WeightsError(
            f"its pickle is damaged near byte {start + machine.position}, or was cut short"
        ) from None
    return value, start + machine.position


class _Machine:
    """The stack machine that executes a pickle."""

    def __init__(
        self, data: memoryview, find_global: FindGlobal, persistent_load: PersistentLoad
    ) -> None:
        self.data = data
        self.position = 0
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []  # stacks set aside by MARK
        self.memo: dict[int, Any] = {}
        self.find_global = find_global
        self.persistent_load = persistent_load

    def run(self) -> Any:
        while True:
            opcode = self.take(1)[0]
            if opcode == _STOP:
                return self.stack.pop()
            operation = _OPERATIONS.get(opcode)
            if operation is None:
                raise WeightsError(
                    f"its pickle has an opcode {bytes([opcode])!r} at byte {self.position - 1} "
                    "that a weights file does not need"
                )
            operation(self)

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

    def line(self) -> str:
        """Text up to a line feed."""
        start = self.position
        while self.take(1)[0] != 0x0A:
            pass
        return str(self.data[start : self.position - 1], "utf-8")

    def push(self, value: object) -> None:
        self.stack.append(value)

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
        self.memo[index] = self.stack[-1]


def _check_key(key: object) -> None:
    # Hashing a nested tuple can take exponential time; no weights file needs such keys.
    if not isinstance(key, str) and not (isinstance(key, int) and abs(key) < _MAX_KEY):
        raise WeightsError(f"its pickle has {shown(key)} as a key, expected a string")


def _set_items(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, dict) or len(items) % 2:
        raise WeightsError("its pickle sets items of something that is not a dictionary")
    for key, value in zip(items[::2], items[1::2], strict=True):
        _check_key(key)
        target[key] = value


def _extend(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, list):
        raise WeightsError("its pickle appends to something that is not a list")
    target.extend(items)


def _dictionary(machine: _Machine) -> None:
    items = machine.pop_mark()
    machine.push({})
    _set_items(machine, items)


def _set_item(machine: _Machine) -> None:
    value = machine.stack.pop()
    key = machine.stack.pop()
    _set_items(machine, [key, value])


def _append(machine: _Machine) -> None:
    value = machine.stack.pop()
    _extend(machine, [value])


def _tuple_of(count: int) -> Callable[[_Machine], None]:
    def operation(machine: _Machine) -> None:
        items = [machine.stack.pop() for _ in range(count)]
        machine.push(tuple(reversed(items)))

    return operation


def _reduce(machine: _Machine) -> None:
    arguments = machine.stack.pop()
    function = machine.stack.pop()
    if not isinstance(function, Function) or not isinstance(arguments, tuple):
        raise WeightsError("its pickle calls something that is not a function")
    try:
        machine.push(function.call(*arguments[:_MAX_ARGUMENTS]))
    except TypeError:
        raise WeightsError(
            f"its pickle calls {function.name} with {len(arguments)} arguments that do not fit"
        ) from None


def _build(machine: _Machine) -> None:
    # The state of a state_dict has only module versions, and a training script's options are not
    # needed.
    machine.stack.pop()
    if not isinstance(machine.stack[-1], dict):
        raise WeightsError("its pickle sets attributes of something that is not a state_dict")


def _global(machine: _Machine) -> None:
    module = machine.line()
    machine.push(machine.find_global(module, machine.line()))


def _stack_global(machine: _Machine) -> None:
    name = machine.stack.pop()
    module = machine.stack.pop()
    if not isinstance(module, str) or not isinstance(name, str):
        raise WeightsError("its pickle asks for a global by something that is not a name")
    machine.push(machine.find_global(module, name))


def _text(size: int) -> Callable[[_Machine], None]:
    return lambda m: m.push(str(m.take(m.number(size)), "utf-8"))


def _bytes(size: int) -> Callable[[_Machine], None]:
    return lambda m: m.push(bytes(m.take(m.number(size))))


def _constant(make: Callable[[], object]) -> Callable[[_Machine], None]:
    return lambda m: m.push(make())


def _mark(machine: _Machine) -> None:
    machine.marked.append(machine.stack)
    machine.stack = []


_STOP = ord(".")
_OPERATIONS: dict[int, Callable[[_Machine], object]] = {
    0x80: lambda m: m.take(1),  # PROTO
    0x95: lambda m: m.take(8),  # FRAME: its length is only for buffering readers
    ord("("): _mark,
    ord("0"): lambda m: m.stack.pop(),  # POP
    ord("1"): lambda m: m.pop_mark(),  # POP_MARK
    ord("2"): lambda m: m.push(m.stack[-1]),  # DUP
    ord("N"): _constant(lambda: None),
    0x88: _constant(lambda: True),
    0x89: _constant(lambda: False),
    ord("J"): lambda m: m.push(m.number(4, signed=True)),  # BININT
    ord("K"): lambda m: m.push(m.number(1)),  # BININT1
    ord("M"): lambda m: m.push(m.number(2)),  # BININT2
    0x8A: lambda m: m.push(m.number(m.number(1), signed=True)),  # LONG1
    ord("G"): lambda m: m.push(struct.unpack(">d", m.take(8))[0]),  # BINFLOAT
    ord("U"): _text(1),  # SHORT_BINSTRING, as Python 2 wrote it
    ord("T"): _text(4),  # BINSTRING
    0x8C: _text(1),  # SHORT_BINUNICODE
    ord("X"): _text(4),  # BINUNICODE
    0x8D: _text(8),  # BINUNICODE8
    ord("C"): _bytes(1),  # SHORT_BINBYTES
    ord("B"): _bytes(4),  # BINBYTES
    ord("]"): _constant(list),
    ord("l"): lambda m: m.push(m.pop_mark()),  # LIST
    ord("a"): _append,
    ord("e"): lambda m: _extend(m, m.pop_mark()),  # APPENDS
    ord(")"): _constant(tuple),
    ord("t"): lambda m: m.push(tuple(m.pop_mark())),  # TUPLE
    0x85: _tuple_of(1),
    0x86: _tuple_of(2),
    0x87: _tuple_of(3),
    ord("}"): _constant(dict),
    ord("d"): _dictionary,
    ord("s"): _set_item,
    ord("u"): lambda m: _set_items(m, m.pop_mark()),  # SETITEMS
    ord("q"): lambda m: m.remember(m.number(1)),  # BINPUT
    ord("r"): lambda m: m.remember(m.number(4)),  # LONG_BINPUT
    0x94: lambda m: m.remember(len(m.memo)),  # MEMOIZE
    ord("h"): lambda m: m.look_up(m.number(1)),  # BINGET
    ord("j"): lambda m: m.look_up(m.number(4)),  # LONG_BINGET
    ord("c"): _global,
    0x93: _stack_global,
    ord("R"): _reduce,
    0x81: _reduce,  # NEWOBJ: calls a class
    ord("b"): _build,
    ord("Q"): lambda m: m.push(m.persistent_load(m.stack.pop())),  # BINPERSID
}
