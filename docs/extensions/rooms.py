"""The rooms of mlspec as MyST text, from the import contract and from their docstrings."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def text() -> str:
    """Return an entry for each room, those that import others before those that are imported."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = contract["tool"]["importlinter"]["contracts"][0]["layers"]
    lines: list[str] = []
    for layer in layers:
        for room in layer.split(" | "):
            name = room.removeprefix("mlspec.")
            lines += [f"`{name}`", f": {_first_sentence(room)}", ""]
    return "\n".join(lines)


def _first_sentence(room: str) -> str:
    """Return how the docstring of a package or module begins."""
    path = ROOT.joinpath(*room.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split())
