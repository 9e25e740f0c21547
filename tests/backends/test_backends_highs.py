"""HiGHS: one session answers many subsets as fresh ones would, and ends in good order."""

from __future__ import annotations

import os
import signal
import threading
import time
from itertools import combinations
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from law import law
from machines import SECONDS, analyse, highs
from strategies import Question, questions

from mlspec.backends.highs import HighsBackend
from mlspec.core import forward
from mlspec.errors import SolverError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import MilpModel, Termination


@law(questions(), quick=30, deep=600)
def test_one_session_answers_like_fresh_ones_in_any_order(question: Question) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    bounds = analyse(problem, box, "interval").bounds()
    claim = problem.property.claims[0]
    rows = range(len(claim.rows))
    subsets = [s for size in range(1, len(claim.rows) + 1) for s in combinations(rows, size)]
    chosen = np.random.default_rng(0).permutation(len(subsets))[:6]
    for decision in (True, False):
        model = Compiler(problem.relaxed, decision=decision).compile(box, bounds, claim, rows)
        session = highs().open(model)
        for number in [*chosen, *chosen[::-1]]:
            ours = session.solve(subsets[number], SECONDS)
            fresh = highs().open(model).solve(subsets[number], SECONDS)
            assert ours.termination is fresh.termination
            if not decision:
                assert ours.dual_bound is not None
                assert ours.dual_bound == pytest.approx(fresh.dual_bound, abs=1e-6, rel=1e-6)


@law(questions(), quick=30, deep=600)
def test_beyond_tightens_the_active_margins_for_one_query_only(question: Question) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    bounds = analyse(problem, box, "crown").bounds()
    claim = problem.property.claims[0]
    rows = range(len(claim.rows))
    model = Compiler(problem.relaxed, decision=False).compile(box, bounds, claim, rows)
    session = highs().open(model)
    plain = session.solve((0,), SECONDS).dual_bound
    deeper = session.solve((0,), SECONDS, beyond=0.25).dual_bound
    again = session.solve((0,), SECONDS).dual_bound
    assert plain is not None
    assert deeper == pytest.approx(plain + 0.25, abs=1e-6, rel=1e-6)
    assert again == pytest.approx(plain, abs=1e-9)


@law(questions(), quick=30, deep=600)
def test_a_model_admits_every_image_of_its_box_and_no_other(question: Question) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    bounds = analyse(problem, box, "alpha").bounds()
    claim = problem.property.claims[0]
    rows = range(len(claim.rows))
    for decision in (True, False):
        model = Compiler(problem.relaxed, decision=decision).compile(box, bounds, claim, rows)
        session = highs().open(model)
        before = session.solve((0,), SECONDS)
        for share in (0.5, 0.25, 0.7):
            assert session.admits(box.lower + share * (box.upper - box.lower), SECONDS)
        after = session.solve((0,), SECONDS)
        assert after.termination is before.termination
        assert after.dual_bound == pytest.approx(before.dual_bound, abs=1e-9)


@law(questions(), quick=30, deep=600)
def test_near_an_image_it_is_as_good_as_the_image_and_never_better_than_everywhere(
    question: Question,
) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    bounds = analyse(problem, box, "crown").bounds()
    claim = problem.property.claims[0]
    model = Compiler(problem.relaxed, decision=False).compile(box, bounds, claim, [0])
    session = highs().open(model)
    best = session.solve((0,), SECONDS).dual_bound
    image = box.lower + 0.3 * (box.upper - box.lower)
    found = session.near(image, (0,), SECONDS)
    assert found.termination is Termination.OPTIMAL
    assert best is not None
    assert found.dual_bound is not None
    here = float(claim.margins(forward.scores(problem.network, image[None]))[0, 0])
    assert best - 1e-6 <= found.dual_bound <= here + 1e-6
    assert found.image is not None
    there = float(claim.margins(forward.scores(problem.network, found.image[None]))[0, 0])
    assert there == pytest.approx(found.dual_bound, abs=1e-5)
    assert session.solve((0,), SECONDS).dual_bound == pytest.approx(best, abs=1e-6)


def market_split(rows: int = 5, columns: int = 40, seed: int = 0) -> MilpModel:
    """Return a small model that no solver decides in reasonable time (Cornuejols, Dawande 1998)."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(0, 100, (rows, columns))
    model: Any = pyo.ConcreteModel()
    model.x = pyo.Var(range(columns), domain=pyo.Binary)
    model.over = pyo.Var(range(rows), bounds=(0, None))
    model.under = pyo.Var(range(rows), bounds=(0, None))
    model.split = pyo.Constraint(
        range(rows),
        rule=lambda m, r: (
            sum(int(weight[r, c]) * m.x[c] for c in range(columns)) + m.over[r] - m.under[r]
            == int(weight[r].sum() // 2)
        ),
    )
    total = sum(model.over[r] + model.under[r] for r in range(rows))
    model.margin = pyo.Constraint([0], rule=lambda m, _: total <= 0.5)
    model.objective = pyo.Objective(expr=0.0)
    inputs = tuple(model.x[c] for c in range(columns))
    return MilpModel(
        pyomo=model,
        pixels=tuple(range(columns)),
        inputs=inputs,
        margins={0: model.margin[0]},
        decision=True,
        centre=np.zeros((1, 1, columns)),
        binaries=columns,
    )


def test_a_time_limit_comes_back_in_time_without_an_answer() -> None:
    session = highs().open(market_split())
    for seconds in (0.3, 0.0, 0.3):
        began = time.monotonic()
        report = session.solve((0,), seconds)
        assert time.monotonic() - began < seconds + 3.0
        assert report.termination is Termination.LIMIT
        assert report.image is None
        assert "ime limit" in report.message
        assert report.seconds >= 0.0


def test_each_query_has_its_own_time() -> None:
    """HiGHS counts the seconds of some solves of one object together."""
    session = highs().open(market_split())
    session.solve((0,), 2.0)
    assert session.solve((), 0.4).termination is Termination.OPTIMAL
    began = time.monotonic()
    session.solve((0,), 0.5)
    assert 0.4 < time.monotonic() - began < 1.5


def test_without_active_margins_everything_is_feasible() -> None:
    report = highs().open(market_split()).solve((), SECONDS)
    assert report.termination is Termination.OPTIMAL
    assert report.image is not None
    assert report.image.shape == (1, 1, 40)


def test_an_interrupt_ends_a_solve_promptly_and_a_new_session_works() -> None:
    # Started in the background, Python would ignore the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for _ in range(2):
        session = highs().open(market_split())
        timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
        began = time.monotonic()
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            session.solve((0,), 60.0)
        assert time.monotonic() - began < 5.0
        timer.join()
    assert highs().open(market_split()).solve((), SECONDS).termination is Termination.OPTIMAL


def test_unknown_and_refused_options_are_errors() -> None:
    model = market_split(2, 4)
    with pytest.raises(SolverError, match="no_such_option"):
        HighsBackend("highs", {"no_such_option": 1}).open(model)
    with pytest.raises(SolverError, match="mip_rel_gap"):
        HighsBackend("highs", {"mip_rel_gap": "wide"}).open(model)
    with pytest.raises(SolverError, match="threads"):
        HighsBackend("highs", {"threads": -3}).open(model)


def test_the_shipped_profile_sets_tight_tolerances() -> None:
    backend = highs()
    assert backend.name == "highs"
    assert backend.trusted_infeasible
    session: Any = backend.open(market_split(2, 4))
    for option in ("mip_feasibility_tolerance", "primal_feasibility_tolerance"):
        _, value = session._highs.getOptionValue(option)
        assert value <= 1e-7
    _, smallest = session._highs.getOptionValue("dual_feasibility_tolerance")
    assert smallest <= 1e-10


@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_image_keeps_pixels_that_no_row_mentions(count: int) -> None:
    """A pixel variable outside of all rows still has a value within its bounds."""
    model: Any = pyo.ConcreteModel()
    model.x = pyo.Var(range(6), bounds=(0.25, 0.75))
    mentioned = [model.x[i] for i in range(count)]
    model.one = pyo.Var(bounds=(1.0, 1.0))
    model.margin = pyo.Constraint([0], rule=lambda m, _: sum(mentioned) - m.one <= 2.0)
    model.objective = pyo.Objective(expr=0.0)
    inputs = tuple(model.x[i] for i in range(6))
    built = MilpModel(
        model, tuple(range(6)), inputs, {0: model.margin[0]}, True, np.zeros((1, 2, 4)), 0
    )
    report = highs().open(built).solve((0,), SECONDS)
    assert report.image is not None
    values = report.image.ravel()
    assert ((values[:6] >= 0.25) & (values[:6] <= 0.75)).all()
    assert (values[6:] == 0.0).all()


def test_a_linear_program_has_a_bound_only_when_solved() -> None:
    model: Any = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0.0, 1.0))
    model.level = pyo.Var(bounds=(-10.0, 10.0))
    model.margin = pyo.Constraint([0], rule=lambda m, _: 0.5 - m.x - m.level <= 0.0)
    model.objective = pyo.Objective(expr=model.level)
    built = MilpModel(model, (0,), (model.x,), {0: model.margin[0]}, False, np.zeros((1, 1, 1)), 0)
    report = highs().open(built).solve((0,), SECONDS)
    assert report.termination is Termination.OPTIMAL
    assert report.dual_bound == pytest.approx(-0.5)
    none = highs().open(built).solve((0,), SECONDS, beyond=50.0)
    assert none.termination is Termination.INFEASIBLE
    assert none.dual_bound is None
    assert none.image is None
