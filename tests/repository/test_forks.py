"""Every lock of the package is renewed in a forked child (sqznet/forks.py), or needs no renewal for
a reason that is given here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from ..support.places import ROOT

#: What holds a lock, or waits for another thread. `cached_property` has a lock up to Python 3.11.
LOCKS = {
    "Barrier", "BoundedSemaphore", "Condition", "Event", "LifoQueue", "Lock", "PriorityQueue",
    "ProcessPoolExecutor", "Queue", "RLock", "Semaphore", "SimpleQueue", "ThreadPoolExecutor",
    "Timer", "allocate_lock", "cached_property",
}  # fmt: skip

OUTSIDE = {
    ("batch/asynchronous.py", "ThreadPoolExecutor"): "forgotten with the renewed table of workers",
    ("batch/photos.py", "Event"): "of one call, which refuses to go on in a child",
    ("batch/photos.py", "SimpleQueue"): "of one call, which refuses to go on in a child",
    ("files/connections.py", "Timer"): "of one call, whose thread waits for no other",
    ("weights/keras/content.py", "Timer"): "of one call, whose thread waits for no other",
}

#: Locks of C++ and why a child needs no new ones.
COMPILED = {
    "core/threadpool.cpp": "a child drops the crew, see claim()",
    "bindings/gate.cpp": "held without waiting by threads with the GIL, and an Executor renews it",
}

pytestmark = pytest.mark.skipif(
    not (ROOT / "sqznet" / "__init__.py").is_file(), reason="the tests are not beside the sources"
)


def locks_outside(code: str) -> Iterator[str]:
    """The locks that a module makes elsewhere than in the method `renew` of a class that passes its
    objects to `renewed`. A class of its own that has the name of a lock is none."""
    tree = ast.parse(code)
    own = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and [ast.unparse(b) for b in node.bases] == ["NamedTuple"]
    }
    allowed = {
        node
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef) and "renewed(" in ast.unparse(owner)
        for method in owner.body
        if isinstance(method, ast.FunctionDef) and method.name == "renew"
        for node in ast.walk(method)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            made = node.func
        elif isinstance(node, ast.FunctionDef):
            made = next(iter(node.decorator_list), node)
        else:
            continue
        name = ast.unparse(made).rpartition(".")[2].partition("[")[0]
        if node not in allowed and name in LOCKS - own:
            yield name


def test_every_lock_is_made_where_a_child_makes_it_again() -> None:
    package = ROOT / "sqznet"
    found = {
        (path.relative_to(package).as_posix(), name)
        for path in sorted(package.rglob("*.py"))
        for name in locks_outside(path.read_text("utf-8"))
    }
    assert found == set(OUTSIDE)


def test_the_locks_of_the_compiled_modules_are_known() -> None:
    folder = ROOT / "csrc"
    kinds = re.compile(r"\b(mutex|condition_variable|call_once|once_flag|pthread_mutex\w*)\b")
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.*")
        if kinds.search(re.sub(r"//.*|#include.*", "", path.read_text("utf-8")))
    }
    assert found == set(COMPILED)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("LOCK = Lock()", ["Lock"]),
        ("class A:\n def __init__(self): self._lock = threading.RLock()", ["RLock"]),
        ("class A:\n def renew(self): self._lock = Lock()", ["Lock"]),
        (
            "class A:\n def __init__(self): renewed(self)\n def renew(self): self._lock = Lock()",
            [],
        ),
        ("class A:\n @cached_property\n def x(self): return 1", ["cached_property"]),
        ("queue: object = SimpleQueue[int]()", ["SimpleQueue"]),
        ("class Event(NamedTuple):\n time: float\nfirst = Event(0.0)", []),
        ("class Event(threading.Event): ...\nfirst = Event()", ["Event"]),
    ],
)
def test_a_lock_that_is_planted_is_found(code: str, found: list[str]) -> None:
    assert list(locks_outside(code)) == found
