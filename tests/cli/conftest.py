"""One small solved result for all tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_cases import FRUGAL, SMALL, Ran, mlspec


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
