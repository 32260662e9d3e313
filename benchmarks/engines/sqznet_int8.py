"""sqznet on the integers that it makes itself, calibrated with the usual photos."""

from __future__ import annotations

from benchmarks.engines import sqznet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.network import Plan, Shape, Weights


class Adapter(sqznet.Adapter):
    """The same calls; the numbers are integers on every processor."""

    tolerance = 0.2
    precision = "int8"

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        from benchmarks.material import find_photos, some
        from sqznet import load

        source = super().write(plan, weights, shape, folder)
        model = load(source, preprocessing="squash-bgr", precision="float32")
        path = folder / "squeezenet-int8.safetensors"
        model.quantize([str(photo) for photo in some(find_photos(), 60)]).save(str(path))
        return str(path)
