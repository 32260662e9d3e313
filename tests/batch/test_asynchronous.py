"""`await model.aclassify(...)`: the loop stays free, work is bounded, tasks can be canceled."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import sqznet
from sqznet.batch import asynchronous

from ..support.forked import in_child
from ..support.places import COFFEE


@pytest.fixture(scope="module")
def model(small: Path) -> sqznet.Model:
    return sqznet.load(small, threads=2)


class SlowFile(io.BytesIO):
    """A photo that is delivered only when it is released."""

    lock = threading.Lock()
    reading = 0
    most = 0

    def __init__(self, go: threading.Event) -> None:
        super().__init__(COFFEE.read_bytes())
        self.go = go
        self.begun = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        if not self.begun.is_set():
            with self.lock:
                SlowFile.reading += 1
                SlowFile.most = max(SlowFile.most, SlowFile.reading)
            self.begun.set()
            assert self.go.wait(30)
            with self.lock:
                SlowFile.reading -= 1
        return super().read(size)


async def begun(file: SlowFile) -> None:
    while not file.begun.is_set():
        await asyncio.sleep(0.001)


def test_it_gives_the_answers_of_classify(model: sqznet.Model) -> None:
    async def main() -> list[Any]:
        return await asyncio.gather(*(model.aclassify(COFFEE, top=3) for _ in range(20)))

    assert asyncio.run(main()) == [model.classify(COFFEE, top=3)] * 20


def test_errors_are_those_of_classify(model: sqznet.Model, tmp_path: Path) -> None:
    with pytest.raises(sqznet.ImageError, match="no such file"):
        asyncio.run(model.aclassify(tmp_path / "none.jpg"))
    with pytest.raises(sqznet.SqznetError, match="top"):
        asyncio.run(model.aclassify(COFFEE, top=0))


def test_the_loop_keeps_running(model: sqznet.Model) -> None:
    async def main() -> list[sqznet.Prediction]:
        file = SlowFile(threading.Event())
        task = asyncio.create_task(model.aclassify(file, top=1))
        await begun(file)  # the loop runs while a thread waits for the photo
        assert not task.done()
        file.go.set()
        return await task

    assert asyncio.run(main()) == model.classify(COFFEE, top=1)


def test_many_tasks_share_a_few_threads(model: sqznet.Model) -> None:
    expected = model.classify(COFFEE, top=1)

    async def main() -> None:
        SlowFile.most = 0
        files = [SlowFile(threading.Event()) for _ in range(30)]
        tasks = [asyncio.create_task(model.aclassify(file, top=1)) for file in files]
        await begun(files[0])
        await begun(files[1])
        for file in files:
            file.go.set()
        answers = await asyncio.gather(*tasks)
        assert answers == [expected] * 30

    asyncio.run(main())
    assert SlowFile.most == 2


def test_a_canceled_waiting_task_is_never_started(model: sqznet.Model) -> None:
    async def main() -> None:
        go = threading.Event()
        files = [SlowFile(go) for _ in range(3)]
        tasks = [asyncio.create_task(model.aclassify(file, top=1)) for file in files]
        await begun(files[0])
        await begun(files[1])
        tasks[0].cancel()  # running: its answer is dropped
        tasks[2].cancel()  # still waiting
        while not (tasks[0].done() and tasks[2].done()):
            await asyncio.sleep(0)
        go.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(d, asyncio.CancelledError) for d in done] == [True, False, True]
        await model.aclassify(COFFEE)
        assert not files[2].begun.is_set()

    asyncio.run(main())


def test_the_threads_end_with_their_model(small: Path) -> None:
    model = sqznet.load(small, threads=1)
    asyncio.run(model.aclassify(COFFEE))
    threads = list(asynchronous.ALL_WORKERS.of(model).threads._threads)
    assert threads[0].is_alive()
    del model
    gc.collect()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking with running threads
def test_a_forked_child_has_its_own_threads(model: sqznet.Model) -> None:
    expected = asyncio.run(model.aclassify(COFFEE))
    assert in_child(lambda: asyncio.run(model.aclassify(COFFEE)) == expected)
