"""Puts what clients ask into batches, and runs these on the threads of the server.

All decisions are made by the event loop's thread, so there is no lock. A free thread takes its
share of what waits: under load batches form by themselves, and a single photo starts at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

#: Gives an answer, or an exception, for each of several items. The second argument says whether
#: others work at the same time, so that it does best to keep to its own thread.
Task = Callable[[Sequence[Any], bool], Sequence[Any]]


class _Job(NamedTuple):
    task: Task
    item: Any
    answer: asyncio.Future[Any]
    start: float  # the time of the loop at which it starts without others


class Batcher:
    """Runs tasks on ``threads`` threads, each on up to ``batch`` items.

    ``wait``: seconds that an item waits for a full batch while a thread is free.
    ``seen``: called with the number of items of each batch when it starts.
    """

    def __init__(
        self, threads: int, batch: int, wait: float, seen: Callable[[int], None] = lambda _: None
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, "sqznet-serve")
        # One batch more than there are threads lies ready, or a thread would wait for the loop.
        self._free = self._all = threads + 1
        self._batch, self._wait, self._seen = batch, wait, seen
        self._waiting: deque[_Job] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many items no thread has taken yet."""
        return len(self._waiting)

    def run(self, task: Task, item: Any) -> asyncio.Future[Any]:
        """The answer of ``task`` for an item; items of equal tasks may run together.

        Awaited, it raises what the task raises or gives as an answer. An item whose caller is
        canceled before it starts is left out.
        """
        loop = asyncio.get_running_loop()
        job = _Job(task, item, loop.create_future(), loop.time() + self._wait)
        self._waiting.append(job)
        self._start_batches()
        return job.answer

    def close(self) -> None:
        """Waits for the batches that have started."""
        self._pool.shutdown()

    def _start_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while self._free and self._waiting:
            first = self._waiting[0]
            if self._wait and len(self._waiting) < self._batch and loop.time() < first.start:
                if self._timer is None:
                    self._timer = loop.call_at(first.start, self._waited)
                return
            jobs = self._next_batch()
            if jobs:
                self._free -= 1
                self._seen(len(jobs))
                others = bool(self._waiting) or self._free < self._all - 1
                self._pool.submit(self._work, loop, jobs, others)

    def _waited(self) -> None:
        self._timer = None
        self._start_batches()

    def _next_batch(self) -> list[_Job]:
        """The first item, with those of its task. Of items that did not wait for a full batch, each
        free thread gets about as many."""
        share = self._batch
        if not self._wait:
            share = min(share, -(-len(self._waiting) // self._free))
        jobs: list[_Job] = []
        others: deque[_Job] = deque()
        while self._waiting and len(jobs) < share:
            job = self._waiting.popleft()
            if job.answer.done():  # its caller was canceled
                continue
            (jobs if not jobs or job.task == jobs[0].task else others).append(job)
        self._waiting.extendleft(reversed(others))
        return jobs

    def _work(self, loop: asyncio.AbstractEventLoop, jobs: Sequence[_Job], others: bool) -> None:
        """What a thread of the pool does."""
        found = answers(jobs[0].task, [job.item for job in jobs], others)
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(self._finish, jobs, found)

    def _finish(self, jobs: Sequence[_Job], found: Sequence[Any]) -> None:
        self._free += 1
        for job, answer in zip(jobs, found, strict=True):
            if job.answer.done():
                continue
            if isinstance(answer, Exception):
                job.answer.set_exception(answer)
            else:
                job.answer.set_result(answer)
        self._start_batches()


def answers(task: Task, items: Sequence[Any], others: bool) -> Sequence[Any]:
    """What ``task`` gives for these items; if it raises, each item is tried alone, so that none
    suffers from another."""
    try:
        return task(items, others)
    except Exception as error:
        if len(items) == 1:
            return [error]
        return [answer for item in items for answer in answers(task, [item], others)]
