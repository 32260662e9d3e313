"""Estimates the cycles of the innermost loops of the AArch64 kernels with llvm-mca.

`scripts/cross.sh aarch64` comes first; then `python -m benchmarks.lab.cycles` prints the table. The
loops are extracted from the compiled kernels by disassembly, so the estimate is for the code that
runs. It models the pipelines of a core, but neither caches nor mispredicted branches: all loads hit
the L1 cache. LLVM 19 has no model of the Cortex-A76 and uses that of the Cortex-A57; the Neoverse
N1, a related server core, is listed in addition.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks import report
from benchmarks.material import ROOT

OBJECTS = ROOT / "build" / "cross" / "aarch64" / "objects"
CORES = ("cortex-a53", "cortex-a55", "cortex-a72", "cortex-a76", "neoverse-n1")
ITERATIONS = 200
OBJDUMP = "aarch64-linux-gnu-objdump"

# The loops: a title, the source file of the kernel, its function (a regular expression), and how
# often an iteration has an instruction.
LOOPS = (
    ("dense tile, 4 pixels x 16", "aarch64/conv", r"conv_f32", ("fmla", 64)),
    ("Winograd products, 4 tiles x 16", "winograd", r"multiply_block<81>", ("fmla", 64)),
    ("squeeze, list of one pixel x 32", "aarch64/squeeze", r"walk<2>", ("fmla", 16)),
    ("squeeze, list of one pixel x 16", "aarch64/squeeze", r"walk<1>", ("fmla", 8)),
    ("classifier, list of one pixel x 32", "aarch64/classifier", r"add_pixel", ("fmla", 32)),
    ("making a list, 16 channels", "aarch64/classifier", r"classifier_list", ("addp", 3)),
)

_FUNCTION = re.compile(r"^[0-9a-f]+ <(.*)>:$")
_LINE = re.compile(r"^\s*([0-9a-f]+):\t(.*)$")
_BRANCH = re.compile(r"^(?:b\.\w+|b|cbn?z|tbn?z|blr?|br|ret)\b")
_TARGET = re.compile(r"\s([0-9a-f]+) <[^>]*>.*$")


@dataclass(frozen=True)
class Loop:
    """An innermost loop: its function, and its instructions without the closing branch."""

    function: str
    instructions: tuple[str, ...]
    branch: str

    def count(self, mnemonic: str) -> int:
        return sum(line.split()[0] == mnemonic for line in self.instructions)

    @property
    def assembly(self) -> str:
        return "\n".join(["loop:", *self.instructions, self.branch, ""])


def find_loops(disassembly: str) -> list[Loop]:
    """Every sequence of instructions whose only branch is the last one, to its start."""
    found: list[Loop] = []
    function, straight = "", dict[int, str]()  # instructions by address since the last branch
    for text in disassembly.splitlines():
        if named := _FUNCTION.match(text):
            function, straight = named[1], {}
        if not (line := _LINE.match(text)):
            continue
        address, instruction = int(line[1], 16), line[2].split("//")[0].strip()
        if not _BRANCH.match(instruction):
            straight[address] = instruction
            continue
        target = _TARGET.search(instruction)
        start = int(target[1], 16) if target else address
        if start in straight:
            body = tuple(text for at, text in straight.items() if at >= start)
            found.append(Loop(function, body, _TARGET.sub(" loop", instruction)))
        straight = {}
    return found


def choose(loops: Iterable[Loop], function: str, mnemonic: str, count: int) -> Loop | None:
    """The shortest loop with this many such instructions in a matching function."""
    matching = [
        loop
        for loop in loops
        if loop.count(mnemonic) == count and re.search(function, loop.function)
    ]
    return min(matching, key=lambda loop: len(loop.instructions), default=None)


def read_cycles(output: str) -> float:
    """The cycles per iteration in the output of llvm-mca. Raises ValueError if there are none."""
    counts = [
        re.search(rf"^{key}:\s+(\d+)$", output, re.M) for key in ("Iterations", "Total Cycles")
    ]
    if not all(counts):
        raise ValueError(f"llvm-mca printed no cycles: {output[:200]!r}")
    iterations, cycles = (int(count[1]) for count in counts if count)
    return cycles / iterations


def estimate(mca: str, loop: Loop, core: str) -> float:
    """The cycles per iteration on this core."""
    command = [mca, "-mtriple=aarch64-linux-gnu", f"-mcpu={core}", f"-iterations={ITERATIONS}"]
    done = subprocess.run(command, input=loop.assembly, capture_output=True, text=True, check=True)
    return read_cycles(done.stdout)


def disassemble(source: str) -> str:
    path = OBJECTS / "CMakeFiles" / "sqz_neon.dir" / "csrc" / "kernels" / "f32" / f"{source}.cpp.o"
    command = [OBJDUMP, "-d", "-C", "--no-show-raw-insn", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def find_mca() -> str:
    """The name of llvm-mca here. Exits, naming the packages, if a program is missing."""
    names = ("llvm-mca-19", "llvm-mca")
    mca = next((name for name in names if shutil.which(name)), None)
    missing = [
        package
        for package, found in (
            ("llvm-19", mca),
            ("binutils-aarch64-linux-gnu", shutil.which(OBJDUMP)),
        )
        if not found
    ]
    if mca is None or missing:
        raise SystemExit(f"missing programs: apt-get install {' '.join(missing)}")
    if not OBJECTS.is_dir():
        raise SystemExit("no kernels for AArch64: run scripts/cross.sh aarch64 first")
    return mca


def text(rows: Sequence[tuple[str, Loop, Sequence[float]]]) -> str:
    """A line for each loop: instructions, multiplications, cycles for each core."""
    table: list[tuple[str, ...]] = [("loop", "instr.", "fmla", *CORES)]
    for title, loop, cycles in rows:
        counts = (len(loop.instructions) + 1, loop.count("fmla"))
        table.append((title, *map(str, counts), *(f"{count:.1f}" for count in cycles)))
    return report.table(table, right=range(1, len(table[0])))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; SystemExit with a message if something is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab.cycles", description=__doc__)
    parser.add_argument("--show", action="store_true", help="print the loops, too")
    options = parser.parse_args(arguments)
    mca = find_mca()
    rows = []
    for title, source, function, (mnemonic, count) in LOOPS:
        loop = choose(find_loops(disassemble(source)), function, mnemonic, count)
        if loop is None:
            raise SystemExit(f"no loop with {count} times {mnemonic} in {source}.cpp")
        rows.append((title, loop, [estimate(mca, loop, core) for core in CORES]))
        if options.show:
            print(f"{title}: {loop.function}\n{loop.assembly}")
    print(f"Cycles per iteration by {mca}; estimates, not times\n")
    print(text(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
