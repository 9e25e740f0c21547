"""No solver, asked in any way, is wrong about a case of known answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from mlspec.core.verdict import Outcome
from soundness import sweep
from soundness.asking import Mode, answers, solvers, wrong_level, wrong_verdict
from soundness.cases import Case, random_case
from soundness.examples import BY_HAND, FOUND
from soundness.records import load
from soundness.sweep import Counts, asked, table

QUICK, MANY = 32, 2000
FIRST = 1_000_000
"""Number of the first of many cases."""


def assert_none_wrong(case: Case, modes: tuple[Mode, ...] = tuple(Mode)) -> None:
    for answer in answers(case, solvers(), modes):
        assert not answer.wrong, (case.seed, case.family, case.kind, answer)


@pytest.mark.parametrize("name", BY_HAND)
def test_spikes_written_by_hand_are_never_missed(name: str) -> None:
    assert_none_wrong(BY_HAND[name])


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_once_answered_wrongly_is_not_again(path: Path) -> None:
    case, _ = load(path)
    assert_none_wrong(case)


@pytest.mark.parametrize("name", BY_HAND)
def test_the_default_solver_finds_the_spikes_written_by_hand(name: str) -> None:
    for answer in answers(BY_HAND[name], ["highs"], [Mode.DECISION, Mode.MARGIN]):
        assert answer.said == "violated", answer


@pytest.mark.parametrize("seed", range(QUICK))
def test_no_answer_is_wrong(seed: int) -> None:
    for case, answer in asked(seed, solvers()):
        assert not answer.wrong, (seed, case.family, case.kind, answer)


@pytest.mark.slow
@pytest.mark.parametrize("share", range(20))
def test_no_answer_to_many_cases_is_wrong(share: int, tmp_path: Path) -> None:
    count = MANY // 20
    counts = sweep.chunk(FIRST + share * count, count, solvers(), tmp_path)
    assert counts.cases == count
    assert not counts.wrong, f"{table(counts)}\n{[path.read_text() for path in tmp_path.iterdir()]}"


def planted() -> Case:
    return next(case for case in map(random_case, range(100)) if case.family == "planted")


def robust() -> Case:
    return next(case for case in map(random_case, range(100)) if case.family == "near miss")


def test_a_wrong_verdict_is_seen() -> None:
    case = planted()
    assert "a known image" in wrong_verdict(case, Outcome.ROBUST, 1e-6, None)
    assert not wrong_verdict(case, Outcome.UNKNOWN, None, None)
    assert not wrong_verdict(case, Outcome.VIOLATED, None, case.image)
    assert "its witness" in wrong_verdict(case, Outcome.VIOLATED, None, case.problem.image)
    assert "its witness" in wrong_verdict(case, Outcome.VIOLATED, None, case.image + 2.0)
    case = robust()
    margin = float(case.margin)
    assert not wrong_verdict(case, Outcome.ROBUST, margin, None)
    assert "claims margin" in wrong_verdict(case, Outcome.ROBUST, margin + 1e-6, None)
    assert "no image" in wrong_verdict(case, Outcome.VIOLATED, None, case.image)


def test_a_wrong_level_is_seen() -> None:
    case = planted()
    images, margin = case.image[None], float(case.margin)
    margins = np.array([margin])
    assert not wrong_level(case, margin, images, margins)
    assert "no margin below" in wrong_level(case, margin + 1e-6, images, margins)
    assert "outside" in wrong_level(case, margin, images + 2.0, margins)
    assert "another margin" in wrong_level(case, margin, images, margins + 1e-5)
    case = robust()
    lowered = replace(case, floor=case.margin + Fraction(1, 100))
    level = (case.image[None], case.problem.margin(case.image[None]))
    assert not wrong_level(case, 0.0, *level)
    assert "no margin is below" in wrong_level(lowered, 0.0, *level)


def test_every_solver_is_asked_alone_and_two_together() -> None:
    assert {"highs", "highs-mip", "scip", "glpk", "gurobi", "cplex"} <= set(solvers())
    assert {"highs + scip", "auto"} <= set(solvers())


def test_six_cases_together_are_asked_in_every_way() -> None:
    ways = {(a.mode, a.bounds) for seed in range(6) for _, a in asked(seed, ["glpk"])}
    assert len(ways) == 6


def test_a_sweep_goes_on_where_it_ended(tmp_path: Path) -> None:
    first = sweep.sweep(0, 3, ["glpk"], tmp_path, 1)
    (log,) = tmp_path.glob("counts-*.jsonl")
    whole = log.read_text()
    again = sweep.sweep(0, 3, ["glpk"], tmp_path, 1)
    assert again == first
    assert log.read_text() == whole
    log.write_text(whole[:-20])
    repeated = sweep.sweep(0, 3, ["glpk"], tmp_path, 1)
    assert repeated.answered == first.answered


def test_a_table_shows_every_wrong_answer() -> None:
    counts = Counts(Counter({("highs", "level", "violated", "corner", "1e-04", "WRONG"): 3}))
    assert counts.wrong == 3
    assert "WRONG" in table(counts)
