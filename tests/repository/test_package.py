"""The installed package: its files, its version, its public names, and what using it imports."""

from __future__ import annotations

import ast
import importlib.metadata
import re
from pathlib import Path

import pytest

from ..support.isolated import run_script


def test_the_wheel_is_complete() -> None:
    files = importlib.metadata.files("sqznet")
    assert files is not None
    names = {str(path) for path in files}
    wanted = {
        "sqznet/py.typed",
        "sqznet/_kernels.pyi",
        "sqznet/_pixels.pyi",
        "sqznet/data/squeezenet1_1.safetensors",
        "sqznet/data/squeezenet1_1_detector.sqz",
        "sqznet/data/imagenet_classes.txt",
        "sqznet/data/imagenet_hierarchy.txt",
        "sqznet/data/imagenet_synsets.txt",
        "sqznet/weights/__init__.py",
        "sqznet/_pyinstaller/hook-sqznet.py",
        "sqznet/_pyinstaller/rthooks.dat",
        "sqznet/_pyinstaller/rthooks/pyi_rth_sqznet.py",
    }
    assert wanted - names == set()
    for module in ("_kernels", "_pixels"):
        assert any(re.match(rf"sqznet/{module}\..*(so|pyd)$", name) for name in names)
    for text in ("LICENSE", "NOTICE"):
        assert any(name.endswith(text) for name in names), text
    # Sources, tests and build products stay out.
    strays = [
        name
        for name in names
        if re.search(r"\.(cpp|h|pyx|o|a|orig)$|(^|/)(tests|benchmarks|csrc|tools)/", name)
    ]
    assert strays == []


def test_the_extra_all_has_every_optional_feature() -> None:
    distribution = importlib.metadata.distribution("sqznet")
    extras = set(distribution.metadata.get_all("Provides-Extra") or ())
    features = {name for name in extras if not name.startswith("test")} - {
        "lint",
        "docs",
        "bench",
        "all",
        "ray",  # for clusters alone
        "train",  # large
    }
    assert features == {"completion", "hub", "keras", "parquet", "serve", "terminal", "video"}
    (named,) = re.findall(r"sqznet\[([\w,]+)\]", " ".join(distribution.requires or ()))
    assert set(named.split(",")) == features


def test_hints_name_packages_in_a_way_that_every_shell_takes() -> None:
    """zsh takes ``sqznet[video]`` for a pattern."""
    import sqznet

    sources = Path(sqznet.__file__).parent.rglob("*.py")
    hints = [
        hint
        for path in sources
        for hint in re.findall(r"pip install (\S+)", path.read_text("utf-8"))
    ]
    assert {"av", "h5py", "platformdirs", "pyarrow", "ray", "shtab"} <= {
        h.strip('`").') for h in hints
    }
    assert [hint for hint in hints if "[" in hint] == []


def test_pyinstaller_finds_the_hooks() -> None:
    (entry,) = importlib.metadata.distribution("sqznet").entry_points.select(group="pyinstaller40")
    (folder,) = entry.load()()
    hooks = ast.literal_eval((Path(folder) / "rthooks.dat").read_text())
    for names in hooks.values():
        assert all((Path(folder) / "rthooks" / name).is_file() for name in names)


def test_the_version_is_stated_once() -> None:
    import sqznet

    assert importlib.metadata.version("sqznet") == sqznet.__version__


def test_public_names() -> None:
    import sqznet

    assert set(sqznet.__all__) >= {"classify", "load", "Model", "Prediction", "SqznetError"}
    for name in sqznet.__all__:
        assert getattr(sqznet, name).__doc__, name
    with pytest.raises(AttributeError):
        sqznet.no_such_name  # noqa: B018


def test_dir_shows_the_public_names_alone() -> None:
    """The same before and after use, which imports more of the package."""
    run_script(
        """
        import sqznet
        assert dir(sqznet) == sorted(sqznet.__all__)
        for name in dir(sqznet):
            getattr(sqznet, name)
        import sqznet.cli, sqznet.weights
        assert dir(sqznet) == sorted(sqznet.__all__)
        assert sqznet.weights and sqznet.__version__ and sqznet.__doc__
        """
    )


def test_classifying_a_file_imports_no_numpy(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "photo.jpg"
    Image.radial_gradient("L").convert("RGB").save(path)
    run_script(
        """
        import sys
        import sqznet
        assert "PIL" not in sys.modules
        assert len(sqznet.classify(sys.argv[1])) == 5
        assert len(sqznet.load(threads=1).classify([sys.argv[1]] * 2)) == 2
        heavy = {"numpy", "torch", "asyncio", "urllib.request"} & set(sys.modules)
        assert not heavy, heavy
        """,
        str(path),
    )


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_detecting_in_a_file_imports_no_numpy(tmp_path: Path, precision: str) -> None:
    from PIL import Image

    path = tmp_path / "photo.jpg"
    Image.radial_gradient("L").convert("RGB").save(path)
    run_script(
        """
        import sys
        import sqznet
        detector = sqznet.load_detector(precision=sys.argv[2])
        assert detector.detect(sys.argv[1], threshold=0.0)
        heavy = {"numpy", "torch", "asyncio", "urllib.request"} & set(sys.modules)
        assert not heavy, heavy
        """,
        str(path),
        precision,
    )


def test_classifying_a_file_imports_nothing_slow(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "photo.jpg"
    Image.radial_gradient("L").convert("RGB").save(path)
    run_script(
        """
        import sys
        import argparse, PIL.JpegImagePlugin
        theirs = set(sys.modules)  # what some releases of Python and Pillow import themselves
        import sqznet
        from sqznet.cli.main import main
        assert len(sqznet.classify(sys.argv[1])) == 5
        assert main(["classify", sys.argv[1], "-o", "out.csv"]) == 0
        slow = {"dataclasses", "inspect", "shutil", "tempfile"} & (set(sys.modules) - theirs)
        assert not slow, slow
        """,
        str(path),
    )
