"""One command for each check: `nox -s lint`, `nox -s tests`, ...; `nox -l` lists them.

.ci/run runs the checks that must pass before a change is merged.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
NO_TESTS_COLLECTED = 5  # pytest's exit code

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "tests"]


def requirements(*extras: str) -> list[str]:
    """The dependencies of the package and these extras in pyproject.toml, without the package."""
    project = nox.project.load_toml(ROOT / "pyproject.toml")["project"]
    found = list(project["dependencies"])
    for extra in extras:
        found += project["optional-dependencies"][extra]
    return found


def shared_environment() -> dict[str, str]:
    """The location of the real-data folder, if there is one, for tests that run in a copy."""
    shared = Path(os.environ.get("SQZNET_SHARED", ROOT.parent / "shared")).resolve()
    return {"SQZNET_SHARED": str(shared)} if shared.is_dir() else {}


@contextmanager
def fresh_copy() -> Iterator[Path]:
    """A copy of the files that git tracks or would add: no environment, no build products."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with tempfile.TemporaryDirectory(prefix="sqznet-") as folder:
        for name in os.fsdecode(listed.stdout).split("\0"):
            source = ROOT / name
            if name and source.is_file():
                target = Path(folder) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        yield Path(folder)


def run_readme(session: nox.Session, index: int) -> None:
    """Runs one of the README's shell blocks as printed, in a place without any setup."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    command = re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)[index]
    with fresh_copy() as folder, session.chdir(folder):
        session.run("bash", "-ec", command, external=True, env=shared_environment())


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, C++ layout, the Dockerfile, and the settings for building wheels elsewhere."""
    session.install("nox", *requirements("lint", "test"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    sources = [p for p in sorted((ROOT / "csrc").rglob("*")) if p.suffix in {".cpp", ".h"}]
    session.run(
        "clang-format", "--dry-run", "-Werror", *(str(p.relative_to(ROOT)) for p in sources)
    )
    workflows = map(str, sorted(ROOT.glob(".github/workflows/*.yml")))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("hadolint", "Dockerfile")
    for system, archs in WHEELS.items():
        options = ["--platform", system, "--archs", archs]
        session.run("cibuildwheel", *options, "--print-build-identifiers", silent=True)


# The wheels of .github/workflows/wheels.yml, which has one machine for each architecture.
WHEELS = {"linux": "x86_64,aarch64,armv7l", "macos": "x86_64,arm64", "windows": "AMD64,ARM64"}


@nox.session(venv_backend="none")
def demo(session: nox.Session) -> None:
    """The README's first command: build, install, classify a photo."""
    run_readme(session, 0)


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """The README's second command: the test suite with the installed package."""
    run_readme(session, 1)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site, into build/site, and the snippets of its pages."""
    session.install(f"{ROOT}[docs,completion,video]", "pytest>=8", objects(session))
    session.run("mkdocs", "build", "--strict", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})
    session.run("pytest", *tests_of(("repository/site", "repository/snippets")))


@nox.session
def build(session: nox.Session) -> None:
    """The sdist, the wheel from it (in dist/; warnings are errors), and the long tests with it."""
    session.install("build")
    fresh = Path(session.create_tmp()) / "dist"
    shutil.rmtree(fresh, ignore_errors=True)
    strict = "-Ccmake.define.SQZ_WERROR=ON"
    session.run("python", "-m", "build", strict, "--outdir", str(fresh), str(ROOT))
    (ROOT / "dist").mkdir(exist_ok=True)
    for package in fresh.iterdir():
        shutil.copy2(package, ROOT / "dist")
    (wheel,) = fresh.glob("*.whl")
    session.install(f"{wheel}[test]")
    # The script `pytest`, unlike `python -m pytest`, leaves the source folder off the path.
    session.run("pytest", "-m", "slow", "tests", success_codes=[0, NO_TESTS_COLLECTED])


CROSSCHECKED = (
    "ncnn",
    "onnx",
    "opencv",
    "pycocotools",
    "pyinstaller",
    "ray",
    "safetensors",
    "serve",
    "torch",
)


@nox.session
def crosscheck(session: nox.Session) -> None:
    """Weights files compared with the engines and libraries that they are made for, average
    precision with pycocotools, a program that PyInstaller builds, the server asked by Triton's
    client and a browser (chromium), and a Ray cluster that loses a node."""
    extras = ("test", *(f"test-{name}" for name in CROSSCHECKED))
    session.install(f"{ROOT}[{','.join(extras)}]")
    names = (
        "weights/*",
        "detection/pycocotools",
        "engine/rounded_layers",
        "frozen",
        "ray/*",
        "serving/*",
    )
    session.run("pytest", "-m", "slow or not slow", *tests_of(names))


@nox.session
def sanitize(session: nox.Session) -> None:
    """The tests with a build with AddressSanitizer and UBSan (needs g++)."""
    # libstdc++ too, or AddressSanitizer cannot find the function that throws exceptions.
    options = {
        "ASAN_OPTIONS": "detect_leaks=0",  # Python itself leaks at its end
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",  # Python's own arenas would hide overruns
    }
    runtimes = ("libasan.so", "libubsan.so", "libstdc++.so")
    environment = sanitized(session, "address,undefined", runtimes, options)
    session.run("pytest", *(session.posargs or tests_of(COMPILED)), env=environment)


@nox.session
def tsan(session: nox.Session) -> None:
    """The tests of what runs on several threads, on a build with ThreadSanitizer (needs g++)."""
    options = {"OPENBLAS_NUM_THREADS": "1"}  # NumPy's threads synchronize unseen
    environment = sanitized(session, "thread", ("libtsan.so",), options)
    # The runtime of GCC 12 finds no place for its own memory where addresses vary by more bits.
    bits = Path("/proc/sys/vm/mmap_rnd_bits")
    steady = ["setarch", "-R"] if bits.exists() and int(bits.read_text()) > 28 else []
    # -s: a report about a test that passes would be lost, though not its exit code.
    chosen = session.posargs or ["-k", RACING, "tests"]
    session.run(*steady, "pytest", "-s", "-rsfE", *chosen, external=True, env=environment)


def sanitized(
    session: nox.Session, names: str, runtimes: tuple[str, ...], options: dict[str, str]
) -> dict[str, str]:
    """Installs a build with these sanitizers; the environment in which to run it.

    Python itself is not built with them, so their runtimes must come first into the process.
    """
    session.install(
        f"{ROOT}[test]",
        f"--config-settings=cmake.define.SQZ_SANITIZE={names}",
        "--config-settings=install.strip=false",  # reports name functions
        objects(session),
        env={"CC": "gcc", "CXX": "g++"},
    )
    paths = [
        subprocess.check_output(["g++", f"-print-file-name={name}"], text=True).strip()
        for name in runtimes
    ]
    environment = {"LD_PRELOAD": ":".join(paths), **options, **shared_environment()}
    marker = "__" + runtimes[0].removeprefix("lib").removesuffix(".so") + "_init"
    session.run("python", "-I", "-c", SANITIZED, marker, env=environment)
    return environment


def objects(session: nox.Session) -> str:
    """Has the session compile in a folder of its own, as deep as the default one: ccache knows the
    files of other sessions by their relative paths."""
    return f"--config-settings=build-dir=build/{session.name}"


def tests_of(names: tuple[str, ...]) -> list[str]:
    """The files of tests with these names, each after its folder; * matches anything."""
    found: dict[str, None] = {}
    for name in names:
        folder, _, rest = name.rpartition("/")
        files = sorted((ROOT / "tests" / folder).glob(f"test_{rest}.py"))
        assert files, name
        found |= {str(path): None for path in files}
    return list(found)


# Tests that give the compiled modules new inputs; the others would only take time.
COMPILED = (
    "batch/photos", "classify", "engine/bands", "engine/cpu", "engine/executor",
    "engine/feature_maps", "engine/golden", "engine/rounded_layers", "engine/threads",
    "images/decoding", "images/preprocessing", "kernels/*", "model", "watching/frames",
)  # fmt: skip

# Tests of what another compiler may change.
KERNELS = (
    "engine/accuracy", "engine/cpu*", "engine/executor", "engine/golden", "engine/half",
    "engine/int8",
    "images/preprocessing", "kernels/*",
)  # fmt: skip

# Tests of what reads files, counts bytes and plans memory.
COUNTING = ("engine/*", "files/*", "images/*", "network/*", "quantization/*", "weights/*")

# Tests of what several threads use at the same time.
THREADED = (
    "batch/*", "classify", "engine/executor", "engine/free_threading", "engine/threads", "model",
    "watching/live",
)  # fmt: skip

# Tests whose names say that several threads meet, and whose time is not mostly Python's. After a
# fork ThreadSanitizer lets the child start no threads.
RACING = "(thread or callers or gate) and not (fork or scalar or cli or learning)"

SANITIZED = """
import pathlib, sys, sqznet._kernels, sqznet._pixels
for module in (sqznet._kernels, sqznet._pixels):
    assert sys.argv[1].encode() in pathlib.Path(module.__file__).read_bytes(), module
"""


@nox.session
def clang(session: nox.Session) -> None:
    """The tests of the kernels with a build by clang; warnings are errors."""
    session.install(
        f"{ROOT}[test]",
        "--config-settings=cmake.define.SQZ_WERROR=ON",
        objects(session),
        env={"CC": "clang", "CXX": "clang++"},
    )
    session.run("pytest", *tests_of(KERNELS), env=shared_environment())


@nox.session
def avx512(session: nox.Session) -> None:
    """The tests of the kernels for AVX-512 and VNNI without either: SIMDe emulates them by AVX2."""
    session.install("simde-py==0.8.2.post1")
    find = "import simde_py; print(simde_py.get_include())"
    headers = session.run("python", "-c", find, silent=True)
    assert isinstance(headers, str)
    session.install(
        f"{ROOT}[test]",
        f"--config-settings=cmake.define.SQZ_SIMDE={headers.strip()}",
        objects(session),
    )
    session.run("python", "-I", "-c", NO_AVX512)
    session.run("pytest", "-k", "avx512 or vnni", "tests", env=shared_environment())


# The build has the kernels but no AVX-512 instruction: none uses a register of 512 bits.
NO_AVX512 = """
import subprocess, sqznet._kernels as k
assert k.kernels_named("avx512").f32.lanes == 16
code = subprocess.run(["objdump", "-d", k.__file__], capture_output=True, text=True, check=True)
assert "%ymm" in code.stdout and "%zmm" not in code.stdout and "%k1" not in code.stdout
"""


@nox.session
def free_threading(session: nox.Session) -> None:
    """The tests of threads, with a Python without its global lock, built from source."""
    session.install("pip>=24.1")  # the first to support wheels of such a Python
    session.run("scripts/free_threading.sh", external=True)
    built = ROOT / "build" / "free-threading" / "python" / "bin" / "python3.13t"
    folder = Path(session.create_tmp()) / "venv"
    session.run(str(built), "-m", "venv", "--without-pip", "--clear", str(folder), external=True)
    pip = ["python", "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "-q"]
    session.run(*pip, str(ROOT), "pytest>=8", "hypothesis==6.130.0")
    pytest = [str(folder / "bin" / "pytest"), "-rsfE", *tests_of(THREADED)]
    session.run(*pytest, external=True, env=shared_environment())


@nox.session
def wheel_aarch64(session: nox.Session) -> None:
    """The wheel for 64-bit ARM boards, cross-built on Debian 12 for x86-64 (docs/arm.md)."""
    cross_build(session, "aarch64")


@nox.session
def wheel_armv7l(session: nox.Session) -> None:
    """The wheel for 32-bit ARM boards, built in the same way."""
    cross_build(session, "armv7l")


@nox.session
def armv6(session: nox.Session) -> None:
    """The package for ARMv6, cross-built in 512 MB, and its kernels on an emulated ARM1176."""
    cross_build(session, "armv6l")
    command = ["scripts/emulate.sh", "armv6l", "arm1176", "-rsfE"]
    tests = tests_of(("engine/threads", "kernels/bindings", "kernels/resize"))
    session.run(*command, *tests, external=True, env=shared_environment())


def cross_build(session: nox.Session, arch: str) -> None:
    session.install("pytest>=8")
    session.run("scripts/cross.sh", arch, external=True)
    session.run("pytest", "-rsfE", "-k", arch, "tests/test_cross_wheel.py")


@nox.session(venv_backend="none")
def clang_aarch64(session: nox.Session) -> None:
    """The tests of the kernels on emulated ARM with a build by clang, after wheel_aarch64."""
    session.run("scripts/cross.sh", "aarch64", "clang", external=True)
    folder = ROOT / "build" / "cross" / "aarch64"
    environment = {"PYTHONPATH": str(folder / "clang" / "package"), **shared_environment()}
    python = [str(folder / "python" / "bin" / "python3"), "-P"]
    found = "import sqznet; assert '/clang/package/' in sqznet.__file__, sqznet.__file__"
    session.run(*python, "-c", found, external=True, env=environment)
    command = ["scripts/emulate.sh", "aarch64", "cortex-a53", "-k", "neon"]
    session.run(*command, *tests_of(("kernels/*",)), external=True, env=environment)


# Wheels, and processors by qemu's names.
EMULATED = [("aarch64", "cortex-a53"), ("aarch64", "max,sme=off"), ("armv7l", "cortex-a7")]


@nox.session(venv_backend="none")
@nox.parametrize("arch,cpu", EMULATED, ids=["cortex-a53", "max", "cortex-a7"])
def emulate(session: nox.Session, arch: str, cpu: str) -> None:
    """These wheels on emulated processors: installation, one photo, tests (docs/arm.md).

    Those that may find what is peculiar to the processor; with 32 bits, where a number may have
    other sizes than on x86-64, also those of all that counts bytes.
    """
    session.run("scripts/try_wheel.sh", arch, cpu, external=True)
    patterns = {
        "cortex-a53": (*COMPILED, *KERNELS),
        "max,sme=off": KERNELS,
        "cortex-a7": (*COMPILED, *KERNELS, *COUNTING),
    }
    chosen = session.posargs or tests_of(patterns[cpu])
    command = ["scripts/emulate.sh", arch, cpu, "-rsfE", *chosen]
    session.run(*command, external=True, env=shared_environment())


@nox.session
def benchmarks(session: nox.Session) -> None:
    """The benchmarks' own tests; each engine that is installed answers, but none is timed."""
    plugins = ("pytest", "pytest-benchmark", "matplotlib")
    chosen = [r for r in requirements("bench") if re.split("[>=]", r)[0] in plugins]
    session.install(str(ROOT), *chosen, objects(session))
    session.run("pytest", "-rsfE", "--benchmark-disable", "benchmarks", env=shared_environment())


@nox.session
def bench(session: nox.Session) -> None:
    """Compares sqznet with other engines; arguments after -- go to the comparison."""
    session.install(f"{ROOT}[bench]")
    session.run("python", "-m", "benchmarks.compare", *session.posargs)


@nox.session
def compare_builds(session: nox.Session) -> None:
    """Whether a build is slower or larger: -- OLD [NEW], wheels or revisions; NEW: the sources."""
    session.install(*requirements())
    session.run("python", "-m", "benchmarks.compare_builds", *session.posargs)


@nox.session
def report(session: nox.Session) -> None:
    """All measurements, tables and plots of docs/ and the README; needs an idle machine."""
    session.install(f"{ROOT}[bench]")
    session.run("python", "-m", "benchmarks.report_all", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Hostile files, interrupts, forks, stopped writers, memory over ten minutes; -- --help."""
    session.install(str(ROOT), objects(session))
    session.run("python", "-m", "benchmarks.soak", *session.posargs)


@nox.session
def weights(session: nox.Session) -> None:
    """Rebuilds the bundled files from their sources and checks that they are the same."""
    session.install(*requirements())
    session.run("python", "tools/make_bundled_weights.py", "--check")
    session.run("python", "tools/make_synsets.py", "--check")
    session.run("python", "tools/make_hierarchy.py", "--check")
