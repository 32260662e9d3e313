from collections.abc import Sequence
from typing import Any

# Buffers are typed Any: collections.abc.Buffer came with Python 3.12 only.

def resize_normalize(
    pixels: Any,
    height: int,
    width: int,
    channels: int,
    resized_h: int,
    resized_w: int,
    top: int,
    left: int,
    out: Any,
    mean: Sequence[float],
    std: Sequence[float],
    reverse: bool,
    capsule: object,
) -> None: ...

class Yuv420:
    height: int
    width: int
    def __init__(
        self,
        luma: Any,
        u: Any,
        v: Any,
        height: int,
        width: int,
        luma_row: int,
        chroma_row: int,
        chroma_step: int,
        matrix: Sequence[float],
    ) -> None: ...
    def to_rgb(self, out: Any) -> None: ...

class ArrowPixels:
    def __init__(self, capsules: tuple[object, object], count: int, channels: int) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
