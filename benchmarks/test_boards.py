"""The model of the time on boards: blocks of instructions, and their cycles."""

from __future__ import annotations

import shutil

import pytest

from benchmarks import boards
from benchmarks.instructions import Executed

MCA = next((name for name in ("llvm-mca-19", "llvm-mca") if shutil.which(name)), "")
needs_mca = pytest.mark.skipif(not MCA, reason="needs llvm-mca")

# fmla v<n>.4s, v0.4s, v1.4s for eight sums, and for one
APART = "".join(f"{n:02x}cc214e" for n in range(16, 24))
CHAINED = "10cc214e" * 8
UNKNOWN = "ffffffff"


@needs_mca
def test_blocks_keep_their_instructions() -> None:
    found = boards.disassemble(MCA.replace("mca", "mc"), [APART, UNKNOWN, "", CHAINED])
    assert [len(block) for block in found] == [8, 0, 0, 8]
    assert found[0][0].split() == ["fmla", "v16.4s,", "v0.4s,", "v1.4s"]


@needs_mca
def test_a_chain_takes_longer_than_independent_sums() -> None:
    blocks = boards.disassemble(MCA.replace("mca", "mc"), [APART, CHAINED])
    for core in {board.core for each in boards.BOARDS.values() for board in each}:
        apart, chained = boards.cycles(MCA, blocks, core)
        assert apart < chained


@needs_mca
def test_cycles_are_those_of_all_blocks_by_their_executions() -> None:
    """A block of eight instructions that counts 80 was executed ten times."""
    (core,) = ("cortex-a72",)
    blocks = boards.disassemble(MCA.replace("mca", "mc"), [APART, CHAINED])
    apart, chained = boards.cycles(MCA, blocks, core)
    executed = Executed({APART: 80, CHAINED: 160})
    assert boards.estimate(MCA, executed, [core]) == {
        core: pytest.approx(10 * apart + 20 * chained)
    }
    # What is left out is taken to be like the rest.
    few = Executed({APART: 99_999, "1f2003d5": 1})
    assert boards.estimate(MCA, few, [core])[core] == pytest.approx(100_000 / 8 * apart)
