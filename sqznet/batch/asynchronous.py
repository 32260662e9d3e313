"""Classification for asyncio: worker threads do the work, and the event loop stays free."""

from __future__ import annotations

import os
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqznet.images.decoding import describe
from sqznet.images.streams import await_all

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from sqznet.answers import Classifier, Prediction
    from sqznet.images.callers import Reading


class Workers:
    """The worker threads of one model; each classifies one image at a time on its own."""

    def __init__(self, model: Classifier) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self.model = model.alone()
        self.threads: ThreadPoolExecutor = ThreadPoolExecutor(model.threads, "sqznet-async")


_WORKERS: WeakKeyDictionary[Classifier, Workers] = WeakKeyDictionary()
_LOCK = Lock()


def _forget() -> None:
    """After a fork, the child has no worker threads, and the lock may be held forever."""
    global _WORKERS, _LOCK
    _WORKERS, _LOCK = WeakKeyDictionary(), Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def workers_of(model: Classifier) -> Workers:
    """The workers of a model, started on first use; they end with the model."""
    with _LOCK:
        workers = _WORKERS.get(model)
        if workers is None:
            workers = _WORKERS[model] = Workers(model)
        return workers


async def classify(model: Classifier, image: Any, top: int, how: Reading) -> list[Prediction]:
    """See ``Model.aclassify``."""
    from asyncio import get_running_loop
    from inspect import iscoroutinefunction

    if iscoroutinefunction(getattr(image, "read", None)):
        image = await await_all(image, describe(image))
    workers = workers_of(model)
    work = partial(workers.model.classify, [image], top, **how._asdict())
    (answer,) = await get_running_loop().run_in_executor(workers.threads, work)
    predictions: list[Prediction] = answer
    return predictions
