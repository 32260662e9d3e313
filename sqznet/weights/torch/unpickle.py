"""Interprets pickles without running or importing anything that they name.

The standard unpickler is unsafe even with a whitelist, because it also trusts the sizes in the
stream: a few bytes make it allocate gigabytes (a memo index, the length of a string). Here, the
memory of every opcode is bounded by the bytes it occupies, and that of a whole pickle by a budget.
Only functions from the caller are ever called; everything else that a pickle names becomes a
Placeholder, which takes what the pickle does to it and stays what it is. The standard library's
pickletools describes the meaning of the opcodes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqznet.errors import WeightsError, shown
from sqznet.weights.torch.machine import (
    OBJECT_BYTES,
    FindGlobal,
    Function,
    Key,
    Machine,
    PersistentLoad,
    Placeholder,
)

# No function of torch has more parameters; the same tuple can be passed to any number of calls.
_MAX_ARGUMENTS = 16

# Larger integers as dictionary keys may be made to collide.
_MAX_KEY = 1 << 31

# Longer texts of numbers take time that grows with the square of their length.
_MAX_DIGITS = 100

# BINFLOAT: an opcode and eight bytes. Pickles have up to 1000 items in one APPENDS.
_FLOAT_BYTES = 9
_FLOATS = re.compile(rb"(?:G.{8}){1,1000}", re.DOTALL)
_PLACE_BYTES = 8  # of an item in a list

# A Python integer, and its place in a list.
_INTEGER_BYTES = 40


def load(
    view: memoryview, start: int, find_global: FindGlobal, persistent_load: PersistentLoad
) -> tuple[Any, int]:
    """Interprets the pickle that begins at `start`; returns its object and its end.

    find_global(module, name) returns the meaning of a name: a Function, or an inert object.
    persistent_load(identity) returns the object for a persistent id.
    Raises WeightsError for an invalid pickle, or one that takes too much time or memory.
    """
    machine = Machine(view[start:], find_global, persistent_load)
    try:
        value = machine.run(_OPERATIONS)
    except (IndexError, UnicodeDecodeError):
        raise WeightsError(
            f"its pickle is damaged near byte {start + machine.position}, or was cut short"
        ) from None
    return value, start + machine.position


def _set_items(machine: Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if isinstance(target, Placeholder):
        target = target.content
    if not isinstance(target, dict) or len(items) % 2:
        raise WeightsError("its pickle sets items of something that is not a dictionary")
    machine.spend(OBJECT_BYTES * len(items) // 2)
    for key, value in zip(items[::2], items[1::2], strict=True):
        is_plain = isinstance(key, str) or (isinstance(key, int) and abs(key) < _MAX_KEY)
        target[key if is_plain else Key()] = value


def _extend(machine: Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if isinstance(target, list):
        target.extend(items)
    elif not isinstance(target, Placeholder):  # a set, a deque and the like stay empty
        raise WeightsError("its pickle appends to something that is not a list")


def _dictionary(machine: Machine) -> None:
    items = machine.pop_mark()
    machine.make({})
    _set_items(machine, items)


def _set_item(machine: Machine) -> None:
    value = machine.stack.pop()
    key = machine.stack.pop()
    _set_items(machine, [key, value])


def _append(machine: Machine) -> None:
    value = machine.stack.pop()
    _extend(machine, [value])


def _tuple_of(count: int) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        items = [machine.stack.pop() for _ in range(count)]
        machine.make(tuple(reversed(items)))

    return operation


def _reduce(machine: Machine) -> None:
    _call(machine, machine.stack.pop())


def _call_with_keywords(machine: Machine) -> None:
    machine.stack.pop()
    _call(machine, machine.stack.pop())


def _call_on_stack(machine: Machine) -> None:
    """OBJ: the class and its arguments lie on the stack."""
    items = machine.pop_mark()
    machine.push(items[0])
    _call(machine, tuple(items[1:]))


def _call_by_name(machine: Machine) -> None:
    """INST: the class is named after its arguments."""
    arguments = tuple(machine.pop_mark())
    _global(machine)
    _call(machine, arguments)


def _call(machine: Machine, arguments: object) -> None:
    function = machine.stack.pop()
    if isinstance(function, Placeholder):
        machine.make(Placeholder(function.name))
        return
    if not isinstance(function, Function) or not isinstance(arguments, tuple):
        raise WeightsError("its pickle calls something that is not a function")
    try:
        machine.make(function.call(*arguments[:_MAX_ARGUMENTS]))
    except TypeError:
        raise WeightsError(
            f"its pickle calls {function.name} with {len(arguments)} arguments that do not fit"
        ) from None


def _build(machine: Machine) -> None:
    # Attributes: the versions of a state_dict's modules, or what is inside a placeholder.
    machine.stack.pop()
    if not machine.stack:
        raise IndexError


def _global(machine: Machine) -> None:
    module, name = str(machine.line(), "utf-8"), str(machine.line(), "utf-8")
    machine.make(machine.find_global(module, name))


def _stack_global(machine: Machine) -> None:
    name = machine.stack.pop()
    module = machine.stack.pop()
    if not isinstance(module, str) or not isinstance(name, str):
        raise WeightsError("its pickle asks for a global by something that is not a name")
    machine.make(machine.find_global(module, name))


def _text(size: int) -> Callable[[Machine], None]:
    return lambda m: m.text(m.number(size))


def _python_2_text(size: int) -> Callable[[Machine], None]:
    """A str of Python 2: mostly a text, but possibly any bytes."""

    def operation(machine: Machine) -> None:
        count = machine.number(size)
        machine.spend(OBJECT_BYTES + 4 * count)
        machine.push(str(machine.take(count), "utf-8", "backslashreplace"))

    return operation


def _bytes(size: int) -> Callable[[Machine], None]:
    """Bytes are never part of the weights, so they are not kept."""

    def operation(machine: Machine) -> None:
        machine.take(machine.number(size))
        machine.push(_BYTES)

    return operation


def _integer(size: int, signed: bool = False) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        machine.spend(_INTEGER_BYTES)
        machine.push(machine.number(size, signed))

    return operation


def _long(size: int) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        count = machine.number(size)
        machine.spend(_INTEGER_BYTES + 2 * count)
        machine.push(machine.number(count, signed=True))

    return operation


def _integer_line(machine: Machine) -> None:
    line = machine.line().removesuffix(b"L")
    if line in (b"00", b"01"):
        machine.push(line == b"01")  # False and True
        return
    try:
        if len(line) > _MAX_DIGITS:
            raise ValueError
        machine.make(int(line))
    except ValueError:
        raise WeightsError(f"its pickle has {shown(line)} as a number") from None


def _floats(machine: Machine) -> None:
    # A history of the training may hold millions; their values are never part of the weights.
    found = _FLOATS.match(machine.data, machine.position - 1)
    if not found:
        raise IndexError  # the pickle ends inside the number
    count = (found.end() - found.start()) // _FLOAT_BYTES
    machine.spend(_PLACE_BYTES * count)
    machine.stack.extend([0.0] * count)
    machine.position = found.end()


def _float_line(machine: Machine) -> None:
    machine.line()
    machine.push(0.0)


def _text_line(encoding: str) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        line = machine.line().strip(b"'\"")
        machine.spend(OBJECT_BYTES + 4 * len(line))
        machine.push(str(line, encoding, "backslashreplace"))

    return operation


def _index_line(machine: Machine) -> int:
    try:
        return int(machine.line()[:_MAX_DIGITS])
    except ValueError:
        raise WeightsError(
            "its pickle refers to an object by something that is not a number"
        ) from None


def _make(kind: Callable[[], object]) -> Callable[[Machine], None]:
    return lambda m: m.make(kind())


def _constant(value: object) -> Callable[[Machine], None]:
    return lambda m: m.push(value)


def _frozen_set(machine: Machine) -> None:
    machine.pop_mark()
    machine.make(Placeholder("frozenset"))


def _mark(machine: Machine) -> None:
    machine.spend(OBJECT_BYTES)
    machine.marked.append(machine.stack)
    machine.stack = []


_BYTES = Placeholder("bytes")

_OPERATIONS: dict[int, Callable[[Machine], object]] = {
    0x80: lambda m: m.take(1),  # PROTO
    0x95: lambda m: m.take(8),  # FRAME: its length is only for buffering readers
    ord("("): _mark,
    ord("0"): lambda m: m.stack.pop(),  # POP
    ord("1"): lambda m: m.pop_mark(),  # POP_MARK
    ord("2"): lambda m: m.push(m.stack[-1]),  # DUP
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord("J"): _integer(4, signed=True),  # BININT
    ord("K"): _integer(1),  # BININT1
    ord("M"): _integer(2),  # BININT2
    0x8A: _long(1),  # LONG1
    0x8B: _long(4),  # LONG4
    ord("I"): _integer_line,  # INT
    ord("L"): _integer_line,  # LONG
    ord("G"): _floats,  # BINFLOAT
    ord("F"): _float_line,  # FLOAT
    ord("U"): _python_2_text(1),  # SHORT_BINSTRING
    ord("T"): _python_2_text(4),  # BINSTRING
    ord("S"): _text_line("utf-8"),  # STRING
    ord("V"): _text_line("raw-unicode-escape"),  # UNICODE
    0x8C: _text(1),  # SHORT_BINUNICODE
    ord("X"): _text(4),  # BINUNICODE
    0x8D: _text(8),  # BINUNICODE8
    ord("C"): _bytes(1),  # SHORT_BINBYTES
    ord("B"): _bytes(4),  # BINBYTES
    0x8E: _bytes(8),  # BINBYTES8
    0x96: _bytes(8),  # BYTEARRAY8
    ord("]"): _make(list),
    ord("l"): lambda m: m.make(m.pop_mark()),  # LIST
    ord("a"): _append,
    ord("e"): lambda m: _extend(m, m.pop_mark()),  # APPENDS
    ord(")"): _constant(()),
    ord("t"): lambda m: m.make(tuple(m.pop_mark())),  # TUPLE
    0x85: _tuple_of(1),
    0x86: _tuple_of(2),
    0x87: _tuple_of(3),
    0x8F: _make(lambda: Placeholder("set")),  # EMPTY_SET
    0x90: lambda m: _extend(m, m.pop_mark()),  # ADDITEMS
    0x91: _frozen_set,
    ord("}"): _make(dict),
    ord("d"): _dictionary,
    ord("s"): _set_item,
    ord("u"): lambda m: _set_items(m, m.pop_mark()),  # SETITEMS
    ord("q"): lambda m: m.remember(m.number(1)),  # BINPUT
    ord("r"): lambda m: m.remember(m.number(4)),  # LONG_BINPUT
    ord("p"): lambda m: m.remember(_index_line(m)),  # PUT
    0x94: lambda m: m.remember(len(m.memo)),  # MEMOIZE
    ord("g"): lambda m: m.look_up(_index_line(m)),  # GET
    ord("h"): lambda m: m.look_up(m.number(1)),  # BINGET
    ord("j"): lambda m: m.look_up(m.number(4)),  # LONG_BINGET
    ord("c"): _global,
    0x93: _stack_global,
    ord("R"): _reduce,
    0x81: _reduce,  # NEWOBJ: calls a class
    0x92: _call_with_keywords,  # NEWOBJ_EX
    ord("o"): _call_on_stack,  # OBJ
    ord("i"): _call_by_name,  # INST
    ord("b"): _build,
    ord("Q"): lambda m: m.push(m.persistent_load(m.stack.pop())),  # BINPERSID
}
