"""The command `sqznet identify`, and the option --labels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import sqznet

from ..support import networks
from ..support.commands import Run
from ..support.isolated import run_script
from ..support.places import CHELSEA


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return networks.save(tmp_path / "squeezenet1.0.safetensors", networks.tensors("squeezenet1_1"))


def test_a_table_of_aligned_rows(run: Run, small: Path) -> None:
    code, out, err = run("identify", small)
    assert (code, err) == (0, "")
    first, *lines = out.splitlines()
    assert first == str(small)
    columns = {match.end() for line in lines if (match := re.match(r"  \S+(?: \S+)*  +", line))}
    assert len(columns) == 1, "columns are not aligned"
    rows = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in lines if line[2] != " ")
    identity = sqznet.identify(small)
    assert rows["network"] == "squeezenet1_1 (its tensors)"
    assert rows["parameters"] == f"{identity.parameters:,}"
    assert rows["conv10 padding"] == "0 (the default for safetensors files)"
    assert rows["pooling"].startswith("ceil (")
    assert rows["sha256"] == identity.sha256
    assert rows["known as"] == "no known file"
    assert rows["warning"] == "named 1.0, holds 1.1"
    assert "cover 256 x 256, center 224 x 224 cropped" in out


def test_preprocessing_of_its_own(run: Run, tmp_path: Path) -> None:
    pre = sqznet.Preprocessing(99, "squash", "bgr", (1, 2, 3), (1, 1, 1))
    metadata = {"preprocessing": json.dumps(pre.to_dict())}
    path = networks.save(tmp_path / "w.safetensors", networks.tensors(), metadata)
    _, out, _ = run("identify", path)
    assert "of its own (the file's metadata)" in out
    assert "the photo squashed to 99 x 99\n" in out
    assert "BGR, 0 to 255, minus 1, 2, 3\n" in out


def test_json(run: Run, small: Path) -> None:
    expected = sqznet.identify(small).to_dict()
    code, out, err = run("identify", "--json", small)
    assert (code, json.loads(out), err) == (0, expected, "")
    code, out, err = run("identify", small, small, "--json")
    assert (code, json.loads(out), err) == (0, [expected, expected], "")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_unreadable_file_is_one_line_and_the_rest_is_described(
    run: Run, tmp_path: Path, small: Path, options: tuple[str, ...]
) -> None:
    bad = tmp_path / "bad.pth"
    bad.write_bytes(b"nothing of the kind")
    other = networks.save(tmp_path / "other.safetensors", {"w": networks.inputs(0, 1, 1, 1)})
    code, out, err = run("identify", bad, small, tmp_path / "absent", other, *options)
    assert code == 1
    lines = err.splitlines()
    for line, path in zip(lines, (bad, tmp_path / "absent", other), strict=True):
        assert line.startswith(f"sqznet: {path}")
        assert line.count(str(path)) == 1
    assert str(small) in out
    if options:
        assert [found["path"] for found in json.loads(out)] == [str(small)]
    assert run("identify", bad, *options)[:2] == (1, "")


def test_labels_from_a_file(run: Run, tmp_path: Path, small: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"my class {i}\n" for i in range(7)))
    code, out, err = run("classify", CHELSEA, "--model", small, "--labels", names, "--top=7")
    assert (code, err) == (0, "")
    assert sorted(re.findall(r"my class \d", out)) == [f"my class {i}" for i in range(7)]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"one\n", "7 classes, but there are 1 labels in "), (b"", "expected one class name a line")],
)
def test_labels_that_do_not_fit(
    run: Run, tmp_path: Path, small: Path, content: bytes, message: str
) -> None:
    names = tmp_path / "names.txt"
    names.write_bytes(content)
    code, out, err = run("classify", CHELSEA, "--model", small, "--labels", names)
    assert (code, out) == (1, "")
    assert err.startswith("sqznet: ")
    assert err.count("\n") == 1
    assert message in err
    assert err.count(str(names)) == 1


def test_one_command_does_not_import_the_others() -> None:
    run_script(
        """
        import sys
        from sqznet.cli.main import main
        assert main(["info"]) == 0
        mine = {name for name in sys.modules if name.startswith("sqznet.cli.")}
        shared = {"common", "interrupts", "main"}
        assert mine == {f"sqznet.cli.{name}" for name in {"info", *shared}}, mine
        assert "sqznet.weights.identity" not in sys.modules
        """
    )
