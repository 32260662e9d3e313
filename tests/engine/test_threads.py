"""The thread pool: when threads start, sleep and end, and what a fork does to them."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sqznet import _kernels

from ..conftest import EMULATED
from ..support import networks
from ..support.isolated import run_script, sanitizer
from ..support.places import ROOT

needs_proc = pytest.mark.skipif(
    not os.path.isdir("/proc/self/task"), reason="counting threads needs Linux's /proc"
)

# A working pool of n threads, without NumPy, whose own threads would be counted. `work` returns the
# result's bytes; under emulation, fewer turns take as long. ThreadSanitizer starts a thread of its
# own together with the first other one: EXTRA.
WORK = '''
import os, sys, time
from sqznet import _kernels as k

table = k.best_kernels().f32
x = k.Tensor.from_bytes(bytes(range(256)) * 576, "float16", (1, 32, 32, 72))
weight = k.Tensor.from_bytes(b"\\x01\\x30" * 64 * 72, "float16", (64, 72, 1, 1))
layer = k.Conv(table, weight, k.Tensor((64, 1, 1, 1)))
scratch = k.Tensor((1, 1, 1, max(1, layer.scratch(1, 32, 32, 8))), "uint8")

def work(pool, turns=TURNS):
    y = k.Tensor((1, 32, 32, 64))
    for _ in range(turns):
        layer(pool, x, scratch, y)
    return memoryview(y).tobytes()

def tasks():
    return len(os.listdir("/proc/self/task"))

def tasks_return_to(count):
    """Under emulation a thread is listed for some milliseconds after it was joined."""
    until = time.monotonic() + 10
    while tasks() != count and time.monotonic() < until:
        time.sleep(0.001)
    return tasks() == count
'''.replace("TURNS", "10" if EMULATED else "50")
WORK += f"EXTRA = {int(sanitizer() == 'tsan')}\n"


def test_the_test_load_is_finite() -> None:
    """bytes(range(256)) as float16 is mostly finite; with NaN, comparisons would be meaningless."""
    halves = np.frombuffer(bytes(range(256)), "<f2")
    assert np.isfinite(halves).sum() > 100


@needs_proc
def test_one_thread_starts_none_and_others_start_with_the_first_work() -> None:
    run_script(
        WORK
        + """
before = tasks()
one = k.ThreadPool(1)
work(one)
assert tasks() == before, "a pool of 1 started a thread"
three = k.ThreadPool(3)
assert tasks() == before, "threads started before there was work"
work(three)
assert tasks() == before + 2 + EXTRA
work(three)
assert tasks() == before + 2 + EXTRA
del three
assert tasks_return_to(before + EXTRA), "threads outlived their pool"
"""
    )


@needs_proc
def test_in_a_crowded_pool_each_caller_works_alone() -> None:
    run_script(
        WORK
        + """
before, expected = tasks(), work(k.ThreadPool(1))
pool = k.ThreadPool(3)
pool.crowded = True
assert work(pool) == expected
assert tasks() == before
pool.crowded = False
assert work(pool) == expected
assert tasks() == before + 2 + EXTRA
"""
    )


@needs_proc
def test_a_model_with_one_thread_starts_none() -> None:
    run_script(
        """
        import os
        import sqznet
        before = len(os.listdir("/proc/self/task"))
        model = sqznet.load(threads=1)
        workspace = model.executor.acquire(1, 64, 64)
        workspace.run()
        assert len(os.listdir("/proc/self/task")) == before
        """
    )


@needs_proc
def test_idle_threads_use_no_processor_time() -> None:
    run_script(
        WORK
        + """
pool = k.ThreadPool(4)
work(pool)
for _ in range(20):  # a thread that had to wait for a core ends its work later
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.4)
    used = time.process_time() - before
    if used < 0.005:
        break
else:
    raise SystemExit(f"{used * 1000:.1f} ms of processor time in 400 ms of idleness")
"""
    )


@needs_proc
def test_pools_are_made_and_dropped() -> None:
    """Before any work, right after work while threads still look for more, and when idle."""
    run_script(
        WORK
        + """
before, expected = tasks(), work(k.ThreadPool(1))
for turn in range(60):
    pool = k.ThreadPool(1 + turn % 5)
    if turn % 4:
        assert work(pool, turns=1 + turn % 3) == expected
    if turn % 4 == 2:
        time.sleep(0.005)
    del pool
assert tasks_return_to(before + EXTRA)
"""
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_forked_child_computes_the_same(threads: int) -> None:
    """Before the parent's first work, after it, and in a child of the child."""
    run_script(
        "import warnings; warnings.simplefilter('ignore', DeprecationWarning)"
        + WORK
        + """
from forked import in_child

expected = work(k.ThreadPool(1))
pool = k.ThreadPool(int(sys.argv[1]))
assert in_child(lambda: work(pool) == expected)
assert work(pool) == expected
assert in_child(lambda: work(pool) == expected)
assert in_child(lambda: work(pool) == expected and in_child(lambda: work(pool) == expected))
assert work(pool) == expected
""",
        str(threads),
        PYTHONPATH=str(ROOT / "tests" / "support"),
        SQZNET_EMULATED="1" if EMULATED else "",
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.skipif(EMULATED, reason="the child waits for a lock of qemu")
def test_a_fork_in_the_middle_of_another_threads_work() -> None:
    """At the fork, the pool is busy with a caller that does not exist in the child."""
    run_script(
        "import warnings; warnings.simplefilter('ignore', DeprecationWarning)"
        + WORK
        + """
import threading
expected = work(k.ThreadPool(1))
pool, done = k.ThreadPool(3), threading.Event()

def busy():
    while not done.is_set():
        work(pool, turns=5)

caller = threading.Thread(target=busy)
caller.start()
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if work(pool, turns=3) == expected else 1)
    deadline, status = time.monotonic() + 240, None
    while status is None and time.monotonic() < deadline:
        pid, code = os.waitpid(child, os.WNOHANG)
        status = code if pid else None
        time.sleep(0.001)
    if status is None:
        os.kill(child, 9)
    assert status == 0, status
done.set()
caller.join()
"""
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_while_another_thread_holds_the_workspaces() -> None:
    run_script(
        """
        import os, warnings, signal; warnings.simplefilter('ignore', DeprecationWarning)
        import numpy as np, sqznet
        from sqznet.engine import cpu
        model = sqznet.load(threads=1)
        x = np.zeros((1, 3, 224, 224), np.float32)
        expected = model.logits(x)
        model.executor._lock.acquire()  # as if by threads that the child does not have
        places = [model.executor._gate.place() for _ in range(cpu.usable_cores()[0])]
        for place in places: place.enter()
        child = os.fork()
        if child == 0:
            signal.alarm(200)  # a wait without end
            os._exit(0 if (model.logits(x) == expected).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
        """
    )


def test_callers_that_find_the_pool_busy_do_their_own_work() -> None:
    """8 Python threads share one pool: none waits forever, and all get the same bits."""
    made = networks.tensors("squeezenet1_1")
    ready = networks.executor(networks.network(made), made, _kernels.best_kernels().isa, threads=2)
    x = networks.inputs(1, 2, 61, 61)
    expected = networks.run(ready, x).tobytes()
    with ThreadPoolExecutor(8) as callers:
        results = callers.map(lambda _: networks.run(ready, x).tobytes(), range(160))
        assert set(results) == {expected}


def test_the_interpreter_is_free_while_a_kernel_runs() -> None:
    """Another Python thread makes progress during one long call."""
    n = 1 if sanitizer() or EMULATED else 8
    layer = _kernels.Conv(
        _kernels.kernels_named("scalar").f32,
        _kernels.Tensor((64, 64, 3, 3)),
        _kernels.Tensor((64, 1, 1, 1)),
    )
    x, y = _kernels.Tensor((n, 66, 66, 64)), _kernels.Tensor((n, 64, 64, 64))
    scratch = _kernels.Tensor((1, 1, 1, max(1, layer.scratch(n, 66, 66, 1))), "uint8")
    pool = _kernels.ThreadPool(1)
    started, finished = threading.Event(), threading.Event()

    def call() -> None:
        started.set()
        layer(pool, x, scratch, y)
        finished.set()

    caller = threading.Thread(target=call)
    caller.start()
    started.wait()
    turns = 0
    while not finished.is_set():
        turns += 1
        finished.wait(0.001)
    caller.join()
    assert turns > 2  # if a kernel kept the lock, there would be one, at its end


def test_python_may_end_while_a_daemon_thread_is_in_a_kernel() -> None:
    """As when a photo takes longer than `sqznet` waits for it: Python must exit without a crash."""
    run_script(
        WORK
        + """
import threading

class Slow:  # keeps Python from ending until the kernel has
    def __del__(self, sleep=time.sleep):
        sleep(1.5)

slow = Slow()
started = threading.Event()

def in_kernel():
    started.set()
    work(k.ThreadPool(1), turns=3000)

threading.Thread(target=in_kernel, daemon=True).start()
started.wait()
time.sleep(0.05)
"""
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc/self/statm")
def test_memory_does_not_grow() -> None:
    """Runs of many sizes and batches, models made and dropped: resident memory stays level."""
    if sanitizer():
        pytest.skip("sanitizers delay freeing memory")
    if EMULATED:
        pytest.skip("an emulator's memory counts too: it keeps the code that it translates")
    run_script(
        """
        import ctypes, gc, os
        import sqznet

        # glibc may keep freed memory; how much depends on what lies above it.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)

        def resident():
            trim(0)
            with open("/proc/self/statm") as f:
                return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

        def once(model):
            for side in range(40, 240, 25):
                for n in (1, 3):
                    workspace = model.executor.acquire(n, side, side + 7)
                    workspace.run()
                    model.executor.release(workspace)

        model = sqznet.load(threads=2)
        for _ in range(2):
            once(model)
        other = sqznet.load(threads=2); once(other); del other; gc.collect()
        before = resident()
        for _ in range(6):
            once(model)
            other = sqznet.load(threads=2); once(other); del other; gc.collect()
        grown = resident() - before
        assert grown < 8, f"{grown:.1f} MB more after six more rounds"
        """
    )
