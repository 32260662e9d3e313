"""The outputs of the bundled networks in 8-bit integers: their bytes are the same on every machine.

Nothing here depends on a library's release: the photos are made by integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from random import Random

import numpy as np
import numpy.typing as npt

from sqznet import api
from sqznet.detection.loading import load_detector
from sqznet.engine.program import Workspace
from sqznet.images.preprocessing import Preprocessing

#: SHA-256 of the logits of `photos`, by their height and width.
DIGESTS: Mapping[tuple[int, int], str] = {
    (64, 83): "22806d323fbed6a926c60bbc126b6c324ce155a2c381387be69f91b52088f3a7",
    (224, 224): "85f602c46c8eaaeae2a16f5257560eac2438481847119d6ce256d78f31262dd0",
}

#: The input of the detector, and the SHA-256 of its outputs for `photos` of this size.
DETECTED = (128, 160)
DETECTED_DIGEST = "61513a90c423e702a668bee68d12c26be2208081390a6dc81cb7c4e6648d4ea5"

_COUNT = 3
_CELLS = (32, 8, 1)  # sides of the squares of one color, which add up to a photo


def digest(isa: str, threads: int, height: int, width: int) -> str:
    """SHA-256, in hex, of the logits that these kernels give, little-endian float32 (3, 1000).

    As many photos as threads run in one pass of the network.
    """
    model = api.load(isa=isa, threads=threads, precision="int8")
    logits = model.logits(normalized(model.preprocessing, photos(height, width)))
    return sha256(logits.astype("<f4").tobytes()).hexdigest()


def detector_digest(isa: str, threads: int) -> str:
    """SHA-256, in hex, of the outputs of the levels of the bundled detector that these kernels give
    for `photos` of the size `DETECTED`, one level after the other, little-endian float32."""
    size = DETECTED
    detector = load_detector(isa=isa, threads=threads, precision="int8", size=size)

    def outputs(workspace: Workspace) -> bytes:
        np.asarray(workspace.input)[...] = photos(*size)
        workspace.run()
        return b"".join(np.array(y).astype("<f4").tobytes() for y in workspace.outputs.values())

    return sha256(detector.executor.run(_COUNT, *size, outputs)).hexdigest()


def photos(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Gray levels of colored squares and grain, uint8 (3, H, W, 3)."""
    random = Random(2)
    total = np.zeros((_COUNT, height, width, 3), np.int64)
    for cell in _CELLS:
        rows, columns = -(-height // cell), -(-width // cell)
        drawn = np.frombuffer(random.randbytes(_COUNT * rows * columns * 3), np.uint8)
        squares = drawn.reshape(_COUNT, rows, columns, 3)
        total += squares.repeat(cell, axis=1).repeat(cell, axis=2)[:, :height, :width]
    # The mean of three parts, with twice the contrast, so that some levels are 0 and 255.
    return np.clip(2 * total // len(_CELLS) - 128, 0, 255).astype(np.uint8)


def normalized(pre: Preprocessing, levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The network's input (N, 3, H, W) for gray levels in its order of channels."""
    values = (levels - np.array(pre.mean)) / np.array(pre.std)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)
