"""The photos that clients send, and their requests as bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

Photo = npt.NDArray[np.uint8]  # (height, width, 3), RGB


class Material(NamedTuple):
    """The same photos as files, as their bytes, and decoded."""

    paths: Sequence[Path]
    files: Sequence[bytes]
    decoded: Sequence[Photo]


def read(paths: Sequence[Path]) -> Material:
    decoded = []
    for path in paths:
        with Image.open(path) as photo:
            decoded.append(np.asarray(photo.convert("RGB")))
    return Material(paths, [path.read_bytes() for path in paths], decoded)


def post(path: str, body: bytes, headers: str = "") -> bytes:
    """A request; ``headers``: lines that end with CR LF."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def tensor(photo: Photo, model: str = "squeezenet1_1") -> bytes:
    """A request of the Open Inference Protocol for a decoded photo; tensors are binary."""
    described = {
        "name": "image",
        "datatype": "UINT8",
        "shape": [1, *photo.shape],
        "parameters": {"binary_data_size": photo.nbytes},
    }
    output = {"name": "scores", "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [described], "outputs": [output]}).encode()
    length = f"Inference-Header-Content-Length: {len(head)}\r\n"
    return post(f"/v2/models/{model}/infer", head + photo.tobytes(), length)


def plain(photo: Photo) -> bytes:
    """A request of a decoded photo for the rivals, which need no protocol."""
    height, width, _ = photo.shape
    return post(f"/tensor?height={height}&width={width}", photo.tobytes())
