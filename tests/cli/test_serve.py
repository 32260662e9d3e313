"""`sqznet serve`, as a program of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ..support.commands import Run
from ..support.places import COFFEE
from ..support.serving import Running


def need_libraries() -> None:
    for library in ("starlette", "uvicorn", "prometheus_client", "python_multipart"):
        pytest.importorskip(library, reason=f"the server needs {library}")


def start(*options: str | Path, folder: Path, **environment: str) -> tuple[Any, Running]:
    """The program, in a folder without the sources, and what it serves."""
    command = [sys.executable, "-m", "sqznet", "serve", "--port", "0", *map(str, options)]
    program = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
    )
    assert program.stdout is not None
    url, _, _ = program.stdout.readline().partition(": ")
    return program, Running(url)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_sigterm_ends_it_when_all_is_answered(coarse: Path, tmp_path: Path) -> None:
    need_libraries()
    program, server = start("--model", f"net={coarse}", folder=tmp_path, SQZNET_TOKEN="secret")
    photo = COFFEE.read_bytes()
    answers: list[int] = []
    accepted = threading.Barrier(5)

    def ask() -> None:
        connection = server.connection()
        connection.putrequest("POST", "/classify?model=net")
        connection.putheader("Authorization", "Bearer secret")
        connection.putheader("Content-Length", str(len(photo)))
        connection.endheaders(photo[:100])
        while "sqznet_requests_inside 4.0" not in metrics():
            pass
        accepted.wait(20)  # all are half sent
        accepted.wait(20)  # it was told to stop
        connection.send(photo[100:])
        answers.append(connection.getresponse().status)
        connection.close()

    def metrics() -> str:
        return server.get("/metrics", authorization="Bearer secret").body.decode()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    accepted.wait(20)
    program.send_signal(signal.SIGTERM)
    accepted.wait(20)
    for thread in threads:
        thread.join()
    out, err = program.communicate(timeout=60)
    assert answers == [200] * 4
    assert (program.returncode, out) == (0, "stopped, all that was accepted is answered\n")
    lines = [json.loads(line) for line in err.splitlines()]
    posts = [line for line in lines if line["method"] == "POST"]
    assert [(line["path"], line["status"]) for line in posts] == [("/classify", 200)] * 4
    assert all(line["event"] == "request" and line["ms"] > 0 for line in posts)


def test_ctrl_c_ends_it_too(coarse: Path, tmp_path: Path) -> None:
    need_libraries()
    program, server = start("--model", coarse, folder=tmp_path)
    assert server.get("/models").json["models"][0]["name"] == coarse.stem
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, len(err.splitlines())) == (0, 1)
    assert out.startswith("stopped")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--port", "70000"), "expected a port from 0 to 65535, got '70000'"),
        (("--max-seconds", "0"), "expected seconds above 0"),
        (("--batch-wait", "-1"), "expected milliseconds from 0 up"),
        (("--host", "no host"), "cannot listen on no host, port 8000"),
    ],
)
def test_wrong_options_are_said(
    run: Run, small: Path, options: tuple[str, ...], message: str
) -> None:
    need_libraries()
    code, out, err = run("serve", "--model", small, *options)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_wrong_files_are_said(run: Run, small: Path, tmp_path: Path) -> None:
    need_libraries()
    assert run("serve", "--model", "nothing.pth").code == 1
    code, _, err = run("serve", "--model", small, "--model", small)
    assert (code, "two models named 'small'" in err) == (2, True)
    code, _, err = run("serve", "--model", small, "--teach", tmp_path / "none" / "a.sqz")
    assert (code, "no such folder" in err) == (1, True)
    code, _, err = run("serve", "--model", small, "--teach", COFFEE)
    assert (code, err.startswith(f"sqznet: {COFFEE}")) == (1, True)


def test_a_missing_library_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette", None)
    code, out, err = run("serve")
    assert (code, out) == (2, "")
    assert "needs starlette: pip install starlette uvicorn" in err


def test_an_empty_token_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    need_libraries()
    monkeypatch.setenv("SQZNET_TOKEN", "")
    code, _, err = run("serve")
    assert (code, "SQZNET_TOKEN must be" in err) == (2, True)
