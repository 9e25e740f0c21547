"""Places on the disk: looked at before long work, so that its answer is not lost at the end."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mlspec.errors import InputError

_HDF = b"\x89HDF\r\n\x1a\n"


def is_hdf(path: Path) -> bool:
    """Say whether the file begins as netCDF 4 files do."""
    try:
        with path.open("rb") as file:
            return file.read(len(_HDF)) == _HDF
    except (OSError, ValueError):
        return False


def require_writable(path: Path) -> None:
    """Make the folder of ``path``, and raise InputError where no file can be written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(0, "the file there is write-protected")
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:64]}."):
            pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be written ({why}); give another place") from None
