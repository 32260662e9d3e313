"""Counts the instructions for one image on AArch64, sqznet and others, under emulation.

`scripts/cross.sh aarch64` comes first; then `python -m benchmarks.instructions` prints the table.
All engines run the same weights on the same photo with one thread on an emulated Cortex-A72, or on
the processor that `--cpu` names: cortex-a76 has dot products and half precision, "max,sve=off" also
i8mm. ncnn_fp16 is ncnn as it is installed, which computes in half precision where it can. The 8-bit
networks are made from the same weights, each in its engine's way, calibrated with photos. The
count is that of an inference after the first: a quarter of the difference between a run of five and
a run of one, so that loading and packing cancel out. NumPy starts no threads, which would spin
meanwhile; the count is then exact. Instructions are not time: a count says nothing about caches and
memory, and little about a core that runs several at once.
"""

from __future__ import annotations

import argparse
import collections
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import network
from benchmarks.engines import get
from benchmarks.engines.base import SIZE, read_with_pillow
from benchmarks.material import ROOT, MissingError, find_photos, load_weights

ENGINES = (
    *("sqznet", "sqznet_fp16", "ncnn", "ncnn_fp16", "onnxruntime", "litert"),
    *("sqznet_int8", "ncnn_int8", "onnxruntime_int8", "litert_int8"),
)
# Millions of instructions for our int8 network, by processor and variant.
_GOALS = {("cortex-a76", "1.1"): 28.0, ("max,sve=off", "1.1"): 20.0}
PYTHON = "3.11"  # of the target, see scripts/cross.sh
_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
_MORE = 4  # inferences after the first
CROSS = ROOT / "build" / "cross" / "aarch64"
_SITE = CROSS / "python" / "lib" / f"python{PYTHON}" / "site-packages"
_RIVALS = CROSS / "rivals"
_WHEELS = ("ncnn", "onnxruntime", "ai-edge-litert")
# Arm's numbers of the cores that qemu emulates. Its `max`, which is none of them, is a Neoverse
# V1 to the engines, which do not start on a core that they do not know.
_PARTS = {"cortex-a53": 0xD03, "cortex-a72": 0xD08, "cortex-a76": 0xD0B}
_NEOVERSE_V1 = 0xD40


#: Instructions executed in each block, whose key is its code in hexadecimal.
Executed = collections.Counter[str]


class Counter:
    """Runs Python scripts in the emulated Python and counts what they execute."""

    def __init__(self, folder: Path, cpu: str) -> None:
        self._folder = folder
        self._plugin = folder / "count.so"
        steady = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
        self._environment = {**os.environ, "QEMU_CPU": cpu, **steady}
        source = Path(__file__).with_name("count_plugin.c")
        flags = ["-O2", "-fPIC", "-shared"]
        subprocess.run(["gcc", *flags, str(source), "-o", str(self._plugin)], check=True)

    def inference(
        self, engine: str, model: str, source: Path, package: Path = _SITE
    ) -> tuple[int, int]:
        """The instructions of one inference of the input in `source` (.npy), and the class.

        package: the folder in which sqznet is looked for first.
        """
        executed, label = self.blocks(engine, model, source, package)
        return executed.total(), label

    def blocks(
        self, engine: str, model: str, source: Path, package: Path = _SITE
    ) -> tuple[Executed, int]:
        """The same, block by block."""
        target = self._folder / "logits.npy"
        arguments = (engine, model, str(source), str(target))
        once, often = (
            self._run("benchmarks.counted_child", *arguments, str(1 + more), package=package)
            for more in (0, _MORE)
        )
        often.subtract(once)
        executed = Executed({code: count // _MORE for code, count in often.items()})
        return executed, int(np.load(target).argmax())

    def run(self, module: str, *arguments: str) -> int:
        """Instructions executed by `python -m module arguments`."""
        return self._run(module, *arguments, package=_SITE).total()

    def _run(self, module: str, *arguments: str, package: Path) -> Executed:
        sysroot, counts = CROSS / "sysroot", self._folder / "counts"
        path = os.pathsep.join(map(str, (package, _SITE, _RIVALS, ROOT)))
        qemu = ["qemu-aarch64", "-L", str(sysroot), "-plugin", f"{self._plugin},out={counts}"]
        python = [str(sysroot / "usr" / "bin" / f"python{PYTHON}"), "-s", "-m", module]
        environment = {**self._environment, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        # Not in the source folder, whose package has no compiled modules.
        subprocess.run([*qemu, *python, *arguments], env=environment, cwd=self._folder, check=True)
        executed = Executed()
        for line in counts.read_text(encoding="ascii").splitlines():
            _, count, code = line.split()
            executed[code] += int(count)
        return executed


def need_wheel() -> None:
    """Exits with a hint if there is no wheel to run."""
    if not (CROSS / "python").is_dir():
        raise SystemExit("no wheel for AArch64: run scripts/cross.sh aarch64 first")


def fetch_rivals(engines: Sequence[str]) -> None:
    """If rivals are among the engines, the AArch64 wheels of all, unpacked from PyPI."""
    ours = all(engine.startswith("sqznet") for engine in engines)
    if ours or (_RIVALS / "ai_edge_litert").is_dir():
        return
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:"]
    command += ["--target", str(_RIVALS), "--python-version", PYTHON, "--upgrade"]
    for platform in _PLATFORMS:
        command += ["--platform", platform]
    subprocess.run([*command, *_WHEELS], check=True)


def describe_processor(cpu: str) -> None:
    """Writes the file by which onnxruntime and LiteRT know the processor.

    qemu passes /proc/cpuinfo of this machine to the program, in whose text both find no ARM core,
    unless the emulated system has a file of its own.
    """
    lines = ("processor\t: 0", "CPU implementer\t: 0x41", "CPU architecture: 8")
    part = _PARTS.get(cpu, _NEOVERSE_V1)
    core = ("CPU variant\t: 0x0", f"CPU part\t: {part:#05x}", "CPU revision\t: 0")
    file = CROSS / "sysroot" / "proc" / "cpuinfo"
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join((*lines, *core, "")), encoding="ascii")


def prepare(engine: str, variant: str, photo: Path, folder: Path) -> tuple[str, Path]:
    """Writes the engine's model and the network's input to a new folder."""
    folder.mkdir(parents=True)
    source = folder / "input.npy"
    np.save(source, read_with_pillow(str(photo)))
    plan, weights = network.layers(variant), load_weights(variant)
    return get(engine).write(plan, weights, (1, SIZE, SIZE), folder), source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photo", type=Path, help="a JPEG (default: the first of the usual ones)")
    parser.add_argument("--cpu", default="cortex-a72", help="qemu's name of the processor")
    parser.add_argument(
        "--engines", type=engine_names, default=ENGINES, help=f"of: {', '.join(ENGINES)}"
    )
    parser.add_argument("--variants", type=lambda text: text.split(","), default=["1.1", "1.0"])
    options = parser.parse_args()
    need_wheel()
    photo: Path = options.photo or find_photos()[0]
    fetch_rivals(options.engines)
    describe_processor(options.cpu)
    goals = {variant: goal for (cpu, variant), goal in _GOALS.items() if cpu == options.cpu}
    print(f"Millions of instructions per image, one thread, {options.cpu}, {photo.name}")
    print(f"{'':18}" + "".join(f"{f'SqueezeNet {v}':>18}" for v in options.variants))
    with tempfile.TemporaryDirectory(prefix="sqznet-") as name:
        counter = Counter(Path(name), options.cpu)
        for engine in options.engines:
            print(f"{engine:18}", end="", flush=True)
            for variant in options.variants:
                cell = _cell(counter, engine, variant, photo, Path(name) / engine / variant)
                print(f"{cell:>18}", end="", flush=True)
            print()
    for variant, goal in goals.items():
        print(f"The goal of sqznet_int8 for SqueezeNet {variant} is {goal:.1f}.")


def _cell(counter: Counter, engine: str, variant: str, photo: Path, folder: Path) -> str:
    try:
        instructions, label = counter.inference(engine, *prepare(engine, variant, photo, folder))
    except (MissingError, ImportError, subprocess.CalledProcessError) as error:
        print(f"{engine}, SqueezeNet {variant}: {error}", file=sys.stderr)
        return "-"
    return f"{instructions / 1e6:.1f} ({label})"


def engine_names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in ENGINES]:
        raise argparse.ArgumentTypeError(f"unknown engine {', '.join(unknown)}")
    return names


if __name__ == "__main__":
    main()
