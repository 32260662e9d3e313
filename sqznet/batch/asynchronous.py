"""Answers for asyncio: worker threads do the work, and the event loop stays free."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqznet.forks import renewed
from sqznet.images.decoding import describe
from sqznet.images.streams import await_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor
    from typing import TypeVar

    from sqznet.answers import Pooled

    Answer = TypeVar("Answer")


class Workers:
    """The worker threads of one model; each answers for one image at a time on its own."""

    def __init__(self, model: Pooled) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self.model = model.alone()
        self.threads: ThreadPoolExecutor = ThreadPoolExecutor(model.threads, "sqznet-async")


class _AllWorkers:
    """The workers of each model, started on first use; they end with the model."""

    def __init__(self) -> None:
        renewed(self)

    def renew(self) -> None:  # a forked child has none of the threads
        self._lock = Lock()
        self._by_model: WeakKeyDictionary[Pooled, Workers] = WeakKeyDictionary()

    def of(self, model: Pooled) -> Workers:
        with self._lock:
            workers = self._by_model.get(model)
            if workers is None:
                workers = self._by_model[model] = Workers(model)
            return workers


ALL_WORKERS = _AllWorkers()


async def answered(model: Pooled, image: Any, answer: Callable[[Any, Any], Answer]) -> Answer:
    """What ``answer`` returns, called on a worker with the worker's model and the image; see
    ``Model.aclassify``."""
    from asyncio import get_running_loop
    from inspect import iscoroutinefunction

    if iscoroutinefunction(getattr(image, "read", None)):
        image = await await_all(image, describe(image))
    workers = ALL_WORKERS.of(model)
    work = partial(answer, workers.model, image)
    return await get_running_loop().run_in_executor(workers.threads, work)
