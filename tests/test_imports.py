"""Imports point down, third parties stay at home, and nothing hides a cycle: read with ``ast``."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlspec"
FILES = sorted(PACKAGE.rglob("*.py"))

HOMES: dict[str, set[str]] = {
    "pydantic": {"spec"},
    "pydantic_core": {"spec"},
    "yaml": {"spec"},
    "filelock": {"files"},
    "onnx": {"problem", "train"},
    "onnxruntime": {"problem"},
    "torch": {"ops", "tensors", "bounds", "attack", "train"},
    "pyomo": {"milp", "backends"},
    "highspy": {"backends", "branching"},
    "gurobipy": {"backends"},
    "cplex": {"backends"},
    "pyscipopt": {"backends"},
    "swiglpk": {"backends"},
    "xarray": {"results", "report", "experiment", "resume", "run", "labelling", "testing"},
    "netCDF4": {"results"},
    "vnnlib": {"problem"},
    "hypothesis": {"testing"},
    "rich": {"report", "cli"},
    "dask": {"campaign"},
}
"""The rooms a third party may be imported in."""


def room_of(module: str) -> str:
    """Return the room of a module name: the part after ``mlspec``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(file: Path) -> Iterator[tuple[str, int]]:
    """Yield every imported module with its line, also those inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((item.name, node.lineno) for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            assert node.module is not None
            for item in node.names:
                whole = f"{node.module}.{item.name}"
                yield whole if whole in MODULES else node.module, node.lineno


MODULES = {module_of(file) for file in FILES}


def layers() -> list[list[str]]:
    """Return the rooms of the import-linter contract, top first; rooms of one layer together."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    return [
        [room_of(name.strip()) for name in layer.replace(":", "|").split("|")]
        for layer in contract["layers"]
    ]


LEVEL = {room: number for number, rooms in enumerate(layers()) for room in rooms}
FREE = {"", "__main__", "tensors"}
"""The package itself, its entry, and the torch ops: no room, each checked by itself below."""


def places() -> list[tuple[str, str, str]]:
    """Return all imports of mlspec as (place, importing module, imported module)."""
    return [
        (f"{file.relative_to(ROOT)}:{line}", module_of(file), name)
        for file in FILES
        for name, line in imports_of(file)
        if name.split(".")[0] == "mlspec"
    ]


def test_every_room_has_its_place_in_the_contract() -> None:
    rooms = {room_of(module_of(file)) for file in FILES}
    assert rooms - FREE <= set(LEVEL), "rooms that pyproject's contract does not know"


def test_imports_point_down() -> None:
    wrong = []
    for place, importer, imported in places():
        here, there = room_of(importer), room_of(imported)
        if here in FREE or there in FREE or here == there:
            continue
        if LEVEL[there] <= LEVEL[here]:
            wrong.append(f"{place}: {here} imports {there}")
    assert not wrong, "\n".join(wrong)


def test_the_torch_ops_know_core_alone() -> None:
    """``tensors`` lies between core and the rooms that use torch."""
    for place, importer, imported in places():
        if room_of(importer) == "tensors":
            assert room_of(imported) in {"core", "ops", "errors", "tolerances"}, place
        if room_of(imported) == "tensors":
            assert room_of(importer) in {
                "bounds",
                "attack",
                "train",
                "experiment",
                "preflight",
                "run",
                "labelling",
                "tensors",
            }, place


def test_core_needs_numpy_alone() -> None:
    allowed = {"mlspec", "numpy", "__future__"} | set(_standard())
    for file in (PACKAGE / "core").glob("*.py"):
        for name, line in imports_of(file):
            assert name.split(".")[0] in allowed, f"{file}:{line}: {name}"


def test_search_sees_only_core() -> None:
    """So it is tested against a closed-form verifier, without torch or a solver."""
    for place, importer, imported in places():
        if room_of(importer) == "search":
            assert room_of(imported) in {"core", "search", "errors", "tolerances"}, place
    for file in (PACKAGE / "search").glob("*.py"):
        for name, line in imports_of(file):
            allowed = {"mlspec", "numpy", "scipy", "__future__"} | set(_standard())
            assert name.split(".")[0] in allowed, f"{file}:{line}: {name}"


@pytest.mark.parametrize("library", HOMES)
def test_a_third_party_stays_at_home(library: str) -> None:
    away = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in FILES
        for name, line in imports_of(file)
        if name.split(".")[0] == library and room_of(module_of(file)) not in HOMES[library]
    ]
    assert not away, f"{library} is imported outside of {HOMES[library]}: {away}"


def test_nothing_hides_an_import() -> None:
    for file in FILES:
        text = file.read_text()
        for trick in ("TYPE_CHECKING", "__import__", "importlib.import_module"):
            assert trick not in text, f"{file.relative_to(ROOT)} uses {trick}"


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    arrows: dict[str, set[str]] = {module: set() for module in MODULES}
    for _, importer, imported in places():
        arrows[importer].add(imported)
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, "circle: " + " -> ".join([*path, name])
        if name not in done:
            for target in sorted(arrows[name]):
                visit(target, (*path, name))
            done.add(name)

    for name in sorted(arrows):
        visit(name, ())


def test_modules_stay_small() -> None:
    """A module is one idea, tests too: split before 300 lines."""
    long = {
        str(file.relative_to(ROOT)): lines
        for file in (*FILES, *sorted((ROOT / "tests").rglob("*.py")))
        if (lines := len(file.read_text().splitlines())) >= 300
    }
    assert not long


def _standard() -> frozenset[str]:
    import sys

    return sys.stdlib_module_names
