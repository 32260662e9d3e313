"""Lists what nested dictionaries and lists hold, each thing by its path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqznet.errors import WeightsError
from sqznet.weights.torch.machine import Key, Placeholder
from sqznet.weights.torch.objects import Tensor

# No weights have longer paths or as many tensors; hostile files must not take much memory.
_MAX_PATH = 300
_MAX_TENSORS = 20_000

# Other things are listed to be named in a message, which more of them do not make better.
_MAX_OTHERS = 1000


class _Level(NamedTuple):
    """A container that is being listed: its path, how much was found before it, and its items."""

    path: str
    before: int
    items: Iterator[tuple[str, object]]


def entries(content: object) -> dict[str, object]:
    """Tensors and other values by their path: keys and indices, joined by dots.

    Dictionaries, lists and tuples are entered wherever they are, each once; without anything to
    list in them, they are listed themselves. Raises WeightsError if there are far too many tensors.
    """
    found: dict[str, object] = {}
    tensors = others = 0
    entered: set[int] = set()
    levels = [_Level("", 0, iter([("", content)]))]
    while levels:
        path, value = next(levels[-1].items, (None, None))
        if path is None:
            done = levels.pop()
            if len(found) > done.before or not done.path:
                continue
            path, value = done.path, None
        elif _is_container(value):
            if id(value) not in entered and len(path) <= _MAX_PATH:
                entered.add(id(value))
                levels.append(_Level(path, len(found), _children(path, value)))
            continue
        if _has_shape(value):
            tensors += 1
            if tensors > _MAX_TENSORS:
                raise WeightsError(
                    f"it holds more than {_MAX_TENSORS} tensors; save the weights alone, with "
                    "torch.save(model.state_dict(), path)"
                )
        elif (others := others + 1) > _MAX_OTHERS:
            continue
        found[path] = value
    return found


def _is_container(value: object) -> bool:
    is_dictionary = isinstance(value, Placeholder) and bool(value.content)
    return is_dictionary or isinstance(value, (dict, list, tuple))


def _has_shape(value: object) -> bool:
    """Whether it is a tensor, but not a single number, such as a loss in a history."""
    return isinstance(value, Tensor) and bool(value.shape)


def _children(path: str, value: object) -> Iterator[tuple[str, object]]:
    """What is in a container, with paths; without the numbers in a list."""
    before = f"{path}." if path else ""
    if isinstance(value, Placeholder):
        value = value.content
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{before}{'?' if isinstance(key, Key) else key}", item
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            if _is_container(item) or _has_shape(item):
                yield f"{before}{index}", item
