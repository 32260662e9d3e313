"""What training sees of photos: in range, as drawn, and nothing else without strength."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sqznet.images.preprocessing import PRESETS, Preprocessing

from ..support import networks

torch = pytest.importorskip("torch", reason="training needs torch")

SIZE = (24, 32)
UNIT = Preprocessing(SIZE, "squash", mean=(0, 0, 0), std=(1, 1, 1))


def levels(count: int = 3) -> Any:
    made = [networks.photo(seed, 24, 32) for seed in range(count)]
    return torch.from_numpy(np.stack(made))


def seen(photos: Any, seed: int = 0, pre: Preprocessing = UNIT, **strength: Any) -> Any:
    """The inputs, with only this strength."""
    from sqznet.training.augmentation import Augmentation, Normalization, Strength

    none = {
        "area": (1.0, 1.0),
        "stretch": 1.0,
        "turn": 0.0,
        "brightness": 0.0,
        "contrast": 0.0,
        "saturation": 0.0,
        "flip": False,
    }
    normalization = Normalization(pre, torch.device("cpu"))
    augment = Augmentation(normalization, SIZE, Strength(**{**none, **strength}))
    return augment(photos, torch.Generator().manual_seed(seed))


def test_without_strength_photos_stay_as_they_are() -> None:
    photos = levels()
    found = seen(photos)
    assert found.shape == (3, 3, *SIZE)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(found.permute(0, 2, 3, 1), photos.float(), atol=1e-2)


@pytest.mark.parametrize("name", ["torchvision", "squash-bgr"])
@pytest.mark.parametrize("standardize", [False, True])
def test_the_input_is_normalized_as_by_the_engine(
    name: str, standardize: bool, tmp_path: Any
) -> None:
    import sqznet

    pre = PRESETS[name]._replace(size=(96, 96), resize=96, standardize=standardize)
    made = networks.tensors()
    path = networks.save(tmp_path / "net.safetensors", made)
    model = sqznet.load(path, preprocessing=pre)
    photo = networks.photo(0, 96, 96)
    from sqznet.training.augmentation import Normalization

    normalization = Normalization(pre, torch.device("cpu"))
    x = torch.from_numpy(photo)[None].permute(0, 3, 1, 2).float()
    assert np.allclose(normalization(x).numpy(), model.preprocess(photo), atol=1e-4)


def test_the_generator_decides_everything() -> None:
    photos = levels(8)
    all_of_it = {"area": (0.3, 0.9), "turn": 20.0, "brightness": 0.5, "flip": True}
    first, same, other = (seen(photos, seed, **all_of_it) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.allclose(first, other)


def test_every_other_photo_is_mirrored() -> None:
    photos = levels(1).expand(64, -1, -1, -1)
    found = seen(photos, flip=True)
    plain, mirrored = photos[0].float().permute(2, 0, 1), photos[0].flip(1).float().permute(2, 0, 1)
    kinds = [
        (torch.allclose(x, plain, atol=1e-2), torch.allclose(x, mirrored, atol=1e-2)) for x in found
    ]
    assert set(kinds) == {(True, False), (False, True)}


def test_a_part_of_a_photo_is_seen() -> None:
    ramp = torch.arange(32, dtype=torch.uint8).expand(1, 24, 32)[..., None].expand(-1, -1, -1, 3)
    found = seen(ramp.expand(50, -1, -1, -1), area=(0.25, 0.25))
    spans = found[:, 0, 0, -1] - found[:, 0, 0, 0]
    assert torch.allclose(spans, torch.full((50,), 15.5), atol=0.6)  # half of the columns
    assert found.min() >= 0
    assert found.max() <= 31
    assert len(set(found[:, 0, 0, 0].round().tolist())) > 5


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_colors_change_by_their_strength(name: str) -> None:
    photos = levels(1).expand(64, -1, -1, -1)
    found = seen(photos, **{name: 0.5})
    plain = photos[0].permute(2, 0, 1).float()
    gray = (torch.tensor((0.299, 0.587, 0.114))[:, None, None] * plain).sum(0)
    kept = {
        "brightness": lambda x: x / x.mean((1, 2), keepdim=True).mean(),
        "contrast": lambda x: (
            (x * torch.tensor((0.299, 0.587, 0.114))[:, None, None]).sum(0).mean()
        ),
        "saturation": lambda x: (x * torch.tensor((0.299, 0.587, 0.114))[:, None, None]).sum(0),
    }[name]
    assert all(torch.allclose(kept(x), kept(plain), rtol=1e-3, atol=0.1) for x in found)
    changes = {
        "brightness": found.mean((1, 2, 3)) / plain.mean(),
        "contrast": found.std((1, 2, 3)) / plain.std(),
        "saturation": (found - gray).flatten(1).norm(dim=1) / (plain - gray).norm(),
    }[name]
    assert 0.45 < changes.min() < 0.7
    assert 1.3 < changes.max() < 1.55


def test_inputs_are_mixed_by_area() -> None:
    from sqznet.training.augmentation import mixed

    x = torch.arange(4.0)[:, None, None, None].expand(4, 3, *SIZE).contiguous()
    targets = torch.eye(4)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        found, shares = mixed(x, targets, 1.0, generator)
        assert torch.allclose(shares.sum(1), torch.ones(4))
        for own, row in enumerate(found):
            values, counts = row[0].unique(return_counts=True)
            for value, count in zip(values.tolist(), counts.tolist(), strict=True):
                expected = count / (SIZE[0] * SIZE[1])
                assert shares[own, int(value)] == pytest.approx(expected, abs=1e-6)
    assert torch.equal(x[:, 0, 0, 0], torch.arange(4.0))
    assert mixed(x, targets, 0.0, generator) == (x, targets)
