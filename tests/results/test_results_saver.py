"""A search is saved as it grows; a place that fails is warned of once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from results_cases import PROVENANCE, random_case

from mlspec.errors import SaveWarning
from mlspec.results import Saver, open_result


@pytest.fixture(autouse=True)
def saves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Saver, "every", -1.0)


def test_what_grows_is_saved_and_nothing_before_there_is_a_path(tmp_path: Path) -> None:
    case, told = random_case(np.random.default_rng(3)), []
    saving = Saver(case.problem, PROVENANCE, lambda trace, doing: told.append(doing))
    saving(case.trace, "one")
    saving.path = tmp_path / "r.nc"
    saving(case.trace, "two")
    assert float(open_result(saving.path)["size"]) == case.problem.size(case.trace.best)
    before = saving.path.stat().st_mtime_ns
    saving(case.trace, "three")
    assert saving.path.stat().st_mtime_ns == before
    case.trace.best = case.trace.best / 2
    saving(case.trace, "four")
    assert saving.path.stat().st_mtime_ns != before
    assert told == ["one", "two", "three", "four"]


def test_a_failing_save_warns_once_and_may_succeed_later(tmp_path: Path) -> None:
    case = random_case(np.random.default_rng(3))
    (tmp_path / "r.nc").mkdir()
    saving = Saver(case.problem, PROVENANCE, None)
    saving.path = tmp_path / "r.nc"
    with pytest.warns(SaveWarning, match=r"r\.nc: .*; the search goes on") as warned:
        saving(case.trace, "saving")
    assert len(warned) == 1
    case.trace.best = case.trace.best / 2
    saving(case.trace, "saving")
    (tmp_path / "r.nc").rmdir()
    case.trace.best = case.trace.best / 2
    saving(case.trace, "saving")
    assert float(open_result(saving.path)["size"]) == case.problem.size(case.trace.best)
