"""Finding loops in a disassembly, and reading the output of llvm-mca."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.lab import cycles

DISASSEMBLY = """
kernel.o:     file format elf64-littleaarch64

Disassembly of section .text:

0000000000000000 <other(int)>:
   0:\tsubs\tx0, x0, #0x1
   4:\tb.ne\t0 <other(int)>  // b.any
   8:\tret

000000000000000c <kernel(float*)>:
   c:\tcbz\tx2, 3c <kernel(float*)+0x30>
  10:\tmov\tx3, #0x10                  \t// #16
  14:\tldr\tq0, [x0], #16
  18:\tld1\t{v4.4s-v7.4s}, [x1], #64
  1c:\tfmla\tv16.4s, v4.4s, v0.s[0]
  20:\tfmla\tv17.4s, v5.4s, v0.s[0]
  24:\tsubs\tx2, x2, #0x1
  28:\tb.ne\t14 <kernel(float*)+0x8>  // b.any
  2c:\tfmla\tv16.4s, v4.4s, v0.s[1]
  30:\tfmls\tv17.4s, v4.4s, v0.s[1]
  34:\tadd\tx3, x3, #0x1
  38:\tcbnz\tx3, 2c <kernel(float*)+0x20>
  3c:\tb\tc <kernel(float*)>
"""


def test_loops() -> None:
    """Loops that contain another branch are not innermost loops."""
    found = cycles.find_loops(DISASSEMBLY)
    assert [loop.function for loop in found] == ["other(int)", "kernel(float*)", "kernel(float*)"]
    assert [loop.count("fmla") for loop in found] == [0, 2, 1]
    assert found[1].assembly.splitlines() == [
        "loop:",
        "ldr\tq0, [x0], #16",
        "ld1\t{v4.4s-v7.4s}, [x1], #64",
        "fmla\tv16.4s, v4.4s, v0.s[0]",
        "fmla\tv17.4s, v5.4s, v0.s[0]",
        "subs\tx2, x2, #0x1",
        "b.ne loop",
    ]
    assert found[2].branch == "cbnz\tx3, loop"


def test_the_shortest_loop_is_chosen() -> None:
    found = cycles.find_loops(DISASSEMBLY)
    assert cycles.choose(found, "kernel", "add", 0) == found[1]
    assert cycles.choose(found, "", "subs", 1) == found[0]
    assert cycles.choose(found, "other", "fmla", 2) is None


def test_cycles_are_read() -> None:
    output = "Iterations:        200\nInstructions:      14400\nTotal Cycles:      12810\n"
    assert cycles.read_cycles(output) == pytest.approx(64.05)
    with pytest.raises(ValueError, match="no cycles"):
        cycles.read_cycles("error: invalid instruction")


@pytest.mark.skipif(not shutil.which("llvm-mca-19"), reason="needs llvm-mca")
def test_estimate() -> None:
    """A chain of dependent multiplications takes longer than independent ones."""
    many = [f"fmla v{n}.4s, v4.4s, v0.s[0]" for n in range(16, 32)]
    loops = [cycles.Loop("", tuple(body), "b.ne loop") for body in (many, many[:1] * 16)]
    for core in cycles.CORES:
        apart, chained = (cycles.estimate("llvm-mca-19", loop, core) for loop in loops)
        assert apart < chained
