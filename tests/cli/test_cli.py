"""The command `sqznet`: its output and exit codes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

import sqznet
from sqznet.engine import cpu

from ..support.commands import Result, Run, closed_pipe
from ..support.places import EXAMPLES

COFFEE = EXAMPLES / "coffee.jpg"
CHELSEA = EXAMPLES / "chelsea.jpg"
ROW = re.compile(r"  +(?P<rank>\d+)  (?P<label>\S.*?) +(?P<percent>\d+\.\d\d) %")


def spawn(folder: Path, *args: str | bytes | Path, **env: str) -> Result:
    """Runs a command in `folder`, outside the source tree."""
    done = subprocess.run(
        args,
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def script() -> Path:
    path = Path(sysconfig.get_path("scripts")) / "sqznet"
    assert path.is_file(), "the package is not installed in this environment"
    return path


def rows(out: str) -> list[tuple[int, str, float]]:
    found = [ROW.fullmatch(line) for line in out.splitlines()]
    return [(int(m["rank"]), m["label"], float(m["percent"])) for m in found if m]


def assert_one_line(err: str) -> None:
    assert err.count("\n") == 1, err
    assert err.startswith("sqznet: ")
    assert err.endswith("\n")


def test_a_photo_gets_a_table(run: Run) -> None:
    code, out, err = run("classify", COFFEE)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == str(COFFEE)
    assert len(lines) == 6
    assert len({len(line) for line in lines[1:]}) == 1, "columns are not aligned"
    table = rows(out)
    assert [rank for rank, _, _ in table] == [1, 2, 3, 4, 5]
    assert table[0][1] == "espresso"
    assert table[0][2] > 90
    percents = [percent for _, _, percent in table]
    assert percents == sorted(percents, reverse=True)


def test_the_table_has_the_answers_of_the_library(run: Run) -> None:
    _, out, _ = run("classify", CHELSEA, "--top", "3")
    expected = sqznet.classify(CHELSEA, top=3)
    assert [label for _, label, _ in rows(out)] == [p.label for p in expected]
    for (_, _, percent), prediction in zip(rows(out), expected, strict=True):
        assert percent == pytest.approx(100 * prediction.score, abs=0.006)


def test_several_photos_keep_their_order(run: Run, small: Path) -> None:
    code, out, err = run("classify", COFFEE, CHELSEA, COFFEE, "--top=1", "--model", small)
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line.endswith(".jpg")] == [
        str(path) for path in (COFFEE, CHELSEA, COFFEE)
    ]
    assert len(rows(out)) == 3


def test_top_stops_at_the_number_of_classes(run: Run) -> None:
    code, out, _ = run("classify", COFFEE, "--top", "100000")
    assert code == 0
    assert [rank for rank, _, _ in rows(out)] == list(range(1, 1001))


def test_threads_and_isa_do_not_change_the_answer(run: Run) -> None:
    _, expected, _ = run("classify", COFFEE, "--top", "1")
    code, out, err = run("classify", COFFEE, "--top", "1", "--threads", "1", "--isa", "scalar")
    assert (code, err) == (0, "")
    assert rows(out)[0][1] == rows(expected)[0][1]
    assert rows(out)[0][2] == pytest.approx(rows(expected)[0][2], abs=0.02)


def text_named_jpg(path: Path) -> None:
    path.write_text("this is no photo\n")


def empty(path: Path) -> None:
    path.touch()


def truncated(path: Path) -> None:
    path.write_bytes(COFFEE.read_bytes()[:9000])


def header_only(path: Path) -> None:
    path.write_bytes(COFFEE.read_bytes()[:20])


def missing(path: Path) -> None:
    assert not path.exists()


def directory(path: Path) -> None:
    path.mkdir()


def dangling_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


UNREADABLE = [text_named_jpg, empty, truncated, header_only, missing, directory, dangling_link]


@pytest.mark.parametrize("make", UNREADABLE)
def test_an_unreadable_file_is_one_line_and_the_rest_is_classified(
    run: Run, tmp_path: Path, small: Path, make: Callable[[Path], None]
) -> None:
    bad = tmp_path / f"{make.__name__}.jpg"
    make(bad)
    code, out, err = run("classify", COFFEE, bad, CHELSEA, "--top", "1", "--model", small)
    assert code == 1
    assert_one_line(err)
    assert err.startswith(f"sqznet: {bad}: ")
    assert err.count(str(bad)) == 1
    assert len(err) > len(f"sqznet: {bad}: \n")
    assert str(bad) not in out
    assert len(rows(out)) == 2


def test_every_unreadable_file_has_its_line(run: Run, tmp_path: Path) -> None:
    bad = [tmp_path / f"{make.__name__}.jpg" for make in UNREADABLE]
    for make, path in zip(UNREADABLE, bad, strict=True):
        make(path)
    code, out, err = run("classify", *bad)
    assert (code, out) == (1, "")
    assert [line.split(": ")[1] for line in err.splitlines()] == [str(path) for path in bad]


def test_odd_file_names_stay_on_one_line(run: Run, tmp_path: Path, small: Path) -> None:
    good = tmp_path / "two\nlines \x1b[31m.jpg"
    shutil.copy(COFFEE, good)
    bad = tmp_path / "odd\nphoto\x1b.jpg"
    code, out, err = run("classify", good, bad, "--top", "1", "--model", small)
    assert code == 1
    assert_one_line(err)
    assert err.count("photo") == 1
    assert "\x1b" not in out + err
    assert out.splitlines()[0].endswith(r"two\nlines \x1b[31m.jpg")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a file name")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_file_name_that_is_not_text(tmp_path: Path, encoding: str) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    with open(name, "wb") as file:
        file.write(COFFEE.read_bytes())
    code, out, err = spawn(tmp_path, script(), "classify", name, PYTHONIOENCODING=encoding)
    assert (code, err) == (0, "")
    assert rows(out)[0][1] == "espresso"


@pytest.mark.parametrize(
    "args",
    [
        ("frobnicate",),
        ("classify",),
        ("classify", "--top", "0", "x.jpg"),
        ("classify", "--top", "-1", "x.jpg"),
        ("classify", "--top", "five", "x.jpg"),
        ("classify", "--top", "1.5", "x.jpg"),
        ("classify", "--threads", "0", "x.jpg"),
        ("classify", "--isa", "z80", "x.jpg"),
        ("classify", "--color", "x.jpg"),
        ("info", "x.jpg"),
        ("identify",),
        ("identify", "--xml", "x.pth"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(run: Run, args: tuple[str, ...]) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert_one_line(err)


@pytest.mark.parametrize("variable", ["SQZNET_ISA", "SQZNET_THREADS"])
@pytest.mark.parametrize("args", [("classify", str(COFFEE)), ("info",)])
def test_a_wrong_setting_is_one_line_and_code_2(
    tmp_path: Path, variable: str, args: tuple[str, ...]
) -> None:
    code, out, err = spawn(tmp_path, script(), *args, **{variable: "z80"})
    assert (code, out) == (2, "")
    assert_one_line(err)
    assert "z80" in err


@pytest.mark.parametrize("make", [text_named_jpg, empty, truncated, missing, directory])
def test_a_model_that_cannot_be_read_is_one_line_and_code_1(
    run: Run, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    model = tmp_path / "weights.pth"
    make(model)
    code, out, err = run("classify", COFFEE, "--model", model)
    assert (code, out) == (1, "")
    assert_one_line(err)
    assert err.startswith(f"sqznet: {model}: ")
    assert err.count(str(model)) == 1


def test_other_weights(run: Run, shared: Path) -> None:
    weights = shared / "weights" / "squeezenet1_0.pth"
    code, out, err = run("classify", COFFEE, "--model", weights, "--top", "2")
    assert (code, err) == (0, "")
    assert len(rows(out)) == 2


def test_info_says_what_is_used_and_why(run: Run) -> None:
    code, out, err = run("info")
    assert (code, err) == (0, "")
    shown = dict(re.split(r"  +", line, maxsplit=1) for line in out.splitlines())
    machine = cpu.info()
    assert shown["version"] == sqznet.__version__
    for family, (isa, reason) in machine["families"].items():
        assert shown[f"kernels for {family}"] == f"{isa}: {reason}"
    assert shown["can run here"].split(", ") == list(machine["available"])
    assert "scalar" in shown["compiled in"].split(", ")
    assert shown["threads"] == f"{machine['threads']}: {machine['threads_reason']}"
    assert shown["weights"].startswith("squeezenet1_1, 1000 classes")
    assert re.search(r"squeezenet1_1\.safetensors \(2\.\d\d MB\)", shown["weights file"])
    assert shown["weights from"].startswith("SqueezeNet 1.1")


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"sqznet {sqznet.__version__}\n", "")


def test_help_names_the_commands(run: Run) -> None:
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    assert "classify" in out
    assert "info" in out


def test_help_is_as_wide_as_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (100, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        widest = max(map(len, run("classify", "--help").out.splitlines()))
        assert columns - 30 < widest < columns


def test_the_installed_command_and_the_module_agree(tmp_path: Path) -> None:
    installed = spawn(tmp_path, script(), "classify", COFFEE)
    module = spawn(tmp_path, sys.executable, "-m", "sqznet", "classify", COFFEE)
    assert installed == module
    assert installed.code == 0
    assert rows(installed.out)[0][1] == "espresso"


def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    assert closed_pipe(script(), "classify", COFFEE, cwd=tmp_path) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [script(), "classify", COFFEE],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    assert_one_line(done.stderr)


def test_interrupting_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sqznet, "load", interrupted)
    assert run("classify", COFFEE) == (130, "", "")


def test_classifying_a_file_never_imports_numpy(tmp_path: Path) -> None:
    program = (
        "import sys, sqznet, sqznet.cli.main\n"
        "assert not {'PIL', 'numpy'} & set(sys.modules), 'importing sqznet is slow'\n"
        "assert sqznet.classify(sys.argv[1])[0].label == 'espresso'\n"
        "assert sqznet.cli.main.main(['classify', sys.argv[1]]) == 0\n"
        "assert sqznet.cli.main.main(['info']) == 0\n"
        "assert 'numpy' not in sys.modules\n"
    )
    code, _, err = spawn(tmp_path, sys.executable, "-c", program, COFFEE)
    assert (code, err) == (0, "")


def test_preprocessing_by_name(run: Run) -> None:
    _, usual, _ = run("classify", COFFEE)
    assert run("classify", "--preprocessing", "squash-bgr", COFFEE) == (0, usual, "")
    code, other, err = run("classify", "--preprocessing", "torchvision", COFFEE)
    assert (code, err) == (0, "")
    assert other != usual
    code, out, err = run("classify", "--preprocessing", "sepia", COFFEE)
    assert (code, out) == (2, "")
    assert "'sepia' is unknown, expected one of torchvision, caffe" in err
