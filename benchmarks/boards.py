"""Instructions for one image on ARM, and a model of the time: python -m benchmarks.boards

`scripts/cross.sh aarch64` comes first. Each engine runs emulated, on a Cortex-A72, which has
neither half precision nor dot products, and on a Cortex-A76, which has both; see
`benchmarks.instructions`. The model takes the cycles of each block of instructions from llvm-mca,
as if the block repeated itself, times the number of its executions. It knows the pipelines of a
core, but no memory: all loads hit the L1 cache and no branch is mispredicted. So the times are
estimates that no board has confirmed, and real ones are longer. llvm-mca has no model of the
Cortex-A76; that of the Neoverse N1, a related server core, takes its place.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import instructions, report
from benchmarks.instructions import Counter, Executed
from benchmarks.lab.cycles import find_mca
from benchmarks.material import MissingError, find_photos

SHARE = 0.99  # of the instructions, whose blocks are estimated; the rest are taken to be like these
ITERATIONS = 100
FEATURES = "-mattr=+fullfp16,+dotprod"


@dataclass(frozen=True)
class Board:
    name: str
    core: str  # of llvm-mca
    gigahertz: float


#: The boards on which each emulated processor's instructions are run. A Cortex-A55 is no board's of
#: these, but that of many phones.
BOARDS: Mapping[str, Sequence[Board]] = {
    "cortex-a72": (
        Board("Zero 2 W", "cortex-a53", 1.0),
        Board("Pi 3B+", "cortex-a53", 1.4),
        Board("Pi 4", "cortex-a72", 1.8),
    ),
    "cortex-a76": (Board("A55, 2.0 GHz", "cortex-a55", 2.0), Board("Pi 5", "neoverse-n1", 2.4)),
}


def disassemble(mc: str, codes: Iterable[str]) -> list[list[str]]:
    """The instructions of each block of code, as llvm-mca reads them; unknown ones are left out."""
    end, end_text = "5f3f03d5", "clrex"  # after each block; no compiler writes it
    data = "".join(f"{code}{end}" for code in codes)
    hexadecimal = " ".join(f"0x{byte}" for byte in re.findall("..", data))
    command = [mc, "--disassemble", "-triple=aarch64-linux-gnu", FEATURES]
    done = subprocess.run(command, input=hexadecimal, capture_output=True, text=True, check=True)
    blocks: list[list[str]] = [[]]
    for line in map(str.strip, done.stdout.splitlines()):
        if line == end_text:
            blocks.append([])
        elif line != ".text":
            blocks[-1].append(line)
    return blocks[:-1]


def cycles(mca: str, blocks: Sequence[Sequence[str]], core: str) -> list[float]:
    """The cycles of each block on the core, if it repeats itself."""
    text = "".join(
        "\n".join((f"# LLVM-MCA-BEGIN {i}", *(block or ["nop"]), "# LLVM-MCA-END", ""))
        for i, block in enumerate(blocks)
    )
    command = [mca, "-mtriple=aarch64-linux-gnu", FEATURES, f"-mcpu={core}"]
    command += [f"-iterations={ITERATIONS}", "-call-latency=1"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    totals = [int(total) for total in re.findall(r"^Total Cycles: +(\d+)$", done.stdout, re.M)]
    if len(totals) != len(blocks):
        raise SystemExit(f"llvm-mca: {len(totals)} of {len(blocks)} blocks\n{done.stderr[:500]}")
    return [total / ITERATIONS for total in totals]


def estimate(mca: str, executed: Executed, cores: Iterable[str]) -> dict[str, float]:
    """The cycles of one inference on each core."""
    total, counted = executed.total(), 0
    chosen = []
    for code, count in executed.most_common():
        if counted > SHARE * total:
            break
        chosen.append((code, count))
        counted += count
    blocks = disassemble(mca.replace("llvm-mca", "llvm-mc"), [code for code, _ in chosen])
    times = [count * 8 / len(code) for code, count in chosen]  # a block was executed
    return {
        core: sum(n * each for n, each in zip(times, cycles(mca, blocks, core), strict=True))
        * (total / counted)
        for core in cores
    }


def row(mca: str, engine: str, variant: str, photo: Path, folder: Path) -> tuple[str, ...]:
    cells = [engine]
    for cpu, boards in BOARDS.items():
        home = folder / cpu / engine / variant
        instructions.describe_processor(cpu)
        try:
            prepared = instructions.prepare(engine, variant, photo, home)
            executed, _ = Counter(home, cpu).blocks(engine, *prepared)
        except (MissingError, ImportError, subprocess.CalledProcessError) as error:
            print(f"{engine}, SqueezeNet {variant}, {cpu}: {error}", file=sys.stderr)
            cells += ["-"] * (1 + len(boards))
            continue
        found = estimate(mca, executed, {board.core for board in boards})
        cells.append(f"{executed.total() / 1e6:.1f}")
        cells += [
            f"{found[board.core] / 1e6:.1f} M, {found[board.core] / board.gigahertz / 1e6:.1f} ms"
            for board in boards
        ]
    return tuple(cells)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; SystemExit with a message if something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--engines", type=instructions.engine_names, default=instructions.ENGINES)
    parser.add_argument("--variants", type=lambda text: text.split(","), default=["1.1", "1.0"])
    options = parser.parse_args(arguments)
    instructions.need_wheel()
    instructions.fetch_rivals(options.engines)
    mca, photo = find_mca(), find_photos()[0]
    header = ["engine"]
    for cpu, boards in BOARDS.items():
        header += [cpu, *(board.name for board in boards)]
    print(
        f"Millions of instructions an image, one thread, {photo.name}; then, estimated by a model,"
    )
    print("millions of cycles and milliseconds")
    with tempfile.TemporaryDirectory(prefix="sqznet-") as name:
        for variant in options.variants:
            rows = [row(mca, engine, variant, photo, Path(name)) for engine in options.engines]
            print(f"\nSqueezeNet {variant}")
            print(report.table([header, *rows], right=range(1, len(header))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
