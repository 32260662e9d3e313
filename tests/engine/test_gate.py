"""Callers of one model: how many run at a time, and which one is next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from sqznet.engine import cpu, gate
from sqznet.engine.gate import Gate


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "usable_cores", lambda: (2, "of a test"))


def started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_as_many_as_cores_are_inside(two_cores: None) -> None:
    door = Gate()
    lock, inside, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            door.enter()
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.0002)
            with lock:
                inside -= 1
            door.leave()

    threads = [started(work) for _ in range(6)]
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert most == 2


def test_entering_tells_whether_the_cores_are_full(two_cores: None) -> None:
    door = Gate()
    assert door.enter() is False
    assert door.enter() is True
    door.leave()
    assert door.enter() is True
    door.leave()
    door.leave()
    assert door.enter() is False


def test_a_single_core_never_counts_as_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "usable_cores", lambda: (1, "of a test"))
    door, answers = Gate(), []
    assert door.enter() is False
    waits = started(lambda: answers.append(door.enter()))
    time.sleep(0.02)
    assert not answers
    door.leave()
    waits.join(timeout=60)
    assert answers == [False]


def test_a_waiting_caller_is_next_however_soon_others_return(two_cores: None) -> None:
    door, over = Gate(), threading.Event()

    def greedy() -> None:
        while not over.is_set():
            door.enter()
            door.leave()

    threads = [started(greedy) for _ in range(5)]
    for _ in range(10):
        patient = started(lambda: (door.enter(), door.leave()))
        patient.join(timeout=60)
        assert not patient.is_alive()
    over.set()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_callers_enter_in_order_of_arrival(
    two_cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "TURN", -1.0)  # every place is handed on
    door, order = Gate(), []
    door.enter()
    door.enter()

    def wait(number: int) -> None:
        door.enter()
        order.append(number)
        door.leave()

    threads = []
    for number in range(5):
        threads.append(started(lambda n=number: wait(n)))  # type: ignore[misc]
        while len(door._waiting) <= number:
            time.sleep(0.001)
    door.leave()
    for thread in threads:
        thread.join(timeout=60)
    assert order == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("comes", [False, True])
def test_a_caller_that_gives_up_leaves_its_place_to_the_next(
    two_cores: None, monkeypatch: pytest.MonkeyPatch, comes: bool
) -> None:
    """Ctrl-C while it waits: before it got a place, and just after."""
    monkeypatch.setattr(gate, "TURN", -1.0)
    door = Gate()

    class Bell:
        def acquire(self) -> bool:
            if comes:
                door.leave()
            raise KeyboardInterrupt

        def locked(self) -> bool:
            return False

    class Impatient(gate._Waiting):
        def __init__(self) -> None:
            self.has_place = False
            self.bell = Bell()  # type: ignore[assignment]

    door.enter()
    door.enter()
    with monkeypatch.context() as patch:
        patch.setattr(gate, "_Waiting", Impatient)
        with pytest.raises(KeyboardInterrupt):
            door.enter()
    assert not door._waiting
    assert door._inside == (1 if comes else 2)
