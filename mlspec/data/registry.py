"""The datasets by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mlspec.data.canvas import Composition, Layout
from mlspec.data.digits import digit_pool
from mlspec.data.folder import MultiMnistFolder
from mlspec.data.mnist_files import mnist_pool
from mlspec.data.pool import SPLITS
from mlspec.data.sample import Dataset
from mlspec.errors import DataError
from mlspec.spec.source import did_you_mean

Opener = Callable[[str, str, Path | None], Dataset]
"""Opens a dataset by its name, the name of a split, and a path where it needs one."""


def _need_path(name: str, path: Path | None, holding: str) -> Path:
    """Return ``path`` if it is a folder; raises DataError otherwise."""
    if path is None:
        raise DataError(f"dataset {name!r} needs a path: the folder that holds {holding}")
    if not path.is_dir():
        raise DataError(f"dataset {name!r}: {path} is not a folder; it must hold {holding}")
    return path


def _bundled(layout: Layout) -> Opener:
    """Return what opens scenes of the bundled digits."""

    def opener(name: str, split: str, path: Path | None) -> Dataset:
        if path is not None:
            raise DataError(f"dataset {name!r} is bundled and takes no path, got {path}")
        return Composition(name, split, layout, digit_pool(split))

    return opener


def _mnist(layout: Layout) -> Opener:
    """Return what opens scenes of MNIST digits."""

    def opener(name: str, split: str, path: Path | None) -> Dataset:
        directory = _need_path(
            name,
            path,
            "the MNIST files (t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz, "
            "and the train-* pair if there is one)",
        )
        return Composition(name, split, layout, mnist_pool(directory, split))

    return opener


def _folder(name: str, split: str, path: Path | None) -> Dataset:
    """Open a folder of scenes that were composed before."""
    directory = _need_path(name, path, "CLASS/INDEX_CLASS.png, such as 59/0_59.png")
    return MultiMnistFolder.open(name, split, directory)


DATASETS: dict[str, Opener] = {
    "double-digits": _bundled(Layout.double()),
    "triple-digits": _bundled(Layout.triple()),
    "double-mnist": _mnist(Layout.double()),
    "triple-mnist": _mnist(Layout.triple()),
    "multi-mnist-folder": _folder,
}
"""Every dataset a spec can name."""


def _unknown(kind: str, value: str, known: tuple[str, ...]) -> DataError:
    hint = did_you_mean(value, known)
    return DataError(f"unknown {kind} {value!r}{hint}; there are {', '.join(known)}")


def open_dataset(name: str, split: str, path: Path | None = None) -> Dataset:
    """Open a dataset by its ``name``, a key of ``DATASETS``.

    ``split`` is ``"train"`` or ``"test"``; they share no digit. ``path`` is the folder of the
    files, for the datasets that are not bundled. Raises DataError for an unknown name or split, and
    for missing or malformed files.
    """
    if name not in DATASETS:
        raise _unknown("dataset", name, tuple(DATASETS))
    if split not in SPLITS:
        raise _unknown("split", split, SPLITS)
    return DATASETS[name](name, split, path)
