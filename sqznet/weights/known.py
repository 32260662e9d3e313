"""Published files, recognized by their SHA-256, with their preprocessing.

The hashes are from torchvision's file names, which end in the first eight digits; from the Git LFS
pointers of the ONNX model zoo (https://github.com/onnx/models) and its copy at
https://huggingface.co/onnxmodelzoo; and, for Caffe's file, from the Open Model Zoo's
``squeezenet1.1/model.yml``.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqznet.images.preprocessing import PRESETS
from sqznet.weights.checkpoint import Checkpoint


@dataclass(frozen=True)
class KnownFile:
    """A published file.

    sha256: the hash in hex, or its first eight digits if no more is published.
    format: as in `Checkpoint`.
    name: its publisher and its name there.
    preset: its preprocessing, a name in `PRESETS`.
    """

    sha256: str
    format: str
    name: str
    preset: str


def _zoo(sha256: str, file: str, preset: str = "onnx-zoo-1.0") -> KnownFile:
    return KnownFile(sha256, "onnx", f"the ONNX model zoo's {file}", preset)


KNOWN = (
    KnownFile(
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        "torch",
        "torchvision's squeezenet1_1-b8a52dc0.pth",
        "torchvision",
    ),
    KnownFile("b66bff10", "torch", "torchvision's squeezenet1_0-b66bff10.pth", "torchvision"),
    _zoo(
        "1eeff551a67ae8d565ca33b572fc4b66e3ef357b0eb2863bb9ff47a918cc4088",
        "squeezenet1.1-7.onnx",
        "torchvision",
    ),
    _zoo(
        "513a21407cccfcc74eb20e7749de7d5dda38f3f3199fd3259deeca9c021d94a0",
        "squeezenet1.0-6.onnx",
    ),
    _zoo(
        "d95e2191e056f1912a9b8f6000da3b9c7818441b9eb48137033c2adbf6398bc8",
        "squeezenet1.0-7.onnx",
    ),
    _zoo(
        "3c0bff2f7c984350d3ffa98e0167dc08c15da88f05d0c31989ebeba6fbb5e025",
        "squeezenet1.0-8.onnx",
    ),
    _zoo(
        "dec81a8684617770b3cf13fadc1d92565d1d453d23935fc6388b792d99c992bd",
        "squeezenet1.0-12.onnx",
    ),
    _zoo(
        "3da17dfad1b7ba23c93fac6dbf49f6db78cd42f7519e915a2e27d37c5c0a972b",
        "squeezenet1.0-12-int8.onnx",
    ),
    _zoo(
        "4a567dd7542ef440890d57268fabf47211174c593d7a1837bd7f16a1067169e7",
        "squeezenet1.0-13-qdq.onnx",
    ),
    KnownFile(
        "72b912ace512e8621f8ff168a7d72af55910d3c7c9445af8dfbff4c2ee960142",
        "caffe",
        "the authors' squeezenet_v1.1.caffemodel",
        "caffe",
    ),
    KnownFile(
        "e4ab6960ae8cd81505e1c2136921201507e930966c53deaf15862a395b3a3261",
        "deep-compression",
        "the authors' compressed_SqueezeNet.net",
        "caffe",
    ),
)

# No known file is half as large; larger files need not be hashed.
_MAX_SIZE = 16 << 20


def find(data: memoryview, format_name: str) -> KnownFile | None:
    """The known file of this format with these bytes."""
    candidates = [known for known in KNOWN if known.format == format_name]
    if not candidates or data.nbytes > _MAX_SIZE:
        return None
    digest = sha256(data)
    return next((known for known in candidates if digest.startswith(known.sha256)), None)


def sha256(data: memoryview) -> str:
    """The hash in hex."""
    from hashlib import sha256  # loads OpenSSL

    return sha256(data).hexdigest()


def with_preset(checkpoint: Checkpoint, data: memoryview) -> Checkpoint:
    """The checkpoint with the preprocessing of the known file that has these bytes."""
    known = find(data, checkpoint.format)
    if known is None:
        return checkpoint
    return checkpoint._replace(
        preprocessing=PRESETS[known.preset],
        reasons={**checkpoint.reasons, "preprocessing": f"its hash: this is {known.name}"},
    )
