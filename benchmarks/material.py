"""The weights and photos for all engines."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.engines.base import read_with_pillow
from benchmarks.network import Array, Conv, layers

ROOT = Path(__file__).resolve().parents[1]
BUNDLED = ROOT / "sqznet" / "data" / "squeezenet1_1.safetensors"
SHARED = Path(os.environ.get("SQZNET_SHARED", ROOT.parent / "shared"))


class MissingError(Exception):
    """Something that the case needs is missing on this machine; the message says what."""


def load_weights(variant: str, path: Path | None = None) -> dict[str, Array]:
    """float32 weights under torchvision's names, OIHW; from `path` or the usual place.

    1.1 is the checkpoint bundled with sqznet (float16, widened here once so that every engine gets
    the same float32 numbers); 1.0 is not bundled and is looked for in the shared folder.
    """
    try:
        from sqznet.weights import bundled, read
    except ImportError as error:
        raise MissingError(f"sqznet is not installed ({error})") from error
    if path is None and variant == "1.0":
        path = SHARED / "weights" / "squeezenet1_0.pth"
    if path is not None and not path.is_file():
        raise MissingError(f"no weights for SqueezeNet {variant}: {path} is absent")
    checkpoint = bundled() if path is None else read(path)
    return {
        name: np.frombuffer(raw.data, _dtype(raw.dtype)).reshape(raw.shape).astype(np.float32)
        for name, raw in ((name, stored.floats()) for name, stored in checkpoint.tensors.items())
    }


def made_up_weights(variant: str) -> dict[str, Array]:
    """Random weights that leave about half of what a layer reads zero, as real ones do."""
    rng = np.random.default_rng(0)
    weights: dict[str, Array] = {}
    for layer in layers(variant):
        if isinstance(layer, Conv):
            shape = (layer.outputs, layer.inputs, layer.kernel, layer.kernel)
            scale = np.sqrt(2 / (layer.inputs * layer.kernel**2))
            weights[f"{layer.key}.weight"] = rng.normal(0, scale, shape).astype(np.float32)
            weights[f"{layer.key}.bias"] = np.zeros(layer.outputs, np.float32)
    return weights


def _dtype(name: str) -> np.dtype[np.generic]:
    if name not in ("float16", "float32", "float64"):
        raise MissingError(f"weights are {name}, which the benchmarks do not widen")
    dtype: np.dtype[np.generic] = np.dtype(name).newbyteorder("<")
    return dtype


def find_photos(folder: Path | None = None) -> list[Path]:
    """JPEG photos in `folder`; else those of the shared folder; else the repository's examples."""
    for place in (folder,) if folder else (SHARED / "images", ROOT / "examples"):
        photos = [p for p in sorted(place.glob("*")) if p.suffix.lower() in (".jpg", ".jpeg")]
        if photos:
            return photos
    raise MissingError("no JPEG photos found")


def some(photos: list[Path], count: int, start: int = 0) -> list[str]:
    """`count` photos from position `start` on, wrapping around at the end."""
    return [str(photos[(start + i) % len(photos)]) for i in range(count)]


def network_input(photos: list[str]) -> Array:
    """Real photos, preprocessed once and by one function, as (N, 3, 224, 224) float32.

    Never random noise: the share of zeros inside the network, which sqznet can make use of, is a
    property of real photos.
    """
    preprocess = _sqznet_preprocess() or read_with_pillow
    return np.concatenate([preprocess(photo) for photo in photos])


def _sqznet_preprocess() -> Callable[[str], Array] | None:
    try:
        from sqznet import load
    except ImportError:
        return None
    preprocess: Callable[[str], Array] = load(threads=1).preprocess
    return preprocess
