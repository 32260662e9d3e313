"""Many photos: read and classified on several threads at once, answered in their order.

Every thread takes a photo all the way, from the file to its labels, alone. So all cores are busy
while some wait for the disk, and none waits for another within a photo; Pillow and the kernels
release the GIL. A few photos a thread are under way at any time, so memory does not grow.
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
from typing import Generic, NamedTuple, TypeVar

from sqznet.answers import Classifier, Prediction
from sqznet.errors import SqznetError
from sqznet.images.finding import Found, expand

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# Jobs begun ahead of the caller, a thread: enough for one slow photo among many.
_AHEAD = 4

# Answers that the caller is woken for, a thread. Woken for each, it would take a core from a thread
# in the middle of a photo each time.
_TOGETHER = 2

# Seconds that the end of the work waits for photos that are under way.
_PATIENCE = 5.0


class FileResult(NamedTuple):
    """One file's answer: its path; the predictions, best first; and the error if it gave none."""

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
    """One result a path, in their order; see ``Model.classify_files``.

    ``batch``: photos that a thread hands to the network at once; a recognizer takes them singly.
    """
    groups = _grouped(paths, batch)
    first = list(islice(groups, 2))
    if len(first) < 2:  # nothing to share out: all threads work on it together
        threads = 1
    else:
        threads = model.threads
        model = model.alone()
    work = partial(_classify_group, model, top, fast_decode)
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
    """``work(item)`` of each item, in their order, done on several threads ahead of the caller.

    What ``work`` raises is raised when its turn comes. Closing the iterator ends what is under way
    and begins nothing more. With one thread, the caller's own does the work.
    """
    if threads == 1:
        yield from map(work, items)
        return
    from queue import SimpleQueue  # a single photo has no need of it

    queue: SimpleQueue[_Job[Item, Answer] | None] = SimpleQueue()
    stopped = Event()

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
                under_way[together - 1].wait()
                for _ in range(together):
                    yield under_way.popleft().answer()
        while under_way:
            yield under_way.popleft().answer()
    finally:
        stopped.set()
        for _ in crew:
            queue.put(None)
        _wait_for(crew)


class _Job(Generic[Item, Answer]):
    """One item on its way to its answer."""

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
    """Let threads end what they do, unless they wait for a pipe or a disk that does not answer."""
    deadline = monotonic() + _PATIENCE
    for thread in crew:
        if thread.ident is not None:  # it did start
            thread.join(max(0.0, deadline - monotonic()))


def _grouped(paths: Iterable[Found], size: int) -> Iterator[list[Found]]:
    left = iter(paths)
    while group := list(islice(left, size)):
        yield group


def _classify_group(
    model: Classifier, top: int, fast_decode: bool, group: Sequence[Found]
) -> list[FileResult]:
    readable = [found.path for found in group if found.error is None]
    answers = iter(model.classify_each(readable, top, fast_decode) if readable else ())
    results = []
    for found in group:
        answer = found.error or next(answers)
        if isinstance(answer, SqznetError):
            results.append(FileResult(found.path, [], answer))
        else:
            results.append(FileResult(found.path, answer, None))
    return results
