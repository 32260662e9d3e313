"""Callers of one model: how many run at a time, and which one is next."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from sqznet._kernels import Gate, Place

from ..support.isolated import run_script


def gate(room: int = 2, turn: float = 0.03) -> Gate:
    return Gate(lambda: room, turn)


def entered(door: Gate) -> Place:
    place = door.place()
    place.enter()
    return place


def started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_as_many_as_cores_are_inside() -> None:
    door = gate()
    lock, inside, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            place = entered(door)
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.0002)
            with lock:
                inside -= 1
            place.leave()

    threads = [started(work) for _ in range(6)]
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert most == 2


def test_entering_tells_whether_the_cores_are_full() -> None:
    door = gate()
    first, second, third = door.place(), door.place(), door.place()
    assert first.enter() is False
    assert second.enter() is True
    second.leave()
    assert third.enter() is True
    first.leave()
    third.leave()
    assert first.enter() is False


def test_a_single_core_never_counts_as_full() -> None:
    door, answers = gate(1), []
    place = door.place()
    assert place.enter() is False
    waits = started(lambda: answers.append(door.place().enter()))
    time.sleep(0.02)
    assert not answers
    place.leave()
    waits.join(timeout=60)
    assert answers == [False]


def test_a_waiting_caller_is_next_however_soon_others_return() -> None:
    door, over = gate(), threading.Event()

    def greedy() -> None:
        while not over.is_set():
            entered(door).leave()

    threads = [started(greedy) for _ in range(5)]
    for _ in range(10):
        patient = started(lambda: entered(door).leave())
        patient.join(timeout=60)
        assert not patient.is_alive()
    over.set()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_callers_enter_in_order_of_arrival() -> None:
    door, order = gate(turn=-1.0), []  # every place is handed on
    first, second = entered(door), entered(door)

    def wait(number: int) -> None:
        place = entered(door)
        order.append(number)
        place.leave()

    threads = []
    for number in range(5):
        threads.append(started(lambda n=number: wait(n)))  # type: ignore[misc]
        while door.waiting <= number:
            time.sleep(0.001)
    first.leave()
    for thread in threads:
        thread.join(timeout=60)
    assert order == [0, 1, 2, 3, 4]
    second.leave()
    assert door.inside == door.waiting == 0


def test_the_room_is_looked_up_when_a_second_caller_comes() -> None:
    asked: list[int] = []
    door = Gate(lambda: asked.append(2) or 2)
    for _ in range(3):
        entered(door).leave()
    assert asked == []
    places = [entered(door), entered(door)]
    for place in places:
        place.leave()
    places = [entered(door), entered(door)]
    assert asked == [2]


def test_a_room_that_cannot_be_looked_up_takes_no_place() -> None:
    def fail() -> int:
        raise ZeroDivisionError

    door = Gate(fail)
    first = entered(door)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            entered(door)
    assert door.inside == 1
    first.leave()
    assert door.inside == 0


def test_a_place_is_taken_and_left_once() -> None:
    door = gate()
    place = door.place()
    place.leave()
    place.enter()
    place.enter()
    assert door.inside == 1
    place.leave()
    place.leave()
    assert door.inside == 0


def test_a_place_that_is_forgotten_is_left() -> None:
    door = gate()
    place = entered(door)
    assert door.inside == 1
    del place
    assert door.inside == 0


CTRL_C = """
import os, signal, sys, threading, time
from sqznet._kernels import Gate

class Interrupt(BaseException): pass
def interrupt(*_): raise Interrupt
signal.signal(signal.SIGALRM, interrupt)
door = Gate(lambda: 1, 0.0 if sys.argv[1] == "handed on" else 1000.0)
first = door.place()
first.enter()
for _ in range(50):
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    try:
        door.place().enter()
        raise SystemExit("a second caller is inside")
    except Interrupt:
        pass
assert (door.inside, door.waiting) == (1, 0)

# The caller that is woken gives up just then: the next one must come in.
def wait():
    place = door.place()
    place.enter()
    place.leave()
for _ in range(50):
    behind = None
    def leave():
        global behind
        behind = threading.Thread(target=wait, daemon=True)
        behind.start()
        while door.waiting < 2: time.sleep(0.0001)
        first.leave()
        os.kill(os.getpid(), signal.SIGALRM)
    helper = threading.Thread(target=leave)
    helper.start()
    place = door.place()
    try:
        place.enter()
        time.sleep(10)
    except Interrupt:
        place.leave()
    helper.join()
    behind.join(10)
    assert not behind.is_alive()
    assert (door.inside, door.waiting) == (0, 0), (door.inside, door.waiting)
    first.enter()
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers that send signals")
@pytest.mark.parametrize("kind", ["handed on", "taken"])
def test_ctrl_c_while_a_caller_waits(kind: str) -> None:
    run_script(CTRL_C, kind)


OTHER_THREAD = """
import os, signal, threading, time
from sqznet._kernels import Gate

class Interrupt(BaseException): pass
def interrupt(*_): raise Interrupt
signal.signal(signal.SIGALRM, interrupt)
door = Gate(lambda: 1)
first = door.place()
first.enter()
def send():
    while door.waiting < 1: time.sleep(0.001)
    time.sleep(0.01)
    signal.pthread_kill(threading.get_ident(), signal.SIGALRM)
helper = threading.Thread(target=send)
helper.start()
try:
    door.place().enter()
except Interrupt:
    pass
else:
    raise SystemExit("a second caller is inside")
helper.join()
assert (door.inside, door.waiting) == (1, 0)
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="sends a signal to a thread")
def test_a_signal_that_does_not_end_the_wait_is_seen() -> None:
    """It came to another thread, or just before the wait."""
    run_script(OTHER_THREAD)


INTERRUPTED = """
import ctypes, random, sys, threading, time
import sqznet

class Interrupt(BaseException): pass
def raise_in(thread):
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(Interrupt))

sys.setswitchinterval(1e-5)
threading.excepthook = lambda _: None  # a thread that is interrupted outside of its loop
model = sqznet.load(sys.argv[1], threads=1)
image = open(sys.argv[2], "rb").read()
expected = model.classify(image)
wanted, over, caught, kept = int(sys.argv[3]), False, 0, {}

def work(index):
    global caught
    while not over:
        try:
            while not over:
                assert model.classify(image) == expected
        except Interrupt as error:
            caught += 1
            kept[index] = error  # with its traceback, and so all of its frames

def started(index):
    thread = threading.Thread(target=work, args=(index,), daemon=True)
    thread.start()
    return thread

threads = [started(index) for index in range(4)]
chance, deadline = random.Random(1), time.monotonic() + 200
while caught < wanted:
    assert time.monotonic() < deadline, f"after {caught} interrupts nothing moves"
    index = chance.randrange(4)
    if not threads[index].is_alive():
        threads[index] = started(index)
    raise_in(threads[index])
    time.sleep(chance.random() * 0.0003)
over = True
for thread in threads:
    thread.join(20)
    assert not thread.is_alive(), "a thread waits forever"
assert model.executor.callers == 0, model.executor.callers
print(caught)
"""


def test_thousands_of_asynchronous_exceptions_lose_no_place(small: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.radial_gradient("L").save(photo)
    assert int(run_script(INTERRUPTED, str(small), str(photo), "3000")) >= 3000
