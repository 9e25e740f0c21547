"""Reader of the MNIST files (idx format, plain or gzip), as Y. LeCun et al. published them.

An idx file starts with two zero bytes, a type code (8: unsigned byte), the number of axes and the
length of each as a big-endian 32-bit integer; the values follow.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlspec.data.pool import DigitPool, split_by_class
from mlspec.errors import DataError

PREFIXES = {"train": "train", "test": "t10k"}
"""How the names of each split's files begin."""


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """Read an idx file of unsigned bytes with this number of ``axes``; ``.gz`` is decompressed.

    Raises DataError if the file is missing, is not such a file, or is cut short or too long.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    header = 4 * (1 + axes)
    magic = bytes((0, 0, 8, axes))
    if content[:4] != magic:
        raise DataError(
            f"{path}: not an idx file of unsigned bytes with {axes} axes: "
            f"starts with {content[:4].hex() or 'nothing'}, expected {magic.hex()}"
        )
    if len(content) < header:
        raise DataError(f"{path}: ends within its header of {header} bytes")
    shape = struct.unpack(f">{axes}I", content[4:header])
    expected = header + math.prod(shape)
    if len(content) != expected:
        raise DataError(
            f"{path}: {len(content)} bytes, but its header of shape {shape} needs {expected}; "
            "get the file again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def _find(directory: Path, stem: str) -> Path | None:
    """Return the file ``stem``, plain or compressed, or None."""
    candidates = (directory / stem, directory / f"{stem}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _read_pair(directory: Path, prefix: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Return the images ``(N, 28, 28)`` and labels ``(N,)`` of one pair of files, None if there is
    none."""
    names = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
    paths = [_find(directory, name) for name in names]
    if paths == [None, None]:
        return None
    for name, path in zip(names, paths, strict=True):
        if path is None:
            raise DataError(
                f"{directory}: {name}[.gz] is missing, while the file of its pair is here"
            )
    images_path, labels_path = (path for path in paths if path is not None)
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if images.shape[1:] != (DigitPool.side, DigitPool.side):
        raise DataError(f"{images_path}: images of shape {images.shape[1:]}, expected (28, 28)")
    if len(images) != len(labels):
        raise DataError(f"{images_path}: {len(images)} images, but {len(labels)} labels beside it")
    if labels.size and labels.max() > 9:
        raise DataError(f"{labels_path}: label {labels.max()}, expected 0 to 9")
    return images, labels


@cache
def mnist_pool(directory: Path, split: str) -> DigitPool:
    """Return the MNIST digits of ``split``, ``"train"`` or ``"test"``, from the idx files in
    ``directory``.

    With both published pairs of files, ``train-*`` is the train split and ``t10k-*`` the test
    split. With one pair only, every fifth digit of each class is a test digit, the others are train
    digits. Raises DataError if files are missing (the message says which and where) or malformed.
    """
    pairs = {name: _read_pair(directory, prefix) for name, prefix in PREFIXES.items()}
    found = [name for name, pair in pairs.items() if pair is not None]
    if not found:
        raise DataError(
            f"{directory}: no MNIST files here. Put train-images-idx3-ubyte.gz, "
            "train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz "
            "(or only the two t10k files) into this directory, for example from "
            "https://ossci-datasets.s3.amazonaws.com/mnist/"
        )
    pair = pairs[split] if len(found) == 2 else pairs[found[0]]
    assert pair is not None
    images, classes = pair[0], pair[1].astype(np.int64)
    if len(found) == 1:
        chosen = split_by_class(classes, split)
        images, classes = images[chosen], classes[chosen]
    return DigitPool(images.astype(np.float64) / 255.0, classes)
