"""Files for the tests of converting, and their comparison."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sqznet import weights
from sqznet.images.preprocessing import PRESETS
from sqznet.network.variants import Wiring

from . import networks
from .checkpoints import assert_same_tensors

LABELS = ("tabby", "naïve", "snow\nman \u2603", "", "\U0001f407", '"quoted"', "last")

PADDED = Wiring(conv1_padding=2, conv10_padding=1, ceil_mode=False, softmax=True)._asdict()


def source_file(
    folder: Path, base: str = "squeezenet1_1", bypass: str = "", wiring: object = PADDED
) -> Path:
    """A safetensors file of a small network with all metadata."""
    metadata = {
        "variant": base + (f"_{bypass}_bypass" if bypass else ""),
        "preprocessing": json.dumps({**PRESETS["keras"].to_dict(), "size": [63, 66]}),
        "labels": json.dumps(LABELS),
        "wiring": json.dumps(wiring),
        "provenance": "made for a test",
    }
    made = networks.tensors(base, len(LABELS), bypass)
    return networks.save(folder / "source.safetensors", made, metadata)


def cast(path: Path, dtypes: Sequence[str]) -> Path:
    """The same file with its tensors in these element types, in order."""
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    body = b""
    for index, (name, entry) in enumerate(header.items()):
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        values = np.frombuffer(content[begin + first : begin + last], "<f4")
        entry["dtype"] = dtypes[index % len(dtypes)]
        if entry["dtype"] == "BF16":
            data = (values.view("<u4") >> 16).astype("<u2").tobytes()
        else:
            data = values.astype({"F16": "<f2", "F32": "<f4", "F64": "<f8"}[entry["dtype"]])
            data = data.tobytes()
        entry["data_offsets"] = [len(body), len(body) + len(data)]
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


def assert_same(one: Path, other: Path) -> None:
    a, b = weights.read(one), weights.read(other)
    assert_same_tensors(b, a)
    assert a.variant in (b.variant, None)
    assert (a.preprocessing, a.labels) == (b.preprocessing, b.labels)
    # An ONNX file ends in logits.
    softmax = a.wiring.softmax and b.format != "onnx"
    assert b.wiring == a.wiring._replace(softmax=softmax)
    assert a.metadata.get("provenance") == b.metadata.get("provenance")
