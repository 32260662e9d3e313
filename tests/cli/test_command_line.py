"""What stands around the commands: help, photos without a command, misspelled words, -q and -v,
and completion."""

from __future__ import annotations

import io
import json
import logging
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sqznet
from sqznet.cli.common import Parser
from sqznet.cli.main import COMMANDS, parser_of

from ..support.commands import Run
from ..support.patterns import write_folder
from ..support.places import EXAMPLES

COFFEE, CHELSEA = EXAMPLES / "coffee.jpg", EXAMPLES / "chelsea.jpg"


class Stdin:
    """Standard input with these bytes."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


# --- Help ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args", [(), ("-h",), ("help",), ("help", "--help"), ("help", "help"), ("-q",)]
)
def test_help_is_what_is_shown_without_a_command(run: Run, args: tuple[str, ...]) -> None:
    assert run(*args) == run("--help")
    code, out, err = run(*args)
    assert (code, err) == (0, "")
    assert all(f"    {name} " in out.replace("\n", " \n") for name in COMMANDS)
    assert "sqznet photo.jpg" in out


def test_help_of_a_command(run: Run) -> None:
    assert run("help", "learn") == run("learn", "--help")
    code, out, err = run("help", "lern")
    assert (code, out) == (2, "")
    assert err == "sqznet: no command 'lern', did you mean learn? (see 'sqznet --help')\n"


def test_version(run: Run) -> None:
    assert run("-V") == run("--version") == (0, f"sqznet {sqznet.__version__}\n", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_it_understands(run: Run, name: str) -> None:
    assert "\nexamples:\n" in run(name, "--help").out
    parser, commands = parser_of()
    examples = commands[name].examples
    assert any(f"sqznet {name}" in line for line in examples)
    for line in examples:
        words = shlex.split(line, comments=True)
        words = words[words.index("sqznet") + 1 :]
        for sign in ("<", ">"):
            words = words[: words.index(sign)] if sign in words else words
        args = parser.parse_args(words)
        assert args.command in (name, "classify", "detect")
    for option in ("-q", "-v"):
        assert option in run(name, "--help").out


def test_an_option_means_the_same_everywhere() -> None:
    meanings: dict[str, set[tuple[str, object]]] = {}
    for command in parser_of()[1].values():
        for action in command.arguments:
            for option in action.option_strings:
                meanings.setdefault(option, set()).add((action.dest, action.metavar))
    for short, long in (("-o", "--output"), ("-q", "--quiet"), ("-v", "--verbose")):
        assert meanings[short] == meanings[long]
    varied = {option for option, uses in meanings.items() if len(uses) > 1}
    assert varied <= {"-o", "--output", "--json"}  # FILE or OUT; a format of classify's


def test_every_command_that_prints_a_result_prints_json(
    run: Run, small: Path, tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    (shown / "class 0").mkdir(parents=True)
    shutil.copy(COFFEE, shown / "class 0")
    commands: dict[str, tuple[object, ...]] = {
        "classes": ("--model", small),
        "classify": (COFFEE, "--model", small),
        "detect": (COFFEE, "--size", "128"),
        "evaluate": (shown, "--model", small),
        "identify": (small,),
        "info": (),
        "similar": (COFFEE, EXAMPLES, "--model", small),
    }
    for name, args in commands.items():
        code, out, _ = run(name, *args, "--json")
        assert code == 0
        assert json.loads(out), name
    named = {name for name, command in parser_of()[1].items() if has(command, "--json")}
    assert named == {*commands, "bench", "verify"}  # which take longer and have tests of their own


def has(command: Parser, option: str) -> bool:
    return any(option in action.option_strings for action in command.arguments)


# --- What was meant --------------------------------------------------------------------------


def test_a_photo_without_a_command_is_classified(run: Run, small: Path) -> None:
    for args in ((COFFEE,), (COFFEE, CHELSEA, "--top", "1"), (EXAMPLES, "--format", "csv")):
        assert run(*args, "--model", small) == run("classify", *args, "--model", small)
    code, out, err = run("absent.jpg")
    assert (code, out, err) == (1, "", "sqznet: absent.jpg: no such file\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("clasify", "x.jpg"), "no command 'clasify', and no such file, did you mean classify?"),
        (("Watch",), "no command 'Watch', and no such file, did you mean watch?"),
        (("hlep",), "no command 'hlep', and no such file, did you mean help?"),
        (("frobnicate",), "no command 'frobnicate', and no such file"),
        (
            ("--top", "1", "x.jpg"),
            "unknown option --top: the options of a command follow it, or a photo",
        ),
        (("bad\nword",), r"no command 'bad\nword', and no such file"),
    ],
)
def test_an_unknown_command_names_the_nearest(run: Run, args: tuple[str, ...], said: str) -> None:
    assert run(*args) == (2, "", f"sqznet: {said} (see 'sqznet --help')\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("classify", "x.jpg", "--tpo=3"), "unknown option --tpo, did you mean --top?"),
        (("classify", "x.jpg", "--zzzz"), "unknown option --zzzz"),
        (("classify", "x.jpg", "--outptu", "o.csv"), "unknown option --outptu, did you mean"),
        (("info", "x.jpg"), "unexpected argument 'x.jpg'"),
        (("classify", "x.jpg", "--json=yes"), "argument --json: ignored explicit argument 'yes'"),
        (("learn",), "the following arguments are required: DIR, -o/--output"),
        (("verify", "-q", "-v"), "-q and -v exclude each other"),
    ],
)
def test_errors_name_the_command_and_the_nearest_option(
    run: Run, args: tuple[str, ...], said: str
) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert err.startswith(f"sqznet: {said}")
    assert err.endswith(f"(see 'sqznet {args[0]} --help')\n")
    assert err.count("\n") == 1


# --- Standard input --------------------------------------------------------------------------


@pytest.mark.parametrize("args", [("classify", "-"), ("-",)])
def test_a_photo_on_standard_input(
    run: Run, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(COFFEE.read_bytes()))
    code, out, err = run(*args, "--top", "1")
    assert (code, err) == (0, "")
    assert out == "-\n  1  espresso   99.96 %\n"


@pytest.mark.parametrize("kind", ["png", "gif", "bmp", "tiff", "webp", "ppm", "ico"])
def test_photos_of_every_common_kind(
    run: Run, monkeypatch: pytest.MonkeyPatch, small: Path, kind: str
) -> None:
    from PIL import Image

    content = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(content, kind)
    monkeypatch.setattr(sys, "stdin", Stdin(content.getvalue()))
    code, out, err = run("classify", "-", "--model", small)
    assert (code, err) == (0, "")
    assert out.startswith("-\n  1  ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (COFFEE.read_bytes()[:9000], "cannot be decoded: image file is truncated"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "an MP4 or QuickTime video"),
    ],
)
def test_what_is_no_readable_photo_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, small: Path, content: bytes, said: str
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(content))
    code, out, err = run("classify", "-", "--model", small)
    assert (code, out) == (1, "")
    assert err.startswith(f"sqznet: -: {said}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"])
def test_a_list_on_standard_input_stays_a_list(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: Path, end: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["BMW.jpg", "P6 1.jpg", "GIF8.jpg", "II.jpg", "RIFF.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(COFFEE.read_bytes())
    content = b"".join(name.encode() + end for name in names)
    for first in range(len(names)):
        monkeypatch.setattr(sys, "stdin", Stdin(content[content.index(names[first].encode()) :]))
        code, out, err = run("classify", "-", "--top", "1", "--model", small)
        assert (code, err) == (0, "")
        assert [line for line in out.splitlines() if line.endswith(".jpg")] == names[first:]


def test_a_photo_on_standard_input_beside_files(
    run: Run, monkeypatch: pytest.MonkeyPatch, small: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(COFFEE.read_bytes()))
    target = tmp_path / "answers.csv"
    code, out, _ = run("classify", CHELSEA, "-", "--top", "1", "--model", small, "-o", target)
    assert (code, out) == (0, f"{target}: 2 photos\n")
    assert [line.split(",")[0] for line in target.read_text().splitlines()[1:]] == [
        str(CHELSEA),
        "-",
    ]


def test_a_photo_on_standard_input_is_drawn_and_embedded(
    run: Run, monkeypatch: pytest.MonkeyPatch, small: Path, tmp_path: Path, draws_text: None
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (("classify", "--draw", "drawn"), ("embed", "-o", "vectors.npz")):
        monkeypatch.setattr(sys, "stdin", Stdin(COFFEE.read_bytes()))
        code, _, err = run(*command, "--model", small, "-")
        assert (code, err) == (0, "")
    assert (tmp_path / "drawn" / "-.jpg").is_file()
    assert (tmp_path / "vectors.npz").is_file()


def test_a_pipe(tmp_path: Path, small: Path) -> None:
    command = [sys.executable, "-m", "sqznet", "classify", "-", "--model", small, "--top", "1"]
    done = subprocess.run(command, cwd=tmp_path, input=COFFEE.read_bytes(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"-\n  1  class ")


# --- Less and more ---------------------------------------------------------------------------


def test_classify_and_embed_say_what_they_wrote(run: Run, tmp_path: Path, small: Path) -> None:
    table, vectors = tmp_path / "answers.csv", tmp_path / "vectors.npz"
    options = ("--model", small, "-o")
    assert run("classify", COFFEE, *options, table).out == f"{table}: 1 photo\n"
    out = run("classify", COFFEE, CHELSEA, *options, table, "--resume").out
    assert out == f"{table}: 1 photo added\n"
    assert run("embed", COFFEE, *options, vectors).out == f"{vectors}: 1 vector of 19 numbers\n"


@pytest.mark.parametrize("command", ["classify", "embed", "convert", "learn", "explain"])
def test_quiet_commands_write_their_file_and_say_nothing(
    run: Run, tmp_path: Path, small: Path, command: str
) -> None:
    suffix = {"classify": "csv", "embed": "npz", "convert": "npz", "learn": "sqz"}
    target = tmp_path / f"result.{suffix.get(command, 'png')}"
    shown = write_folder(tmp_path / "shown", ("rings", "checks"), 1)
    (shown / "rings" / "notes.txt").write_text("no photo")
    args = {
        "classify": (shown, "-o", target, "--model", small),
        "embed": (shown, "-o", target, "--model", small),
        "convert": (small, target),
        "learn": (shown, "-o", target, "--model", small),
        "explain": (COFFEE, "-o", target, "--model", small),
    }[command]
    code, out, _ = run(command, *args)
    assert code == 0
    assert out.startswith(f"{target}: ")
    target.unlink()
    for quiet in ((command, *args, "-q"), ("--quiet", command, *args)):
        assert run(*quiet) == (0, "", "")
        assert target.is_file()


def test_quiet_commands_still_print_results_and_errors(run: Run, small: Path) -> None:
    options = ("--model", small, "--top", "1")
    code, out, err = run("-q", COFFEE, "absent.jpg", *options)
    assert (code, err) == (1, "sqznet: absent.jpg: no such file\n")
    assert out == run("classify", COFFEE, *options).out
    code, out, err = run("learn", "-q", EXAMPLES, "-o", "x.sqz", "--model", small)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert logging.getLogger("sqznet").level == logging.NOTSET  # as before
    assert run("classify", EXAMPLES, *options).err  # nor is a later command quiet


def test_verbose_commands_say_what_they_use_and_where_errors_arise(run: Run, small: Path) -> None:
    code, out, err = run("-v", COFFEE, "--model", small, "--top", "1", "--threads", "1")
    assert code == 0
    assert out == run("classify", COFFEE, "--model", small, "--top", "1", "--threads", "1").out
    assert err.startswith("sqznet: uses <sqznet.Model squeezenet1_1, 7 classes, ")
    code, _, err = run("classify", "absent.jpg", "-v", "--model", small)
    assert code == 1
    assert "Traceback (most recent call last)" in err
    assert err.endswith("sqznet: absent.jpg: no such file\n")
    assert "Traceback" not in run("classify", "absent.jpg", "--model", small).err


# --- Completion ------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_script_for_completion(run: Run, shell: str) -> None:
    pytest.importorskip("shtab", reason="shtab is not installed: pip install shtab")
    code, out, err = run("completion", shell)
    assert (code, err) == (0, "")
    assert all(name in out for name in COMMANDS)
    assert "min-score" in out


def test_bash_completes_commands_options_and_files(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("shtab", reason="shtab is not installed: pip install shtab")
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    script = tmp_path / "sqznet.bash"
    script.write_text(run("completion", "bash").out)
    (tmp_path / "photo.jpg").touch()

    def completed(*words: str) -> list[str]:
        line = (
            f"source {script}; COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; "
            '_shtab_sqznet; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
        return done.stdout.split()

    assert completed("sqznet", "classi") == ["classify"]
    assert completed("sqznet", "learn", "--mir") == ["--mirror"]
    assert "photo.jpg" in completed("sqznet", "classify", "pho")


def test_without_shtab_there_is_a_hint(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    code, out, err = run("completion", "bash")
    assert (code, out) == (1, "")
    assert err == "sqznet: completion needs shtab: pip install shtab\n"
