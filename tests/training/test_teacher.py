"""Teachers answer as the programs that run them otherwise do, and students come to answer alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet.images.preprocessing import PRESETS

from ..support import networks

torch = pytest.importorskip("torch", reason="training needs torch")

SIZE = (12, 16)
UNIT = PRESETS["torchvision"]._replace(mean=(0, 0, 0), std=(255, 255, 255), size=SIZE, resize=None)
CLASSES = 5

Array = Any


def photo(count: int = 3, size: tuple[int, int] = SIZE) -> Any:
    """Gray levels, float32 (N, 3, H, W)."""
    made = np.stack([networks.photo(seed, *size) for seed in range(count)])
    return torch.from_numpy(made).permute(0, 3, 1, 2).float()


def weights() -> Array:
    return np.random.default_rng(0).normal(0, 3, (3, CLASSES)).astype(np.float32)


def graph(
    path: Path,
    shape: Sequence[int | str] = ("N", 3, *SIZE),
    kind: str = "float32",
    ends: str = "",
    inputs: int = 1,
) -> Path:
    """A classifier in ONNX: the mean color of a photo, times a matrix; ``ends``: "Softmax", "Sqrt",
    which gives NaN, or "one", a single number."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    types = {name: onnx.helper.np_dtype_to_tensor_dtype(np.dtype(name)) for name in (kind,)}
    make, last = onnx.helper.make_node, shape[-1] == 3
    matrix = weights()[:, :1] if ends == "one" else weights()
    nodes = [
        make("Cast", ["photo"], ["x"], to=onnx.TensorProto.FLOAT),
        make("ReduceMean", ["x"], ["mean"], axes=[1, 2] if last else [2, 3], keepdims=0),
        make("MatMul", ["mean", "matrix"], ["logits"]),
        make(ends if ends in ("Softmax", "Sqrt") else "Identity", ["logits"], ["y"]),
    ]
    values = [
        onnx.helper.make_tensor_value_info(name, types[kind], shape)
        for name in ("photo", "other")[:inputs]
    ]
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    constant = onnx.numpy_helper.from_array(matrix, "matrix")
    made = onnx.helper.make_graph(nodes, "graph", values, [output], [constant])
    opset = [onnx.helper.make_opsetid("", 13)]
    onnx.save(onnx.helper.make_model(made, opset_imports=opset, ir_version=8), path)
    return path


def expected(levels: Any, divisor: float = 255.0) -> Any:
    """The probabilities of such a graph."""
    return torch.softmax(levels.mean((2, 3)) / divisor @ torch.from_numpy(weights()), 1)


# --- Teachers ------------------------------------------------------------------------------------


def test_a_squeezenet_teaches_its_own_probabilities(small: Path) -> None:
    from sqznet.training.teacher import teacher_named

    model = sqznet.load(small)
    teacher = teacher_named(small)
    assert (teacher.labels, teacher.classes) == (tuple(model.labels), 7)
    levels = photo(2, (96, 96))
    arrays = [x.permute(1, 2, 0).numpy().astype(np.uint8) for x in levels]
    pre = model.preprocessing._replace(resize=(96, 96))
    whole = sqznet.load(small, preprocessing=pre)
    logits = np.concatenate([whole.logits(whole.preprocess(array)) for array in arrays])
    wanted = torch.softmax(torch.from_numpy(logits), 1)
    assert torch.allclose(teacher(levels), wanted, atol=1e-5)
    larger = teacher(torch.nn.functional.interpolate(levels, (192, 192), mode="bilinear"))
    assert torch.allclose(larger, wanted, atol=0.02)


@pytest.mark.parametrize(
    ("shape", "kind", "ends"),
    [
        (("N", 3, *SIZE), "float32", ""),
        (("N", 3, *SIZE), "float32", "Softmax"),
        (("N", *SIZE, 3), "float32", ""),
        ((2, 3, *SIZE), "float32", ""),
        ((1, *SIZE, 3), "float32", "Softmax"),
        (("N", 3, "H", "W"), "float32", ""),
        (("N", 3, *SIZE), "float16", ""),
    ],
)
def test_a_classifier_in_onnx_teaches(
    tmp_path: Path, shape: Sequence[int | str], kind: str, ends: str
) -> None:
    from sqznet.training.teacher import teacher_named

    teacher = teacher_named(graph(tmp_path / "t.onnx", shape, kind, ends), UNIT)
    assert (teacher.labels, teacher.classes) == (None, CLASSES)
    levels = photo()
    assert torch.allclose(teacher(levels), expected(levels), atol=2e-3)


def test_bytes_are_gray_levels(tmp_path: Path) -> None:
    from sqznet.training.teacher import teacher_named

    teacher = teacher_named(graph(tmp_path / "t.onnx", ("N", *SIZE, 3), "uint8"))
    levels = photo()
    assert torch.allclose(teacher(levels), expected(levels, 1.0), atol=1e-5)


def test_photos_get_the_size_and_the_levels_that_the_graph_wants(tmp_path: Path) -> None:
    from sqznet.training.teacher import teacher_named

    path = graph(tmp_path / "t.onnx")
    smooth = photo(3, (6, 8)).repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.allclose(teacher_named(path, UNIT)(smooth), expected(smooth), atol=1e-4)
    bgr = UNIT._replace(channel_order="bgr")
    assert torch.allclose(teacher_named(path, bgr)(smooth), expected(smooth.flip(1)), atol=1e-4)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"inputs": 2}, r"t\.onnx: a teacher reads one photo, .* reads photo: tensor\(float\)"),
        ({"shape": ("N", "C", *SIZE)}, r"t\.onnx: a teacher reads one photo"),
        ({"kind": "int32"}, r"t\.onnx: a teacher reads one photo"),
        ({"ends": "one"}, r"t\.onnx: its first output has the shape \(1, 1\); expected a number"),
        ({"ends": "Sqrt"}, r"t\.onnx: its output has NaN or infinities"),
    ],
)
def test_other_graphs_are_refused(tmp_path: Path, made: dict[str, Any], message: str) -> None:
    from sqznet.training.teacher import teacher_named

    with pytest.raises(sqznet.SqznetError, match=message):
        teacher_named(graph(tmp_path / "t.onnx", **made), UNIT)


def test_files_that_are_no_networks_are_refused(tmp_path: Path) -> None:
    from sqznet.training.teacher import teacher_named

    with pytest.raises(sqznet.SqznetError, match=r"none\.onnx"):
        teacher_named(tmp_path / "none.onnx")
    path = graph(tmp_path / "t.onnx")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(sqznet.SqznetError, match=r"t\.onnx: onnxruntime refuses it: .*[Ll]oad"):
        teacher_named(path)


def test_a_teacher_gives_each_photo_to_one_class(tmp_path: Path) -> None:
    from sqznet.network.variants import Wiring
    from sqznet.training.teacher import teacher_named
    from sqznet.weights import metadata

    stated = metadata.dump("squeezenet1_1", PRESETS["keras"], None, Wiring(activation="sigmoid"))
    path = networks.save(tmp_path / "net.safetensors", networks.tensors(), stated)
    with pytest.raises(sqznet.SqznetError, match="its activation is 'sigmoid'; a teacher gives"):
        teacher_named(path)


# --- Students ------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 20 photos, and one file that is damaged."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for number in range(20):
        place = folder / ("more" if number % 2 else "")
        Image.fromarray(networks.photo(number)).save(place / f"{number}.png")
    (folder / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


@pytest.mark.usefixtures("draws_text")
def test_a_student_learns_what_its_teacher_says(tmp_path: Path, small: Path, photos: Path) -> None:
    teacher = graph(tmp_path / "teacher.onnx")
    said: list[str] = []
    records: list[dict[str, float]] = []
    (tmp_path / "names.txt").write_text("a\nb\nc\nd\ne\n")
    done = sqznet.train(
        photos,
        tmp_path / "student.safetensors",
        from_=small,
        epochs=6,
        device="cpu",
        teacher=teacher,
        teacher_preprocessing=UNIT,
        labels=tmp_path / "names.txt",
        report=lambda line: said.append(str(line)),
        progress=lambda progress: records.append(dict(progress.measures)),
    )
    assert done.labels == tuple("abcde")
    assert done.photos + done.validated == 20
    assert any("damaged.png" in line for line in said)
    losses = [record["loss"] for record in records if record]
    assert losses[-1] < losses[0]
    model = sqznet.load(done.path)
    assert model.labels == tuple("abcde")
    assert "teacher.onnx" in str(model.checkpoint.metadata["training"])


def test_what_a_teacher_needs_is_said(tmp_path: Path, small: Path, photos: Path) -> None:
    output = tmp_path / "student.safetensors"

    def message(**given: Any) -> str:
        with pytest.raises(sqznet.SqznetError) as caught:
            sqznet.train(given.pop("folder", photos), output, **given)
        assert not output.exists()
        return str(caught.value)

    assert "there is none" in message(labels=["a"])
    assert "has 7 classes, but there are 1 labels" in message(teacher=small, labels=["a"])
    (tmp_path / "empty").mkdir()
    assert "expected photos" in message(teacher=small, folder=tmp_path / "empty", report=str)
    one = [photos / "0.png"]
    assert "one photo alone" in message(teacher=small, folder=one)
    assert "val is 2" in message(teacher=small, val=2)
    assert "expected a folder or paths" in message(teacher=small, folder={"a": one})


def test_a_student_with_its_teachers_classes_keeps_its_head(small: Path) -> None:
    """Then nothing is left to learn: loss and answers are the teacher's own."""
    from sqznet.training.classification import Examples
    from sqznet.training.distillation import Distillation, answers
    from sqznet.training.start import start_from
    from sqznet.training.teacher import teacher_named
    from sqznet.training.twin import twin_of

    teacher = teacher_named(small)
    assert teacher.labels is not None
    start = start_from(small, teacher.labels)
    assert start.new == ()
    twin = twin_of(start.design.network, start.weights)
    levels = photo(4, (96, 96)).permute(0, 2, 3, 1).byte()
    judged = Examples(levels, answers(teacher, levels, lambda done: None))
    task = Distillation(twin, levels, judged, teacher, start.design.preprocessing, 0)
    with torch.no_grad():
        assert task.validate(twin).values["accuracy"] == 1
        for x, targets in task.views(torch.Generator().manual_seed(0)):
            assert torch.allclose(torch.softmax(twin(x)["logits"], 1), targets, atol=1e-4)
