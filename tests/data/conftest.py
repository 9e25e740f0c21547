"""Where the optional data lie: beside the repository, in ``shared/data``."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"no {name} data beside the repository")
    return folder


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    return _shared("mnist")


@pytest.fixture(scope="session")
def double_mnist_folder() -> Path:
    return _shared("double_mnist_examples")
