"""Many photos on several threads: order, errors, bounded work, and the same answers."""

from __future__ import annotations

import io
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

import sqznet
from sqznet import ImageError, SqznetError
from sqznet.batch.photos import _AHEAD, _TOGETHER, classify_files, in_order
from sqznet.images import decoding
from sqznet.images.finding import expand

from ..support.isolated import run_script
from ..support.places import EXAMPLES


@pytest.fixture(scope="module")
def model(small: Path) -> sqznet.Model:
    return sqznet.load(small, threads=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven photos and, among them, one file that is not a photo."""
    for i in range(7):
        Image.radial_gradient("L").rotate(13 * i).save(tmp_path / f"{i}.png")
    (tmp_path / "3b.png").write_text("no photo")
    return tmp_path


def test_answers_come_in_order_even_if_work_does_not() -> None:
    last_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert last_is_done.wait(30)  # a second thread does the others in the meantime
        if item == 4:
            last_is_done.set()
        return item * 10

    assert list(in_order(work, range(5), 2)) == [0, 10, 20, 30, 40]


def test_threads_work_at_the_same_time() -> None:
    barrier = threading.Barrier(3, timeout=120)
    assert len(list(in_order(lambda _: barrier.wait(), range(9), 3))) == 9


def test_only_a_few_items_are_taken_ahead() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while taken < 10_000:
            taken += 1
            yield taken

    with closing(in_order(lambda item: item, items(), 2)) as answers:
        assert [next(answers) for _ in range(100)] == list(range(1, 101))
        assert taken <= 101 + 2 * _AHEAD
    with pytest.raises(StopIteration):
        next(answers)


def test_the_caller_is_woken_for_several_answers() -> None:
    gate = threading.Event()

    def work(item: int) -> int:
        if item == 2 * _TOGETHER - 1:
            assert gate.wait(30)
        return item

    opener = threading.Timer(0.2, gate.set)
    with closing(in_order(work, range(40), 2)) as answers:
        opener.start()
        assert next(answers) == 0
        assert gate.is_set()  # it waited for the last of the first few
        assert list(answers) == list(range(1, 40))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_is_raised_in_order(threads: int) -> None:
    answers = in_order(lambda item: 6 // item, [3, 2, 0, 1], threads)
    assert [next(answers), next(answers)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(answers)


def test_no_thread_is_left_behind() -> None:
    answers = in_order(lambda item: item, range(1000), 3)
    next(answers)
    assert any(thread.name == "sqznet-photos" for thread in threading.enumerate())
    answers.close()
    assert all(thread.name != "sqznet-photos" for thread in threading.enumerate())


def test_files_get_the_answers_of_single_photos(model: sqznet.Model, folder: Path) -> None:
    results = list(model.classify_files(folder, top=3))
    assert [Path(r.path).name for r in results] == sorted(p.name for p in folder.iterdir())
    for path, predictions, error in results:
        if path.endswith("3b.png"):
            assert isinstance(error, ImageError)
            assert str(error).startswith(path)
            assert predictions == []
        else:
            assert error is None
            assert predictions == model.classify(path, top=3)


@pytest.mark.parametrize("batch", [2, 3, 100])
def test_batches_change_nothing(model: sqznet.Model, folder: Path, batch: int) -> None:
    def answers(batch: int) -> list[tuple[str, list[sqznet.Prediction], str]]:
        results = classify_files(model, expand([folder]), 4, batch=batch)
        return [(r.path, r.predictions, str(r.error)) for r in results]

    assert answers(batch) == answers(1)


def test_files_folders_and_patterns_together(model: sqznet.Model, folder: Path) -> None:
    coffee = EXAMPLES / "coffee.jpg"
    results = list(model.classify_files([coffee, f"{folder}/[01].png", folder / "none*"], top=1))
    assert [Path(r.path).name for r in results] == ["coffee.jpg", "0.png", "1.png", "none*"]
    assert results[0].predictions == model.classify(coffee, top=1)
    assert "no file matches" in str(results[3].error)
    assert list(model.classify_files([])) == []
    with pytest.raises(SqznetError, match="top"):
        model.classify_files(folder, top=0)


def test_weights_are_shared(model: sqznet.Model) -> None:
    single = model.alone()
    assert (single.threads, model.threads) == (1, 2)
    assert single.executor._layers._packed is model.executor._layers._packed  # type: ignore[attr-defined]


def test_rounded_networks_too(shared: Path, folder: Path) -> None:
    model = sqznet.load(shared / "weights" / "squeezenet1_1.qdq-int8.onnx", threads=2)
    (result,) = model.classify_files([folder / "0.png"], top=2)
    assert result.predictions == model.classify(result.path, top=2)


def test_recognizers_too(model: sqznet.Model, folder: Path) -> None:
    photos = [str(folder / f"{i}.png") for i in range(4)]
    shown = {"coffee": [EXAMPLES / "coffee.jpg"] * 2, "rings": photos[:2]}
    recognizer = sqznet.learn(shown, model=model)
    results = list(classify_files(recognizer, expand([*photos, folder / "3b.png"]), 2, batch=2))
    assert [r.predictions for r in results[:4]] == recognizer.classify(photos, top=2)
    assert "no image format" in str(results[4].error)


def test_files_are_read_at_once_unless_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    streamed = []

    def buffered(file: io.FileIO) -> io.BufferedReader:
        streamed.append(file.name)
        return io.BufferedReader(file)

    monkeypatch.setattr(decoding, "BufferedReader", buffered)
    coffee = EXAMPLES / "coffee.jpg"
    at_once = bytes(decoding.decode(coffee).data)
    assert streamed == []
    monkeypatch.setattr(decoding, "_AT_ONCE", coffee.stat().st_size - 1)
    assert bytes(decoding.decode(coffee).data) == at_once
    assert len(streamed) == 1


def test_a_photo_while_another_thread_imports_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", types.ModuleType("PIL.Image"))
    with pytest.raises(ImageError, match="not an image"):
        decoding.decode(3)


def test_many_threads_may_classify_first(small: Path) -> None:
    """All threads import Pillow at the same time."""
    run_script(
        """
        import sys
        import sqznet
        model = sqznet.load(sys.argv[1], threads=4)
        answers = [r.predictions for r in model.classify_files([sys.argv[2]] * 8, top=1)]
        assert answers == [model.classify(sys.argv[2], top=1)] * 8
        assert not {"numpy", "asyncio"} & set(sys.modules)
        """,
        str(small),
        str(EXAMPLES / "coffee.jpg"),
    )
