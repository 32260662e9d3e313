"""The Dockerfile and the unit for systemd fit the package: commands, extras, files, paths."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from sqznet.cli.main import COMMANDS, parser_of

from ..support.isolated import run_script
from ..support.places import ROOT

DOCKERFILE, UNIT = ROOT / "Dockerfile", ROOT / "deploy" / "sqznet-watch.service"

pytestmark = pytest.mark.skipif(
    not (ROOT / "docs" / "tutorials" / "docker.md").is_file(),
    reason="the tests are not beside the docs",
)


def instructions(name: str) -> list[str]:
    """The arguments of each instruction with this name."""
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(rf"^(?:{name}) +(.*)$", text, re.MULTILINE)


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have capitals
    parser.read(UNIT, encoding="utf-8")
    return parser


def check_command(words: list[str]) -> None:
    """That the parser takes the words behind ``sqznet``."""
    assert words[0] in COMMANDS
    parser_of([words[0]])[0].parse_args(words)


def test_both_stages_have_a_python_that_is_supported() -> None:
    images = [line.split()[0] for line in instructions("FROM")]
    assert len(images) == 2
    assert len(set(images)) == 1
    version = re.findall(r"python:([\d.]+)-slim", images[0])[0]
    classifiers = distribution("sqznet").metadata.get_all("Classifier") or []
    assert f"Programming Language :: Python :: {version}" in classifiers


def test_the_image_installs_extras_that_exist() -> None:
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', "\n".join(instructions("RUN")))
    known = distribution("sqznet").metadata.get_all("Provides-Extra") or []
    assert set(extras.split(",")) <= set(known)


def test_the_image_runs_the_command_without_rights() -> None:
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["sqznet"]
    (user,) = instructions("USER")
    assert int(user) > 0
    assert f"--uid {user} " in "\n".join(instructions("RUN"))


def test_the_health_check_passes() -> None:
    (check,) = instructions("HEALTHCHECK")
    program, option, code = json.loads(check[check.index("[") :])
    assert (program, option) == ("python", "-c")
    run_script(code)


def test_all_that_is_built_reaches_the_image() -> None:
    """.dockerignore lets nothing pass but what it names."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    named = {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in named)
    built = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert {"CMakeLists.txt", "pyproject.toml", "sqznet", "csrc"} <= named
    for name in set(re.findall(r"\b(cmake|csrc)/", built)) | set(re.findall("README.md", settings)):
        assert name in named
    assert set(re.findall(r'license-files = \["(\w+)", "(\w+)"\]', settings)[0]) <= named


def test_the_commands_of_the_tutorials_exist() -> None:
    docker = (ROOT / "docs" / "tutorials" / "docker.md").read_text(encoding="utf-8")
    lines = re.findall(r"^docker run .*?(?<!/)\bsqznet (\w.*)$", docker, re.MULTILINE)
    assert len(lines) > 4
    for line in lines:
        check_command(shlex.split(re.split(r" [<>] ", line)[0]))


def test_the_unit_runs_the_command_of_the_tutorial() -> None:
    program, *words = shlex.split(unit()["Service"]["ExecStart"])
    page = (ROOT / "docs" / "tutorials" / "raspberry-pi.md").read_text(encoding="utf-8")
    assert f"python3 -m venv --system-site-packages {Path(program).parents[1]}" in page
    check_command(words)
    assert "--fps 1 --format jsonl" in page
    assert f"/var/lib/{unit()['Service']['StateDirectory']}" in page


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8")
    program = shlex.split(unit()["Service"]["ExecStart"])[0]
    copied = tmp_path / UNIT.name
    copied.write_text(text.replace(program, sys.executable), encoding="utf-8")
    command = ["systemd-analyze", "verify", str(copied)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
