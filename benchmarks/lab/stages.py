"""Measures each stage of SqueezeNet 1.1's fire modules alone, one thread (needs g++).

python -m benchmarks.lab.stages [--isa avx2] [--photo FILE] [--tile 4|5|6|7] [--rounds N]

The other benchmarks time what the package runs; this one compiles the kernels' sources again, with
the same flags, to reach what lies inside of them. The maps come from a real photo, for zeros are
skipped. "ideal" is the time that a stage's multiplications take at the attainable peak: zeros out
of the squeeze, as no kernel could do it better; the transforms have none.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import machine, report
from benchmarks.engines.base import SIZE
from benchmarks.lab import stepping
from benchmarks.material import ROOT, find_photos
from sqznet import _kernels
from sqznet.engine import cpu
from sqznet.network.layers import Fire

FLAGS = {
    "scalar": (),
    "avx2": ("-mavx2", "-mfma", "-mf16c"),
    "avx512": ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"),
}
STAGES = ("squeeze", "expand1x1", "input", "filters", "products", "output")
_CSRC = ROOT / "csrc"


def tiles_for(side: int, isa: str, tile: int = 0) -> tuple[int, int]:
    """A tile's side, which the kernels choose if ``tile`` is 0, and the small ones of a row."""
    table = _kernels.kernels_named(isa).f32
    weight, bias = _kernels.Tensor((1, 1, 3, 3)), _kernels.Tensor((1, 1, 1, 1))
    chosen, small, _ = _kernels.PaddedConv(table, weight, bias, True, tile).tiles(side, side)
    return chosen, small


def compile_stages(isa: str, folder: Path) -> Path:
    """The program, for one instruction set. Raises CalledProcessError if that fails."""
    program = folder / "stages"
    sources = [Path(__file__).with_suffix(".cpp"), _CSRC / "core" / "pack.cpp"]
    sources += [_CSRC / "kernels" / "f32" / f"{name}.cpp" for name in ("conv", "squeeze")]
    command = ["g++", "-O3", "-std=c++17", *FLAGS[isa], f"-DSQZ_ISA={isa}"]
    command += [f"-DSQZ_ISA_{isa.upper()}", f"-I{_CSRC}", f"-I{_CSRC / 'include'}"]
    subprocess.run([*command, "-o", str(program), *map(str, sources)], check=True)
    return program


def measure(
    isa: str, photo: Path, tile: int, rounds: int
) -> list[tuple[Fire, int, dict[str, float]]]:
    """Each fire module: its tile, milliseconds by stage, "points" and "nonzeros"."""
    owner = stepping.executor(dict(stepping.checkpoint("1.1").tensors))
    steps = stepping.Steps(owner, stepping.photo_at(photo, SIZE))
    found = []
    with tempfile.TemporaryDirectory(prefix="sqznet-stages-") as name:
        program = compile_stages(isa, Path(name))
        for layer, x in zip(owner.network.layers, steps.inputs(), strict=True):
            if not isinstance(layer, Fire):
                continue
            file = Path(name) / "map.bin"
            x.tofile(file)
            side, inputs = x.shape[1], x.shape[3]
            tiles = tiles_for(side, isa, tile)
            numbers = (side, inputs, layer.squeeze, layer.expand3x3, *tiles, rounds)
            command = [str(program), str(file), *map(str, numbers)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            times = {k: float(v) for k, v in map(str.split, done.stdout.splitlines())}
            times["nonzeros"] = float(np.count_nonzero(x))
            found.append((layer, side, times))
    return found


def text(found: Sequence[tuple[Fire, int, dict[str, float]]], peak: float) -> str:
    """The table: milliseconds of each stage, measured and at the peak."""
    rows: list[tuple[str, ...]] = [("fire", "map", *STAGES, "sum", "ideal")]
    totals = dict.fromkeys((*STAGES, "ideal"), 0.0)
    for number, (layer, side, times) in enumerate(found, 2):
        macs = {
            "squeeze": times["nonzeros"] * layer.squeeze,
            "expand1x1": side * side * layer.squeeze * layer.expand1x1,
            "products": times["points"] * layer.squeeze * layer.expand3x3,
        }
        ideal = sum(macs.values()) / peak * 1e3
        for stage in STAGES:
            totals[stage] += times[stage]
        totals["ideal"] += ideal
        spent = [times[stage] for stage in STAGES]
        cells = [f"{ms:.3f}" for ms in (*spent, sum(spent), ideal)]
        rows.append((f"fire{number}", f"{side}x{side}", *cells))
    spent = [totals[stage] for stage in STAGES]
    cells = [f"{ms:.3f}" for ms in (*spent, sum(spent), totals["ideal"])]
    rows.append(("all", "", *cells))
    return report.table(rows, right=range(2, len(rows[0])))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab.stages", description=__doc__)
    parser.add_argument("--isa", choices=FLAGS, default=cpu.kernels().f32.isa)
    parser.add_argument("--photo", type=Path, metavar="FILE")
    parser.add_argument(
        "--tile", type=int, choices=(4, 5, 6, 7), default=0, help="default: as sqznet chooses"
    )
    parser.add_argument("--rounds", type=int, default=400)
    options = parser.parse_args(arguments)
    print(report.machine(machine.describe(("sqznet",))), end="\n\n", flush=True)
    peak = stepping.peak_macs()
    found = measure(
        options.isa, options.photo or find_photos()[0], options.tile, max(1, options.rounds)
    )
    print(f"{options.isa} kernels, minima of {options.rounds} rounds, milliseconds; the")
    print(f"attainable peak of one core is {peak / 1e9:.1f} GMAC/s\n")
    print(text(found, peak))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
