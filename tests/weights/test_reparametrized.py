"""Weights that are stored pruned, or divided by their norm, in the old way and in the new one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sqznet import weights
from sqznet.errors import WeightsError

from ..support import networks
from ..support import torch_files as files

Array = Any

MADE = networks.tensors()
NAME = "features.4.expand3x3.weight"
RNG = np.random.default_rng(2)


def read(folder: Path, stored: Mapping[str, Array]) -> Array:
    """The weight NAME from a file that has these tensors in its place."""
    made = {**{name: array for name, array in MADE.items() if name != NAME}, **stored}
    path = folder / "weights.pth"
    path.write_bytes(files.network_file(made))
    tensor = weights.read(path).tensors[NAME]
    assert tensor.dtype == "float32"
    return np.frombuffer(tensor.data, "<f4").reshape(tensor.shape)


WEIGHT = MADE[NAME]
MASK = (RNG.random(WEIGHT.shape) < 0.5).astype(np.float32)


@pytest.mark.parametrize(
    "names",
    [
        (f"{NAME}_orig", f"{NAME}_mask"),
        (NAME, f"{NAME}_mask"),
        (
            "features.4.expand3x3.parametrizations.weight.original",
            "features.4.expand3x3.parametrizations.weight.0.mask",
        ),
    ],
)
def test_pruned(tmp_path: Path, names: tuple[str, str]) -> None:
    found = read(tmp_path, dict(zip(names, (WEIGHT, MASK), strict=True)))
    np.testing.assert_array_equal(found, WEIGHT * MASK)


@pytest.mark.parametrize(("storage", "code"), [("BoolStorage", "?"), ("LongStorage", "q")])
def test_a_mask_of_integers(tmp_path: Path, storage: str, code: str) -> None:
    made = {name: array for name, array in MADE.items() if name != NAME} | {f"{NAME}_orig": WEIGHT}
    state, storages = files.parts(files.specs(made))
    mask = MASK.astype(code)
    state[f"{NAME}_mask"] = files.tensor(storage, "mask", mask.size, mask.shape)
    storages["mask"] = (mask.size, mask.tobytes())
    path = tmp_path / "weights.pth"
    path.write_bytes(files.zip_file(state, storages))
    found = np.frombuffer(weights.read(path).tensors[NAME].data, "<f4").reshape(WEIGHT.shape)
    np.testing.assert_array_equal(found, WEIGHT * MASK)


@pytest.mark.parametrize(
    ("g_name", "v_name"),
    [
        (f"{NAME}_g", f"{NAME}_v"),
        (
            "features.4.expand3x3.parametrizations.weight.original0",
            "features.4.expand3x3.parametrizations.weight.original1",
        ),
    ],
)
@pytest.mark.parametrize("axes", [(1, 2, 3), (0, 2, 3), (0, 1, 2, 3)])
def test_weight_norm(tmp_path: Path, g_name: str, v_name: str, axes: tuple[int, ...]) -> None:
    """v may be any multiple of the weight, and g its norm; torch's `dim` is the axis that stays."""
    norm = np.sqrt((WEIGHT.astype(np.float64) ** 2).sum(axes, keepdims=len(axes) < 4))
    found = read(tmp_path, {g_name: norm.astype(np.float32), v_name: WEIGHT * np.float32(3)})
    np.testing.assert_allclose(found, WEIGHT, rtol=1e-5)


@pytest.mark.parametrize(
    "names",
    [
        (f"{NAME}_orig", f"{NAME}_u", f"{NAME}_v"),
        tuple(
            f"features.4.expand3x3.parametrizations.weight.{name}"
            for name in ("original", "0._u", "0._v")
        ),
    ],
)
def test_spectral_norm(tmp_path: Path, names: tuple[str, ...]) -> None:
    u, _, v = np.linalg.svd(WEIGHT.reshape(len(WEIGHT), -1))
    stored = (WEIGHT * np.float32(5), u[:, 0], v[0])
    found = read(tmp_path, dict(zip(names, stored, strict=True)))
    largest = np.linalg.svd(found.reshape(len(found), -1), compute_uv=False)[0]
    assert largest == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(found / found.max(), WEIGHT / WEIGHT.max(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("stored", "match"),
    [
        ({f"{NAME}_orig": WEIGHT}, "is stored as '.*weight_orig' alone, expected"),
        ({f"{NAME}_g": WEIGHT[:, :1, :1, :1]}, "is stored as '.*weight_g' alone"),
        (
            {f"{NAME}_orig": WEIGHT, f"{NAME}_mask": MASK[:1]},
            r"shapes that do not fit: '.*weight_mask' \(1, .*'.*weight_orig' \(5, ",
        ),
        ({f"{NAME}_g": WEIGHT, f"{NAME}_v": WEIGHT}, "shapes that do not fit"),
        (
            {f"{NAME}_orig": WEIGHT, f"{NAME}_u": MASK[0, 0, 0], f"{NAME}_v": MASK[0, 0, 0]},
            "shapes that do not fit",
        ),
    ],
)
def test_parts_that_do_not_go_together(
    tmp_path: Path, stored: Mapping[str, Array], match: str
) -> None:
    with pytest.raises(WeightsError, match=rf"features\.4\.expand3x3\.weight.*{match}"):
        read(tmp_path, stored)


def test_a_division_by_zero_is_no_weight(tmp_path: Path) -> None:
    import sqznet

    read(tmp_path, {f"{NAME}_g": WEIGHT[:, :1, :1, :1], f"{NAME}_v": WEIGHT * 0})
    with pytest.raises(WeightsError, match="not finite"):
        sqznet.load(tmp_path / "weights.pth")
