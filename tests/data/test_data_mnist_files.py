"""The reader of MNIST's idx files, on files made here and, where they are, on the real ones."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mlspec.data import open_dataset
from mlspec.data.mnist_files import mnist_pool, read_idx
from mlspec.errors import DataError


def idx(values: NDArray[np.uint8]) -> bytes:
    shape = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes((0, 0, 8, values.ndim)) + shape + values.tobytes()


def write_pair(folder: Path, prefix: str, count: int = 100, *, packed: bool = True) -> None:
    rng = np.random.default_rng(len(prefix))
    images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    labels = np.arange(count, dtype=np.uint8) % 10
    for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
        content = idx(values)
        file = folder / f"{prefix}-{kind}-ubyte{'.gz' if packed else ''}"
        file.write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [True, False])
def test_one_pair_is_split_into_disjoint_pools(tmp_path: Path, packed: bool) -> None:
    write_pair(tmp_path, "t10k", packed=packed)
    train, test = mnist_pool(tmp_path, "train"), mnist_pool(tmp_path, "test")
    assert (len(train.images), len(test.images)) == (80, 20)
    assert not {i.tobytes() for i in train.images} & {i.tobytes() for i in test.images}
    assert test.images.dtype == np.float64
    assert test.images.max() <= 1.0
    np.testing.assert_array_equal(np.bincount(test.classes), np.full(10, 2))


def test_two_pairs_are_the_two_splits(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", 60)
    write_pair(tmp_path, "t10k", 30)
    assert len(mnist_pool(tmp_path, "train").images) == 60
    assert len(mnist_pool(tmp_path, "test").images) == 30
    assert open_dataset("triple-mnist", "test", tmp_path).sample(0).image.shape == (1, 84, 84)


def test_missing_files_are_named_with_their_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz") as caught:
        open_dataset("double-mnist", "test", tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "t10k")
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\[\.gz\] is missing"):
        mnist_pool(tmp_path, "test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with nothing, expected 00000803"),
        (b"\x00\x00\x0d\x03" + bytes(12), "starts with 00000d03"),
        (b"\x00\x00\x08\x03\x00", "ends within its header"),
        (idx(np.zeros((2, 28, 28), np.uint8))[:-1], "get the file again"),
        (idx(np.zeros((2, 28, 28), np.uint8)) + b"\x00", "get the file again"),
    ],
)
def test_malformed_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "t10k-images-idx3-ubyte"
    file.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(file, 3)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"not gzip", gzip.compress(b"cut short", mtime=0)[:-9]],
    ids=["not gzip", "cut short"],
)
def test_broken_compression_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(file, 3)


def test_contents_must_fit_together(tmp_path: Path) -> None:
    write_pair(tmp_path, "t10k", packed=False)
    labels = tmp_path / "t10k-labels-idx1-ubyte"
    labels.write_bytes(idx(np.zeros(99, np.uint8)))
    with pytest.raises(DataError, match="100 images, but 99 labels"):
        mnist_pool(tmp_path, "test")
    labels.write_bytes(idx(np.full(100, 10, np.uint8)))
    with pytest.raises(DataError, match="label 10, expected 0 to 9"):
        mnist_pool(tmp_path, "train")
    labels.write_bytes(idx(np.zeros(100, np.uint8)))
    with pytest.raises(DataError, match="all ten digits are needed"):
        mnist_pool(tmp_path, "train")
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((100, 8, 8), np.uint8)))
    with pytest.raises(DataError, match=r"expected \(28, 28\)"):
        mnist_pool(tmp_path, "train")


def test_real_files(mnist_folder: Path) -> None:
    train, test = (mnist_pool(mnist_folder, split) for split in ("train", "test"))
    assert len(train.images) >= 4 * len(test.images) - 50
    sample = open_dataset("double-mnist", "test", mnist_folder).sample(3)
    assert sample.image.shape == (1, 64, 64)
    assert [item.mask.any() for item in sample.objects] == [True, True]
