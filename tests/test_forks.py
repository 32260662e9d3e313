"""A forked child works, whatever the parent's other threads were doing."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import sqznet
from sqznet import api, forks
from sqznet.batch import asynchronous

from .support import networks
from .support.forked import in_child

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # forking with running threads
]


@contextmanager
def elsewhere(enter: Callable[[], Any], leave: Callable[[], Any]) -> Iterator[None]:
    """Calls `enter` on another thread, and `leave` on it after the block."""
    entered, over = threading.Event(), threading.Event()

    def hold() -> None:
        enter()
        entered.set()
        over.wait(60)
        leave()

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(60)
    try:
        yield
    finally:
        over.set()
        thread.join()


def locks_of(owner: object) -> Iterator[Any]:
    for value in vars(owner).values():
        if hasattr(value, "acquire") and hasattr(value, "release"):
            yield value


def test_another_thread_holds_every_lock(small: Path) -> None:
    model = sqznet.load(small)
    recognizer = sqznet.learn({"photo": [networks.photo()]}, model=model, report=lambda _: None)
    expected = model.classify(networks.photo()), recognizer.classify(networks.photo())
    owners = {
        type(owner)
        for owner in (model.executor, recognizer._learner, api._bundled, asynchronous.ALL_WORKERS)
    }

    def works() -> bool:
        recognizer.add("other", [networks.photo()[::-1]])
        sqznet.classify(networks.photo())
        asynchronous.ALL_WORKERS.of(model)
        return model.classify(networks.photo()) == expected[0] and recognizer.num_classes == 2

    held = [lock for owner in forks._OWNERS if type(owner) in owners for lock in locks_of(owner)]
    assert len(held) >= len(owners)
    with ExitStack() as stack:
        for lock in held:
            stack.enter_context(elsewhere(lock.acquire, lock.release))
        place = model.executor._gate.place()
        stack.enter_context(elsewhere(place.enter, place.leave))
        assert in_child(works)
    assert recognizer.classify(networks.photo()) == expected[1]


def test_another_thread_is_importing_for_a_first_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's lock of that module would never be released in the child."""
    (tmp_path / "slowly_imported.py").write_text("import time\ntime.sleep(0.3)\nready = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    code = "import slowly_imported"
    thread = threading.Thread(target=exec, args=(code, {"__name__": "sqznet.of_a_test"}))
    thread.start()
    while "slowly_imported" not in sys.modules:
        time.sleep(0.001)

    def works() -> bool:
        return bool(importlib.import_module("slowly_imported").ready)

    try:
        assert in_child(works)
    finally:
        thread.join()
        del sys.modules["slowly_imported"]


def test_the_imports_of_others_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_others.py").write_text("import time\ntime.sleep(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    thread = threading.Thread(target=exec, args=("import of_others", {"__name__": "theirs"}))
    thread.start()
    while "of_others" not in sys.modules:
        time.sleep(0.001)
    began = time.monotonic()
    assert in_child(lambda: True)
    assert time.monotonic() - began < 2
    thread.join()
    del sys.modules["of_others"]


def test_a_child_does_not_wait_for_the_parents_threads(small: Path, tmp_path: Path) -> None:
    """Photos and frames of a call that began in the parent: one error, and no waiting."""
    from PIL import Image

    for i in range(40):
        Image.radial_gradient("L").save(tmp_path / f"{i}.png")
    results = sqznet.load(small, threads=2).classify_files(tmp_path)
    arrived = threading.Event()

    def pictures() -> Iterator[Any]:
        yield networks.photo()
        arrived.wait(60)

    frames = sqznet.watch(pictures(), model=sqznet.load(small), live=True)
    next(results)
    next(frames)

    def refuses() -> bool:
        with pytest.raises(sqznet.SqznetError, match="in each process"):
            list(results)
        with pytest.raises(sqznet.SqznetError, match="in each process"):
            next(frames)
        return True

    try:
        assert in_child(refuses)
        assert len(list(results)) == 39
    finally:
        arrived.set()
        frames.close()
