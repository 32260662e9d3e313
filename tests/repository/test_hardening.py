"""What the compiled modules are, as the system's loader sees them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from types import ModuleType

import pytest

from sqznet import _kernels, _pixels

from ..support.isolated import sanitizer

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files"),
    pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf of the binutils"),
    pytest.mark.parametrize("module", [_kernels, _pixels], ids=["kernels", "pixels"]),
]


def read(module: ModuleType, *options: str) -> str:
    command = ["readelf", "-W", *options, str(module.__file__)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def symbols(module: ModuleType, defined: bool) -> set[str]:
    """The names in the table that the loader reads, without versions."""
    rows = [line.split() for line in read(module, "--dyn-syms").splitlines()]
    named = [row for row in rows if len(row) > 7 and row[0].rstrip(":").isdigit()]
    shown = [row for row in named if row[4] != "LOCAL"]  # local ones are invisible
    return {row[7].partition("@")[0] for row in shown if (row[6] != "UND") == defined}


def test_addresses_are_bound_at_once_and_read_only(module: ModuleType) -> None:
    assert "GNU_RELRO" in read(module, "-l")
    assert re.search(r"\(FLAGS\).*BIND_NOW|FLAGS_1.*NOW", read(module, "-d"))


def test_the_stack_cannot_be_executed(module: ModuleType) -> None:
    (flags,) = re.findall(r"GNU_STACK +(?:0x\w+ +){5}(\S+)", read(module, "-l"))
    assert flags == "RW"


def test_only_the_way_in_is_exported(module: ModuleType) -> None:
    assert symbols(module, defined=True) == {f"PyInit_{module.__name__.rpartition('.')[2]}"}


def test_stacks_are_guarded(module: ModuleType) -> None:
    if sanitizer():
        pytest.skip("the sanitizers have guards of their own")
    assert "__stack_chk_fail" in symbols(module, defined=False)
