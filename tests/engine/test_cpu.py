"""The choice of kernels and of the number of threads, and the reasons given."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from sqznet import _kernels
from sqznet.engine import cpu
from sqznet.errors import SqznetError, UnsupportedIsaError


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQZNET_ISA", raising=False)
    monkeypatch.delenv("SQZNET_THREADS", raising=False)


def runnable() -> list[str]:
    return [name for name, families, runs, _ in _kernels.instruction_sets() if families and runs]


def test_the_best_set_is_chosen_and_explained() -> None:
    kernels = cpu.kernels()
    assert kernels.isa == runnable()[0]
    info = cpu.info()
    assert info["isa"] == kernels.isa
    assert "best" in info["reason"]
    half = {"f16": kernels.f16.isa} if kernels.f16 else {}
    assert {family: isa for family, (isa, _) in info["families"].items()} == {
        "f32": kernels.f32.isa,
        "int8": kernels.int8.isa,
        "pixels": kernels.pixels.isa,
        **half,
    }
    assert all("best" in reason for _, reason in info["families"].values())


@pytest.mark.parametrize("isa", runnable())
def test_a_set_may_be_forced(monkeypatch: pytest.MonkeyPatch, isa: str) -> None:
    assert cpu.kernels(isa).isa == isa
    monkeypatch.setenv("SQZNET_ISA", isa)
    assert cpu.kernels().isa == isa
    assert "SQZNET_ISA" in cpu.info()["reason"]
    assert cpu.kernels("scalar").isa == "scalar"  # an argument goes before the environment


@pytest.mark.parametrize("isa", ["mmx", "AVX2", "scalar ", "avx2\n", "ünknown"])
def test_unknown_sets(monkeypatch: pytest.MonkeyPatch, isa: str) -> None:
    with pytest.raises(UnsupportedIsaError, match="unknown instruction set"):
        cpu.kernels(isa)
    monkeypatch.setenv("SQZNET_ISA", isa)
    with pytest.raises(UnsupportedIsaError, match="SQZNET_ISA"):
        cpu.kernels()


@pytest.mark.parametrize("isa", ["x" * 10_000, "avx2\x1b[31m\n"])
def test_a_name_is_shown_shortly(monkeypatch: pytest.MonkeyPatch, isa: str) -> None:
    monkeypatch.setenv("SQZNET_ISA", isa)
    for given in (None, isa):
        with pytest.raises(UnsupportedIsaError, match="unknown instruction set") as caught:
            cpu.kernels(given)
        assert len(str(caught.value)) < 300
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "+2",
        " 2",
        "2 ",
        "2\n",
        "1_0",
        "\u0663",
        "\u00b2",
        "0x2",
        "2.0",
        "-1",
        "0",
        "9" * 9999,
        "x" * 9999,
    ],
)
def test_only_plain_numbers_of_threads(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SQZNET_THREADS", text)
    expected = "SQZNET_THREADS must be a whole number from 1 to 1024, not"
    with pytest.raises(SqznetError, match=expected) as caught:
        cpu.thread_count()
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("isa", [2, b"avx2", ["avx2"], 0.5])
def test_sets_that_are_not_names(isa: object) -> None:
    with pytest.raises(SqznetError):
        cpu.kernels(isa)  # type: ignore[arg-type]


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQZNET_ISA", "")
    monkeypatch.setenv("SQZNET_THREADS", "")
    assert cpu.kernels().isa == runnable()[0]
    assert cpu.thread_count() == min(cpu.usable_cores()[0], cpu.MAX_DEFAULT_THREADS)


def test_info_is_complete() -> None:
    info = cpu.info()
    assert set(info) >= {
        "isa",
        "reason",
        "families",
        "compiled",
        "available",
        "features",
        "threads",
        "threads_reason",
    }
    assert info["available"] == runnable()
    assert set(info["available"]) <= set(info["compiled"])
    assert all(isinstance(on, bool) for on in info["features"].values())
    if "avx2" in info["available"]:
        assert info["features"]["avx2"]
        assert info["features"]["fma"]


@pytest.mark.skipif(
    not Path("/proc/cpuinfo").is_file() or platform.machine() not in ("x86_64", "i686"),
    reason="needs Linux's /proc/cpuinfo, which shows another machine under emulation",
)
def test_features_are_those_the_system_reports() -> None:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    for name, on in _kernels.cpu_features():
        if name in ("avx2", "fma", "f16c", "avx512_vnni", "avx_vnni"):
            assert on == (name in flags), name


# --- Threads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 1024])
def test_requested_threads(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    assert cpu.thread_count(threads) == threads
    monkeypatch.setenv("SQZNET_THREADS", str(threads))
    assert cpu.thread_count() == threads
    assert "SQZNET_THREADS" in cpu.info()["threads_reason"]
    assert cpu.thread_count(3) == 3


@pytest.mark.parametrize("threads", [0, -1, 1025, 2000, 10**30, True, False, "2", 2.0, [2], b"2"])
def test_invalid_thread_counts(threads: object) -> None:
    with pytest.raises(SqznetError, match="threads"):
        cpu.thread_count(threads)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["0", "-1", "1025", "two", "2.0", " ", "1e3", "9" * 5000])
def test_invalid_counts_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SQZNET_THREADS", text)
    with pytest.raises(SqznetError, match="SQZNET_THREADS"):
        cpu.thread_count()


@pytest.mark.parametrize(
    ("affinity", "quota", "count", "reason"),
    [
        (2, None, 2, "affinity"),
        (1, None, 1, "affinity"),
        (64, None, 4, "4 of 64 cores"),
        (8, 1, 1, "quota"),
        (8, 3, 3, "quota"),
        (8, 6, 4, "4 of 6 cores"),
        (2, 8, 2, "affinity"),
        (2, 2, 2, "affinity"),
    ],
)
def test_default_threads(
    monkeypatch: pytest.MonkeyPatch, affinity: int, quota: int | None, count: int, reason: str
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    monkeypatch.setattr(cpu, "_cgroup_cores", lambda: quota)
    assert cpu.thread_count() == count
    assert reason in cpu.info()["threads_reason"]


def test_systems_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    monkeypatch.setattr(cpu, "_cgroup_cores", lambda: None)
    assert cpu.usable_cores()[0] == 1


# --- Control groups --------------------------------------------------------------------------


def cgroup(tmp_path: Path, membership: str, files: dict[str, str]) -> int | None:
    (tmp_path / "membership").write_text(membership)
    root = tmp_path / "root"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return cpu._cgroup_cores(str(tmp_path / "membership"), str(root))


V1 = "12:cpuset:/a\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/docker/x\n"


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),  # rounded up
        ("0::/\n", {"cpu.max": "1000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/b/cpu.max": "300000 100000\n"}, 3),
        # Every group above it also sets a limit.
        (
            "0::/a/b\n",
            {"a/b/cpu.max": "800000 100000\n", "a/cpu.max": "100000 50000\n"},
            2,
        ),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "100000 100000\n"}, 1),
        # A container sees the host's path, but its own group at the root.
        ("0::/docker/x\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/../../x\n", {"cpu.max": "200000 100000\n"}, 2),
        (
            V1,
            {
                "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "250000\n",
                "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            V1,
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "100000\n",
                "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
        (
            V1,
            {
                "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "-1\n",
                "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        (V1, {"cpuset/a/cpu.max": "100000 100000\n"}, None),  # not of the cpu controller
        (V1, {"cpu,cpuacct/docker/x/cpu.cfs_quota_us": "100000\n"}, None),  # half of the pair
        ("0::/\n", {}, None),
        ("", {"cpu.max": "100000 100000\n"}, None),
        ("nonsense\n0:\n", {"cpu.max": "100000 100000\n"}, None),
        ("0::/\n", {"cpu.max": ""}, None),
        ("0::/\n", {"cpu.max": "100000"}, None),
        ("0::/\n", {"cpu.max": "100000 0"}, None),
        ("0::/\n", {"cpu.max": "many 100000"}, None),
        ("0::/\n", {"cpu.max": "-5 100000"}, None),
        ("0::/a:b\n", {"a:b/cpu.max": "200000 100000\n"}, 2),  # a colon in the name
    ],
)
def test_control_groups(
    tmp_path: Path, membership: str, files: dict[str, str], cores: int | None
) -> None:
    assert cgroup(tmp_path, membership, files) == cores


def test_invalid_text_in_the_membership(tmp_path: Path) -> None:
    (tmp_path / "membership").write_bytes(b"0::/\xff\xfe\n")
    cpu._cgroup_cores(str(tmp_path / "membership"), str(tmp_path))


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    assert cpu._cgroup_cores(str(tmp_path / "absent"), str(tmp_path)) is None
