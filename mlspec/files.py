"""Where output goes: checked before long work, and written in one piece."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from mlspec.errors import InputError

_HDF: Final = b"\x89HDF\r\n\x1a\n"


def is_hdf(path: Path) -> bool:
    """Say whether the file begins as netCDF 4 files do."""
    try:
        if not path.is_file():  # reading from a pipe would wait for a writer
            return False
        with path.open("rb") as file:
            return file.read(len(_HDF)) == _HDF
    except (OSError, ValueError):
        return False


def require_writable(path: Path) -> None:
    """Make the folder of the file ``path``; raise InputError where no file can be written there.

    What is no ordinary file (a folder, a device, a pipe, a socket) is refused. A symbolic link
    stands for what it points to.
    """
    try:
        target = _target(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        _require_ordinary(target)
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(0, "the file there is write-protected")
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:64]}."):
            pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be written ({why}); give another place") from None


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary file to write, which takes the place of ``path`` once all of it is on the
    disk; a reader sees the old file or the whole new one, whatever happens in between.

    Folders are made as needed, a symbolic link stays and what it points to is replaced. Raises
    OSError where the place cannot be written.
    """
    target = _target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _require_ordinary(target)
    # The ending stays: libraries choose a format by it.
    name = f".{target.stem[:64]}.{secrets.token_hex(4)}.tmp{target.suffix}"
    temporary = target.with_name(name)
    try:
        yield temporary
        _flush(temporary)
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
        with suppress(PermissionError):  # Windows opens no folders
            _flush(target.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Keep other processes and threads from claiming ``path`` while the block runs; raise
    InputError where it is claimed.

    A claim is a lock on the hidden file ``.NAME.lock`` beside it, so it ends with its process,
    however that ends.
    """
    target = _target(path)
    lock = FileLock(target.with_name(f".{target.name[:64]}.lock"), thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(
            f"{path}: another mlspec is writing its result there: wait for it, or give another "
            "place (-o OUT.nc)"
        ) from None
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"{path}: cannot be locked ({why}); give another place") from None
    try:
        yield
    finally:
        # While it is locked, so that nobody locks a file that is gone.
        with suppress(OSError):
            Path(lock.lock_file).unlink()
        lock.release()


def free_name(path: Path) -> Path:
    """Return the first of ``NAME.1.nc``, ``NAME.2.nc``, ... beside ``path`` that is not taken."""
    number = 1
    while os.path.lexists(beside := path.with_name(f"{path.stem}.{number}{path.suffix}")):
        number += 1
    return beside


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _require_ordinary(target: Path) -> None:
    """Raise OSError for what exists and is no ordinary file."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISREG(mode):
        return
    for is_kind, words in _KINDS.items():
        if is_kind(mode):
            raise OSError(0, f"it is a {words}")
    raise OSError(0, "it is no ordinary file")


_KINDS: Final = {
    stat.S_ISDIR: "folder",
    stat.S_ISCHR: "device",
    stat.S_ISBLK: "device",
    stat.S_ISFIFO: "pipe",
    stat.S_ISSOCK: "socket",
}


def _flush(path: Path) -> None:
    """Wait until ``path`` is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
