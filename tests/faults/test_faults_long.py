"""Long runs: what was asked before changes no answer, and memory does not grow."""

from __future__ import annotations

import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from backend_cases import compiled, random_questions
from machines import highs, solver, stages
from results_cases import PROVENANCE, random_case
from run_cases import small

import mlspec
from mlspec.core.deadline import Deadline
from mlspec.core.events import Event
from mlspec.core.trace import Trace
from mlspec.core.verdict import Outcome
from mlspec.results import Saver
from mlspec.verifier.cascade import Cascade

QUERIES = int(os.environ.get("QUERIES", "300"))
"""To one session, and to fresh ones; ``QUERIES=10000`` for a long run."""
SECONDS = float(os.environ.get("SOLVE_SECONDS", "45"))
"""Of the search whose memory is measured; ``SOLVE_SECONDS=3600`` for an hour."""
GROWTH = 1.15
"""Memory in the second half of a run, in terms of that in the first, at most."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["highs", "highs-mip"])
def test_many_queries_on_one_session_are_answered_as_fresh_ones(name: str) -> None:
    """The same subsets, deeper or not, again and again in any order."""
    rng = np.random.default_rng(0)
    backend, process = solver(name), psutil.Process()
    used: list[int] = []
    for question in random_questions(3):
        model = compiled(question, "interval", decision=True)
        session = backend.open(model)
        rows = tuple(model.margins)
        fresh: dict[tuple[tuple[int, ...], float], str] = {}
        for number in range(QUERIES // 3):
            subset = tuple(row for row in rows if rng.random() < 0.6) or rows[:1]
            beyond = float(rng.choice([0.0, 1e-3, 1e-1]))
            guide = subset[0] if rng.random() < 0.5 else None
            ended = session.solve(subset, Deadline.after(30.0), guide, beyond).termination
            if (subset, beyond) not in fresh:
                alone = backend.open(model).solve(subset, Deadline.after(30.0), None, beyond)
                fresh[subset, beyond] = alone.termination
            assert ended == fresh[subset, beyond], (number, subset, beyond)
            used.append(process.memory_info().rss)
    assert flat(used)


def flat(used: list[int]) -> bool:
    """Whether what is used at most does not grow from the second quarter to the last."""
    quarter = max(len(used) // 4, 1)
    return max(used[-quarter:]) <= GROWTH * max(used[quarter : 2 * quarter] or used)


def test_what_grows_is_seen() -> None:
    assert flat([5, 9, 10, 11, 10, 9, 11, 10])
    assert not flat([10, 11, 12, 13, 14, 15, 16, 17])


@pytest.mark.slow
def test_one_verifier_asked_again_and_again_keeps_its_memory() -> None:
    """Its answers agree with those of fresh verifiers: none robust where another one finds a
    violation."""
    (question,) = random_questions(1)
    verifier = Cascade(question.problem, stages(question.problem))
    rng, used, tracing = np.random.default_rng(1), [], tracemalloc.start()
    assert tracing is None
    try:
        for number in range(QUERIES // 3):
            eps = question.eps * rng.uniform(0.3, 1.3, len(question.eps))
            end = Deadline.after(30.0)
            found = verifier.verify(eps, end).outcome
            if number % 10 == 0:
                fresh = Cascade(question.problem, stages(question.problem)).verify(eps, end).outcome
                assert {found, fresh} != {Outcome.ROBUST, Outcome.VIOLATED}, eps
            used.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # Witnesses are kept, so there is a little growth: far less than from one query to the next.
    assert used[-1] - used[len(used) // 2] < 20 * 2**20


@pytest.mark.slow
def test_memory_stays_flat_over_a_search(tmp_path: Path) -> None:
    process, used = psutil.Process(), []

    def watch(trace: Trace, event: Event) -> None:
        used.append(process.memory_info().rss)

    spec = small(
        layers__count=8, budget__queries=100_000, budget__seconds=SECONDS, search__tolerance=0.001
    )
    result = mlspec.solve(spec, tmp_path / "r.nc", watch)
    assert float(result["size"]) > 0.0
    assert len(used) > 8
    assert flat(used), [each // 2**20 for each in used[:: max(len(used) // 20, 1)]]


def test_saves_again_and_again_keep_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Saver, "every", -1.0)
    case = random_case(np.random.default_rng(3))
    saver = Saver(case.problem, replace(PROVENANCE, classifier_onnx=bytes(2**20)), None)
    saver.path = tmp_path / "r.nc"
    used = []
    tracemalloc.start()
    try:
        for _ in range(16):
            case.trace.best = case.trace.best * 0.99
            saver(case.trace, "saving")
            used.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert used[-1] - used[3] < 2**20, used


def test_sessions_that_are_done_are_freed() -> None:
    """A search opens one for each query."""
    (question,) = random_questions(1)
    model = compiled(question, "interval", decision=True)
    rows, process, used = tuple(model.margins), psutil.Process(), []
    for _ in range(40):
        highs().open(model).solve(rows, Deadline.after(20.0))
        used.append(process.memory_info().rss)
    assert flat(used)
