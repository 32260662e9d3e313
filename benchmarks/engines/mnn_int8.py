"""MNN on an 8-bit network, made by its own tool for calibration."""

from __future__ import annotations

from benchmarks.engines import mnn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.network import Plan, Shape, Weights

_PHOTOS = 8  # each takes seconds


class Adapter(mnn.Adapter):
    """The same settings; what stays float is in full precision."""

    tolerance = 0.2

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        import json
        from pathlib import Path

        # The compiled tool directly, as in the parent: its Python front contacts a server.
        import _tools

        from benchmarks.engines.base import MEAN_BGR
        from benchmarks.material import find_photos, some

        source = super().write(plan, weights, shape, folder)
        photos = folder / "photos"
        photos.mkdir()
        for photo in some(find_photos(), _PHOTOS):
            (photos / Path(photo).name).symlink_to(Path(photo).resolve())
        settings = {
            "format": "BGR",
            "mean": list(MEAN_BGR),
            "normal": [1.0, 1.0, 1.0],
            "width": shape[2],
            "height": shape[1],
            "path": f"{photos}/",
            "used_image_num": _PHOTOS,
            "feature_quantize_method": "KL",
            "weight_quantize_method": "MAX_ABS",
        }
        config, target = folder / "calibration.json", folder / "squeezenet-int8.mnn"
        config.write_text(json.dumps(settings))
        _tools.mnnquant(["mnnquant", source, str(target), str(config)])
        if not target.is_file():
            raise RuntimeError("MNN's tool wrote no 8-bit model")
        return str(target)
