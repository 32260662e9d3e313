"""Reads many photos on several threads and returns what a model makes of them in order.

Each photo is processed by one thread, from the file to the labels. So all cores are busy while some
threads wait for the disk, and no thread waits for another one within a photo. Pillow and the
kernels release the GIL. Only a few photos per thread are in progress, so memory does not grow.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain, islice
from threading import Event, Thread
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar

from sqznet.answers import Classifier, Pooled, Prediction
from sqznet.errors import SqznetError
from sqznet.images.callers import grouped
from sqznet.images.finding import Found, expand

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# Jobs per thread that run ahead of the caller: enough for one slow photo among many.
_AHEAD = 4

# Results per thread that wake the caller together. Waking it for each result would take a core from
# a thread in the middle of a photo every time.
_TOGETHER = 2

# Seconds to wait for photos in progress when the work ends.
_PATIENCE = 5.0


class FileResult(NamedTuple):
    """The result for one file: its path; the predictions, best first; the error if it failed."""

    path: str
    predictions: list[Prediction]
    error: SqznetError | None


def classify_files(
    model: Classifier,
    paths: Iterable[Found],
    top: int,
    fast_decode: bool = False,
    batch: int = 1,
) -> Generator[FileResult, None, None]:
    """Yields a result for each path, in order; see ``Model.classify_files``.

    ``batch``: how many photos a thread passes to the network at once; a recognizer ignores it.
    """

    def predictions(
        model: Classifier, images: Sequence[Any]
    ) -> Sequence[list[Prediction] | SqznetError]:
        return model.classify_each(images, top, fast_decode)

    with closing(answered(model, paths, predictions, batch)) as found:
        for path, answer in found:
            failed = isinstance(answer, SqznetError)
            yield FileResult(path, *(([], answer) if failed else (answer, None)))


def answered(
    model: Pooled,
    paths: Iterable[Found],
    answer: Callable[[Any, Sequence[Any]], Sequence[Answer | SqznetError]],
    batch: int = 1,
) -> Generator[tuple[str, Answer | SqznetError], None, None]:
    """Yields each path, in order, with what the model makes of the file there, or its error.

    ``answer``: called with the model, or one like it for a thread, and up to ``batch`` images.
    """
    groups = grouped(paths, batch)
    first = list(islice(groups, 2))
    if len(first) < 2:  # a single group: all threads work on it together
        threads = 1
    else:
        threads = model.threads
        model = model.alone()
    work = partial(_of_a_group, partial(answer, model))
    with closing(in_order(work, chain(first, groups), threads)) as answers:
        for results in answers:
            yield from results


def find_and_classify(
    model: Classifier,
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    top: int,
    fast_decode: bool,
) -> Iterator[FileResult]:
    """The same for files, folders and patterns."""
    named = [paths] if isinstance(paths, str | os.PathLike) else paths
    return classify_files(model, expand(named), top, fast_decode)


def in_order(
    work: Callable[[Item], Answer], items: Iterable[Item], threads: int
) -> Generator[Answer, None, None]:
    """Yields ``work(item)`` for each item, in order; several threads work ahead of the caller.

    An exception of ``work`` is raised in the place of its result. Closing the iterator waits for
    jobs in progress and starts no more. With one thread, the calling thread does the work.
    """
    if threads == 1:
        yield from map(work, items)
        return
    from queue import SimpleQueue  # not needed for a single photo

    queue: SimpleQueue[_Job[Item, Answer] | None] = SimpleQueue()
    stopped = Event()
    process = os.getpid()

    def require_same_process() -> None:  # a forked child has no threads to wait for
        if os.getpid() != process:
            raise SqznetError(
                "these photos are read by the process that this one was forked from: "
                "start again in each process"
            )

    def serve() -> None:
        while (job := queue.get()) is not None:
            if not stopped.is_set():
                job.run(work)

    crew: list[Thread] = []
    under_way: deque[_Job[Item, Answer]] = deque()
    try:
        for item in items:
            if len(crew) < threads:
                crew.append(Thread(target=serve, name="sqznet-photos", daemon=True))
                crew[-1].start()
            under_way.append(_Job(item))
            queue.put(under_way[-1])
            if len(under_way) > _AHEAD * threads:
                together = _TOGETHER * threads
                require_same_process()
                under_way[together - 1].wait()
                for _ in range(together):
                    yield under_way.popleft().answer()
        while under_way:
            require_same_process()
            yield under_way.popleft().answer()
    finally:
        stopped.set()
        for _ in crew:
            queue.put(None)
        _wait_for(crew)


class _Job(Generic[Item, Answer]):
    """One item and its result or exception."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._done = Event()
        self._answer: list[Answer] = []
        self._error: BaseException | None = None

    def run(self, work: Callable[[Item], Answer]) -> None:
        try:
            self._answer.append(work(self._item))
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    def wait(self) -> None:
        self._done.wait()

    def answer(self) -> Answer:
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._answer[0]


def _wait_for(crew: Iterable[Thread]) -> None:
    """Waits for the threads to finish, but not forever: a pipe or disk may not respond."""
    deadline = monotonic() + _PATIENCE
    for thread in crew:
        if thread.ident is not None:  # it was started
            thread.join(max(0.0, deadline - monotonic()))


def _of_a_group(
    answer: Callable[[Sequence[Any]], Sequence[Answer | SqznetError]], group: Sequence[Found]
) -> list[tuple[str, Answer | SqznetError]]:
    readable = [found.image for found in group if found.error is None]
    answers = iter(answer(readable) if readable else ())
    return [(found.path, found.error or next(answers)) for found in group]
