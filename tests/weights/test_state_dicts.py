"""Networks in files of training programs: behind prefixes, beside other things, twice, renamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.errors import WeightsError

from ..support import networks
from ..support import torch_files as files
from ..support.state_dicts import MADE, assert_reads, prefixed, saved

OTHER = networks.tensors(seed=1)


# --- The cases of public reports -----------------------------------------------------------------

CASES = (
    "01-one-output-head/age.pth",
    "02-head-without-relu/no_relu.pth",
    "06-lightning-weighted-loss/weighted.ckpt",
    "07-averaged-model/averaged.pth",
    *(f"08-other-keys/{n}.pth" for n in ("ema", "model_weights", "net", "network", "weights")),
    *(
        f"09-things-beside-the-weights/{name}.pth"
        for name in ("defaultdict", "dtype", "history", "numpy_array", "path", "rng_states")
    ),
    "10-pruning-masks/pruned.pth",
    "17-other-libraries-names/pretrainedmodels.pth",
    "17-other-libraries-names/pytorchcv_squeezenet_v1_1.pth",
    "18-heads-in-other-places/classifier0.pth",
    "19-two-copies/ema_pytorch.pt",
)


@pytest.mark.parametrize("case", CASES)
def test_files_of_public_reports_give_the_logits_of_torch(shared: Path, case: str) -> None:
    path = shared / "cases" / case
    if not path.exists():
        pytest.skip("shared/cases is not here")
    beside = path.with_suffix(".json")
    stated = json.loads((beside if beside.exists() else path.parent / "expected.json").read_text())
    height, width = stated["size"]
    x = np.random.default_rng(1).standard_normal((1, 3, height, width), dtype=np.float32)
    model = sqznet.load(path, conv10_relu=False if "no_relu" in case else None)
    np.testing.assert_allclose(model.logits(x)[0], stated["logits"], atol=1e-5)


@pytest.mark.parametrize(
    ("case", "match"),
    [
        (
            "whole_model.pth",
            r"whole model.*torchvision\.models\.squeezenet\.SqueezeNet.*state_dict",
        ),
        ("pickle_dump.pkl", r"plain pickle, as pickle\.dump writes it"),
    ],
)
def test_files_of_public_reports_that_hold_no_state_dict(
    shared: Path, case: str, match: str
) -> None:
    path = shared / "cases" / "13-other-formats" / case
    if not path.exists():
        pytest.skip("shared/cases is not here")
    with pytest.raises(WeightsError, match=match):
        weights.read(path)


# --- Where the network is ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "model.",
        "backbone.body.",
        "net.0.",
        "ema.",
    ],
)
def test_any_prefix(tmp_path: Path, prefix: str) -> None:
    content = files.network_file(prefixed(MADE, prefix))
    assert_reads(saved(tmp_path, content))


@pytest.mark.parametrize(
    "renamed",
    [
        lambda name: name.replace("features.", "features.module."),
        lambda name: name.replace("features.", "features_"),
        lambda name: name.replace(".squeeze", "._orig_mod.squeeze"),
        lambda name: name.replace("features.", "0.").replace("classifier.1", "classifier"),
        lambda name: name.replace("classifier.1", "classifier.0"),
        lambda name: name.replace("classifier.1", "last_conv"),
        lambda name: name.replace("classifier.1", "module.classifier.module.1"),
        lambda name: name.replace("classifier.1", "head.fc"),
    ],
)
def test_renamed_modules(tmp_path: Path, renamed: Callable[[str], str]) -> None:
    content = files.network_file({renamed(name): array for name, array in MADE.items()})
    if "module.classifier" in renamed("classifier.1.weight"):
        content = files.network_file(
            {f"module.{name}" if "classifier" not in name else renamed(name): array
             for name, array in MADE.items()}
        )  # fmt: skip
    assert_reads(saved(tmp_path, content))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"net": state},
        lambda state: {"a": {"b": {"c": [0, {"d": state}]}}, "epoch": 3},
        lambda state: [state, 7],
        lambda state: (1, (state,)),
        lambda state: {0: {7: state}},
        lambda state: {"best": state, "again": state},
        lambda state: {"features": {name[9:]: value for name, value in state.items()
                                    if name.startswith("features.")},
                       "classifier": {name[11:]: value for name, value in state.items()
                                      if name.startswith("classifier.")}},
    ],
)  # fmt: skip
def test_any_nesting(tmp_path: Path, wrap: Callable[[Any], Any]) -> None:
    assert_reads(saved(tmp_path, files.network_file(MADE, wrap)))


def test_a_kind_of_dictionary(tmp_path: Path) -> None:
    made = files.name("addict", "Dict").opcodes + b")\x81"

    def wrap(state: dict[str, Any]) -> files.Raw:
        return files.Raw(made + files.opcodes(state).removeprefix(b"}"))

    assert_reads(saved(tmp_path, files.network_file(MADE, wrap)))


def test_the_trunk_alone(tmp_path: Path) -> None:
    trunk = {name: array for name, array in MADE.items() if name.startswith("features.")}
    content = files.network_file({name[9:]: array for name, array in trunk.items()})
    model = sqznet.load(saved(tmp_path, content))
    assert model.num_classes == 0


# --- What is beside it ---------------------------------------------------------------------------


def test_what_is_left_out_is_named_in_one_line(tmp_path: Path) -> None:
    made = {**prefixed(MADE, "model."), "loss.weight": np.ones(7, np.float32)}
    momentum = files.tensor("FloatStorage", "0", 6 * 27, (6, 27))

    def wrap(state: dict[str, Any]) -> Any:
        optimizer = {"state": {0: {"step": 7, "exp_avg": momentum}}, "param_groups": [{"lr": 1}]}
        return {"epoch": 3, "state_dict": state, "optimizer": optimizer, "history": [1, 2]}

    found = assert_reads(saved(tmp_path, files.network_file(made, wrap)))
    (note,) = found.warnings
    assert note == ("left out what is not the network: epoch, state_dict.loss, optimizer, history")


def test_many_things_left_out_are_counted(tmp_path: Path) -> None:
    content = files.network_file(MADE, lambda state: {**{f"x{i}": i for i in range(9)}, "m": state})
    (note,) = assert_reads(saved(tmp_path, content)).warnings
    assert note.endswith("x0, x1, x2, x3 and 5 more")


@pytest.mark.parametrize(
    "beside",
    [
        files.call("numpy.core.multiarray", "_reconstruct", 1, (0,), "b"),
        files.call("pathlib", "PosixPath", "/", "data"),
        files.name("torch", "float32"),
        files.call("torch", "device", "cuda", 0),
        files.call("collections", "defaultdict", files.name("builtins", "list")),
        files.call("datetime", "datetime", "x"),
        files.Raw(files.name("my.module", "Options").opcodes + b")\x81}X\1\0\0\0aK\1sb"),
        files.Raw(b"\x8f(K\1K\2\x90"),
        files.Raw(b"(K\1\x91"),
        files.Raw(b"}(K\1K\2\x86NNNu"),  # keys of any kind
        files.Raw(b"\x8b\4\0\0\0\1\2\3\4"),
        files.Raw(b"C\3\xff\xfe\xfd"),
        files.Raw(b"\x8e\3\0\0\0\0\0\0\0\xff\xfe\xfd"),
        files.Raw(b"\x96\3\0\0\0\0\0\0\0\xff\xfe\xfd"),
        files.Raw(b"U\3\xff\xfe\xfd"),  # a str of Python 2
        files.Raw(b"X\3\0\0\0\xed\xa0\x80"),  # half of a surrogate pair
        files.Raw(b"I42\nI01\nL7L\nF1.5\nS'text'\nVtext\n" + b"000000" + b"N"),
        files.Raw(b"(lp900\n0g900\n"),
        files.Raw(b"(icollections\nChainMap\n"),
        files.Raw(b"(ccollections\nChainMap\nK\1o"),
        files.Raw(files.name("a", "b").opcodes + b"}}\x92"),
        files.call("torch._utils", "_rebuild_qtensor", 1, 2, 3),
        files.call("torch._utils", "_rebuild_tensor_v3", 1, 2, 3),
        files.tensor("ComplexFloatStorage", "0", 81, (81,)),
        files.tensor("QInt8Storage", "0", 648, (648,)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("legacy", [False, True])
def test_anything_may_be_beside_the_weights(
    tmp_path: Path, beside: files.Raw, legacy: bool
) -> None:
    if legacy and b"Storage" in beside.opcodes:
        pytest.skip("in this format a storage has one type")
    state, storages = files.parts(files.specs(MADE), legacy=legacy)
    make = files.legacy_file if legacy else files.zip_file
    assert_reads(saved(tmp_path, make({"beside": beside, "model": state}, storages)))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (files.call("numpy", "ndarray", 1), r"numpy\.ndarray, expected a tensor"),
        (files.call("torch._utils", "_rebuild_qtensor", 1), r"torch\._utils\._rebuild_qtensor"),
        (7, "is 7, expected a tensor"),
        (files.tensor("LongStorage", "0", 81, (1, 81)), "has element type int64, expected one of"),
    ],
)
def test_something_else_in_place_of_a_weight(tmp_path: Path, value: Any, found: str) -> None:
    state, storages = files.parts(files.specs(MADE))
    state["features.4.squeeze.weight"] = value
    path = saved(tmp_path, files.zip_file({"net": state}, storages))
    with pytest.raises(WeightsError, match=rf"'net\.features\.4\.squeeze\.weight' .*{found}"):
        weights.read(path)


@pytest.mark.parametrize("function", ["_rebuild_from_type_v2", "_rebuild_from_type"])
def test_tensors_with_a_class_of_their_own(tmp_path: Path, function: str) -> None:
    state, storages = files.parts(files.specs(MADE))
    name = "features.4.squeeze.weight"
    module, rebuild = b"torch._utils", b"_rebuild_tensor_v2"
    plain = state[name].opcodes.removesuffix(b"R").removeprefix(b"c%b\n%b\n" % (module, rebuild))
    arguments = files.Raw(plain)
    wrapped = files.name(module.decode(), rebuild.decode())
    state[name] = files.call(
        "torch._tensor", function, wrapped, files.name("a", "B"), arguments, {}
    )
    assert_reads(saved(tmp_path, files.zip_file(state, storages)))


# --- Several copies ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "averaged",
    ["ema_model", "model_ema", "averaged_model", "module.shadow", "swa", "state_dict_ema"],
)
def test_the_averaged_copy_is_taken(
    tmp_path: Path, averaged: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = {**prefixed(OTHER, "online_model."), **prefixed(MADE, f"{averaged}.")}
    path = saved(tmp_path, files.network_file(made))
    choice = assert_reads(path).choice
    assert choice == (
        f"took the averaged weights at '{averaged}', not those at 'online_model'; "
        "prefix= names others"
    )
    assert sqznet.identify(path).warnings[0] == choice
    sqznet.load(path)
    assert [record.getMessage() for record in caplog.records] == [f"{path}: {choice}"]
    assert_reads(path, OTHER, prefix="online_model")
    assert_reads(path, OTHER, prefix="online_model.")
    assert_reads(path, MADE, prefix=averaged)
    assert sqznet.load(path, prefix="online_model").num_classes == 7
    assert len(caplog.records) == 1


def test_copies_that_cannot_be_told_apart(tmp_path: Path) -> None:
    made = {**prefixed(MADE, "teacher."), **prefixed(OTHER, "student.")}
    path = saved(tmp_path, files.network_file(made))
    match = "holds 2 networks, at 'teacher', 'student'; name the one to take with prefix="
    with pytest.raises(WeightsError, match=match):
        weights.read(path)
    assert_reads(path, OTHER, prefix="student")
    with pytest.raises(
        WeightsError, match="no SqueezeNet at 'nobody', but at 'teacher', 'student'"
    ):
        weights.read(path, "nobody")


def test_a_copy_that_is_not_whole_does_not_count(tmp_path: Path) -> None:
    part = {name: array for name, array in OTHER.items() if "features.12" not in name}
    made = {**prefixed(part, "ema."), **prefixed(MADE, "model.")}
    assert_reads(saved(tmp_path, files.network_file(made)))


def test_a_prefix_in_other_formats(tmp_path: Path) -> None:
    made = {**prefixed(MADE, "a."), **prefixed(OTHER, "b.")}
    assert_reads(networks.save(tmp_path / "two.safetensors", made), OTHER, prefix="b")
    np.savez(tmp_path / "two.npz", **made)
    assert_reads(tmp_path / "two.npz", OTHER, prefix="b")
    sqznet.convert(networks.save(tmp_path / "one.safetensors", MADE), tmp_path / "one.onnx")
    with pytest.raises(WeightsError, match="onnx, which holds one network"):
        weights.read(tmp_path / "one.onnx", "b")
