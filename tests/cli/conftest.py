"""One small solved result for all tests of the command line, and files that are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cli_cases import FRUGAL, SMALL, Ran, mlspec
from PIL import Image


@pytest.fixture(autouse=True, scope="session")
def plain_terminal() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TTY_COMPATIBLE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("COLUMNS", "100")
        yield


@pytest.fixture(scope="session")
def solved_run(plain_terminal: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    """What solving the small spec printed with --verbose, and the result's file."""
    folder = tmp_path_factory.mktemp("solved")
    ran = mlspec("solve", SMALL, *FRUGAL, "--verbose", cwd=folder)
    assert ran.code == 0, ran.err
    return ran, folder / "results" / "small.nc"


@pytest.fixture
def solved(solved_run: tuple[Ran, Path]) -> Path:
    """The small result's file."""
    return solved_run[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files that are wrong, each in its way."""
    (tmp_path / "junk").write_bytes(b"junk")
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "nan.npy", np.full((64, 64), np.nan))
    Image.new("L", (64, 64)).save(tmp_path / "black.png")
    Image.new("L", (8, 8), 255).save(tmp_path / "tiny.png")
    Image.new("RGB", (64, 64), (255, 0, 0)).save(tmp_path / "red.png")
    return tmp_path
