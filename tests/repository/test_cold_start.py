"""What a new process imports and makes before its first answer.

A module costs about 0.3 million instructions and a NamedTuple at least 1.2: types and constructor
are compiled when the class is made. Together they are most of what sqznet adds to a start.
"""

from __future__ import annotations

import ast
from pathlib import Path

from ..support.isolated import run_script

MODULES = {
    "sqznet",
    "sqznet._kernels",
    "sqznet._pixels",
    "sqznet.answers",
    "sqznet.api",
    "sqznet.engine",
    "sqznet.engine.bands",
    "sqznet.engine.classification",
    "sqznet.engine.cpu",
    "sqznet.engine.executor",
    "sqznet.engine.float_layers",
    "sqznet.engine.overflow",
    "sqznet.engine.pipeline",
    "sqznet.engine.precision",
    "sqznet.engine.program",
    "sqznet.errors",
    "sqznet.forks",
    "sqznet.images",
    "sqznet.images.callers",
    "sqznet.images.decoding",
    "sqznet.images.pillow",
    "sqznet.images.pixels",
    "sqznet.images.preprocessing",
    "sqznet.loading",
    "sqznet.methods",
    "sqznet.model",
    "sqznet.network",
    "sqznet.network.layers",
    "sqznet.network.variants",
    "sqznet.weights",
    "sqznet.weights.checkpoint",
    "sqznet.weights.labels",
    "sqznet.weights.locate",
    "sqznet.weights.metadata",
    "sqznet.weights.reading",
    "sqznet.weights.safetensors",
    "sqznet.weights.state",
    "sqznet.weights.strict_json",
}

# Of the standard library, besides what Pillow imports for a JPEG file itself.
STANDARD = {"json", "json.decoder", "json.encoder", "json.scanner", "_json"}

NAMED_TUPLES = {"Checkpoint", "Prediction", "Wiring", "_Preprocessing"}

ADVICE = (
    "a start takes longer: import it in the function that needs it or, for types only, below "
    "TYPE_CHECKING. If each photo needs it, list it in this file"
)
UNNEEDED = "a start no longer needs these: remove them from this file"


def test_a_first_answer_imports_and_makes_no_more_than_it_needs(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "photo.jpg"
    Image.radial_gradient("L").convert("RGB").save(path)
    printed = run_script(
        """
        import sys
        import PIL.JpegImagePlugin, threading, typing, weakref
        theirs = set(sys.modules)
        import sqznet
        sqznet.load(threads=1).classify(sys.argv[1])
        own = {name for name in sys.modules if name.partition(".")[0] == "sqznet"}
        made = {
            value.__name__
            for name in own
            for value in vars(sys.modules[name]).values()
            if isinstance(value, type) and tuple in value.__bases__
        }
        others = set(sys.modules) - theirs - own
        standard = {o for o in others if o.partition(".")[0] in sys.stdlib_module_names}
        print([own, standard, made])
        """,
        str(path),
    )
    own, standard, made = ast.literal_eval(printed)
    assert own - MODULES == set(), ADVICE
    assert standard - STANDARD == set(), ADVICE
    assert made - NAMED_TUPLES == set(), (
        "a start takes longer: write a plain class, unless its values are unpacked, compared or "
        "replaced, or move it where a start does not import it"
    )
    assert MODULES - own == set(), UNNEEDED
    assert NAMED_TUPLES - made == set(), UNNEEDED
