"""What is shipped: really built, really installed, used from elsewhere. No network is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import pytest

import mlspec

TREE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Built:
    """The distribution files of the source tree."""

    sdist: Path
    wheel: Path
    """Built from the tree."""
    wheel_of_sdist: Path


def execute(*command: str | Path, cwd: Path) -> str:
    """Run ``command`` as in a fresh shell and return what it prints; raises if it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir"]
    execute(*build, folder / "all", TREE, cwd=folder)
    execute(*build, folder / "direct", "--wheel", TREE, cwd=folder)
    (sdist,) = (folder / "all").glob("*.tar.gz")
    (wheel_of_sdist,) = (folder / "all").glob("*.whl")
    (wheel,) = (folder / "direct").glob("*.whl")
    return Built(sdist, wheel, wheel_of_sdist)


def environment(folder: Path) -> Path:
    """Make an environment without mlspec that sees this one's dependencies, and return its Python.

    Paths in a ``.pth`` file are searched, but their own ``.pth`` files are not read: an editable
    mlspec of this environment stays out of sight.
    """
    execute(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    mine, theirs = (
        execute(each, "-c", ask, cwd=folder).strip() for each in (sys.executable, python)
    )
    assert mine != theirs
    Path(theirs, "dependencies.pth").write_text(mine + "\n")
    return python


def install(python: Path, *what: str | Path) -> None:
    """Install ``what`` and nothing else into the environment of ``python``."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    flags = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    execute(*pip, "install", *flags, *what, cwd=python.parent)


def contents(wheel: Path) -> dict[str, bytes]:
    """Return every file of ``wheel`` except the list of its files."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.read(name)
            for name in archive.namelist()
            if not name.endswith(("/", "/RECORD"))
        }


def assets() -> set[str]:
    """Return the specs, classifiers, trainings and solver profiles of the tree."""
    wanted = ("specs/*.yaml", "specs/classifiers/*.onnx", "specs/training/*.yaml", "solvers/*.yaml")
    found = [set(TREE.glob(pattern)) for pattern in wanted]
    assert all(found)
    return {file.relative_to(TREE).as_posix() for file in set().union(*found)}


def test_the_wheel_holds_every_module_and_asset(built: Built) -> None:
    names = set(contents(built.wheel))
    modules = {file.relative_to(TREE).as_posix() for file in (TREE / "mlspec").rglob("*.py")}
    assert modules <= names
    assert {f"mlspec/_assets/{name}" for name in assets()} <= names


def test_the_wheel_holds_nothing_else(built: Built) -> None:
    for name in contents(built.wheel):
        first, _, rest = name.partition("/")
        assert first in {"mlspec", f"mlspec-{mlspec.__version__}.dist-info"}, name
        if rest.startswith("_assets/"):
            assert rest.startswith(("_assets/specs/", "_assets/solvers/")), name
            assert name.endswith((".yaml", ".onnx")), name
        elif first == "mlspec":
            assert name.endswith((".py", "/py.typed")), name


def test_the_wheel_says_what_it_is(built: Built) -> None:
    files = contents(built.wheel)
    info = f"mlspec-{mlspec.__version__}.dist-info"
    metadata = Parser().parsestr(files[f"{info}/METADATA"].decode())
    assert metadata["Name"] == "mlspec"
    assert metadata["Version"] == mlspec.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_payload()
    assert f"{info}/licenses/LICENSE" in files
    assert b"mlspec = mlspec.cli:main" in files[f"{info}/entry_points.txt"]


def test_the_source_distribution_builds_the_same_wheel(built: Built) -> None:
    assert contents(built.wheel_of_sdist) == contents(built.wheel)


def test_the_source_distribution_can_be_worked_in(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = [
        "Makefile",
        "constraints.txt",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
    ]
    assert {*files, "tests/conftest.py", *assets()} <= names
    assert not [
        name
        for name in names
        if "__pycache__" in name or (name.startswith(("results", ".")) and name != ".gitignore")
    ]


def test_an_installed_wheel_works_from_anywhere(built: Built, tmp_path: Path) -> None:
    python = environment(tmp_path / "environment")
    install(python, built.wheel)
    work = tmp_path / "work"
    work.mkdir()
    command = python.with_name("mlspec")
    home = execute(python, "-c", "import mlspec; print(mlspec.__file__)", cwd=work)
    assert Path(home.strip()).is_relative_to(tmp_path / "environment")
    for_all = [f"specs/{name}.yaml" for name in ("small", "none_img3", "l0_img3", "pgd_img3")]
    assert execute(command, "new", "x", cwd=work) == "wrote x.yaml; next: mlspec check x.yaml\n"
    plans = execute(command, "check", *for_all, "x.yaml", cwd=work)
    assert plans.count(": ready to solve") == 5
    assert execute(command, "schema", cwd=work).startswith("{")


@pytest.mark.parametrize("way", ["editable", "tree"])
def test_a_source_tree_works_from_anywhere(way: str, tmp_path: Path) -> None:
    python = environment(tmp_path / "environment")
    if way == "editable":
        install(python, "--editable", TREE)
    else:
        site = execute(
            python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path
        )
        Path(site.strip(), "tree.pth").write_text(f"{TREE}\n")
    ask = (
        "import mlspec; from mlspec import load_spec\n"
        "from mlspec.spec.profile import profile_names\n"
        "print(mlspec.__file__, load_spec('specs/small.yaml').classifier.onnx, profile_names())"
    )
    said = execute(python, "-c", ask, cwd=tmp_path)
    assert said.startswith(str(TREE / "mlspec"))
    assert "highs" in said
