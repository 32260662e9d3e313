"""Parses protobuf's text format, the format of Caffe's network descriptions (.prototxt).

A message is a sequence of fields: ``name: value`` or ``name { ... }``, with comments from ``#`` to
the end of the line (https://protobuf.dev/reference/protobuf/textformat-spec/). Extensions and
``Any`` messages, which Caffe does not use, are not supported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqznet.errors import WeightsError, shown

#: The values of each field by its name, in the file's order: int, float, bool, str (a string or an
#: enumeration value) or a message.
Message = dict[str, list[Any]]

# SqueezeNet's own file has 12 kB and is nested four deep.
_MAX_TEXT = 1 << 18
_MAX_DEPTH = 32
_MAX_DIGITS = 40

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<word>[A-Za-z_][A-Za-z0-9_.]*)
    |(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)[fF]?)
    |(?P<mark>[{}<>\[\]:;,])""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False}
_CLOSING = {"{": "}", "<": ">"}

Token = tuple[str, str]


def parse(view: memoryview) -> Message:
    """The message in a text.

    Raises WeightsError, naming the line, if it does not have the format, is longer than 256 kB or
    is nested deeper than 32.
    """
    if view.nbytes > _MAX_TEXT:
        raise WeightsError(f"it has {view.nbytes} bytes, expected {_MAX_TEXT} at most")
    try:
        text = str(view, "utf-8")
    except UnicodeDecodeError:
        raise WeightsError("it is not text") from None
    return _Parser(text).message()


class _Parser:
    def __init__(self, text: str) -> None:
        self._line = 1
        self._tokens = self._scan(text)
        self._token: Token = ("", "")
        self._advance()

    def message(self) -> Message:
        top: Message = {}
        # The open messages, innermost last, each with its closing mark.
        stack: list[tuple[Message, str]] = [(top, "")]
        while True:
            current, closing = stack[-1]
            kind, token = self._token
            if token == closing and kind in ("mark", "end"):
                stack.pop()
                if not stack:
                    return top
                self._advance()
                self._skip_separator()
                continue
            if kind != "word":
                raise self._unexpected("a field's name")
            self._advance()
            values = current.setdefault(token, [])
            has_colon = self._skip(":")
            opening = self._token[1] if self._token[0] == "mark" else ""
            if opening in _CLOSING:
                if len(stack) > _MAX_DEPTH:
                    raise WeightsError(f"line {self._line}: nested deeper than {_MAX_DEPTH}")
                self._advance()
                inner: Message = {}
                values.append(inner)
                stack.append((inner, _CLOSING[opening]))
            elif not has_colon:
                raise self._unexpected("a colon or a brace")
            else:
                values.extend(self._list() if self._skip("[") else [self._scalar()])
                self._skip_separator()

    def _list(self) -> list[Any]:
        items: list[Any] = []
        while not self._skip("]"):
            if items and not self._skip(","):
                raise self._unexpected("a comma")
            items.append(self._scalar())
        return items

    def _scalar(self) -> Any:
        kind, token = self._token
        if kind == "word":
            self._advance()
            return _WORDS.get(token, token)
        if kind == "number":
            number = self._number(token)
            self._advance()
            return number
        if kind != "string":
            raise self._unexpected("a value")
        parts = []
        while self._token[0] == "string":  # adjacent strings are one
            parts.append(re.sub(r"\\(.)", r"\1", self._token[1][1:-1]))
            self._advance()
        return "".join(parts)

    def _number(self, token: str) -> int | float:
        if len(token) > _MAX_DIGITS:
            raise WeightsError(f"line {self._line}: a number of {len(token)} digits")
        if "x" in token.lower():
            return int(token, 16)
        plain = token.rstrip("fF")
        try:
            return int(plain)
        except ValueError:
            return float(plain)

    def _skip(self, mark: str) -> bool:
        found = self._token == ("mark", mark)
        if found:
            self._advance()
        return found

    def _skip_separator(self) -> None:
        if not self._skip(","):
            self._skip(";")

    def _advance(self) -> None:
        self._token = next(self._tokens)

    def _unexpected(self, expected: str) -> WeightsError:
        found = shown(self._token[1]) if self._token[1] else "the end"
        return WeightsError(f"line {self._line}: found {found}, expected {expected}")

    def _scan(self, text: str) -> Iterator[Token]:
        position = 0
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise WeightsError(
                    f"line {self._line}: found {shown(text[position])}, which is not valid here"
                )
            position = found.end()
            if found.lastgroup == "space":
                self._line += found[0].count("\n")
            else:
                yield str(found.lastgroup), found[0]
        yield "end", ""
