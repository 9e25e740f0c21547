"""The specs and solver profiles that ship with mlspec, in a source tree or an installed wheel."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Literal, get_args

from mlspec.errors import InputError

AssetFolder = Literal["specs", "solvers"]

_PACKAGE = Path(__file__).resolve().parents[1]


def asset_dir(name: AssetFolder) -> Path:
    """The folder ``specs`` or ``solvers``: inside the package in a wheel, beside it in a tree."""
    for parent in (_PACKAGE / "_assets", _PACKAGE.parent):
        if (parent / name).is_dir():
            return parent / name
    raise InputError(f"the folder '{name}' of mlspec is not installed: install mlspec again")


def shipped(path: str | PurePath) -> Path | None:
    """The shipped file of the same relative path, such as ``specs/small.yaml``, if there is one."""
    folder, *rest = PurePath(path).parts or ("",)
    for name in get_args(AssetFolder):
        if folder == name and ".." not in rest:
            file = asset_dir(name).joinpath(*rest)
            return file if file.exists() else None
    return None
