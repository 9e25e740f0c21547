"""Places on the disk: looked at before long work, so that its answer is not lost at the end."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mlspec.errors import InputError


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
