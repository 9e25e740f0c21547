"""Every solver: limits, interrupts, options and ends, each the same from all of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from backend_cases import (
    SOLVERS,
    compiled,
    line,
    market_split,
)
from machines import SECONDS, solver
from random_ops import TINY
from strategies import Question, random_problem, random_radius

from mlspec.backends.engine import RunEnd as Ended
from mlspec.backends.program import arrays_of
from mlspec.backends.session import ProgramSession
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.milp.model import MilpModel, Termination

every = pytest.mark.parametrize("name", SOLVERS)


@every
def test_a_time_limit_comes_back_in_time_without_an_answer(name: str) -> None:
    session = solver(name).open(market_split())
    for seconds in (0.3, 0.0):
        began = time.monotonic()
        report = session.solve((0,), Deadline.after(seconds))
        assert time.monotonic() - began < seconds + 3.0
        assert report.termination is Termination.LIMIT
        assert report.image is None
        assert report.dual_bound is None
        assert report.message
        assert "more time" in report.termination.advice


@every
def test_each_query_has_its_own_time(name: str) -> None:
    """HiGHS counts the seconds of some solves of one object together."""
    session = solver(name).open(market_split())
    session.solve((0,), Deadline.after(1.2))
    assert session.solve((), Deadline.after(0.8)).termination is Termination.OPTIMAL
    began = time.monotonic()
    session.solve((0,), Deadline.after(0.5))
    assert 0.4 < time.monotonic() - began < 2.5


@every
def test_without_active_margins_everything_is_feasible(name: str) -> None:
    report = solver(name).open(market_split()).solve((), Deadline.after(SECONDS))
    assert report.termination is Termination.OPTIMAL
    assert report.image is not None
    assert report.image.shape == (1, 1, 40)


@every
@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_a_solve_promptly_and_a_new_session_works(name: str) -> None:
    session = solver(name).open(market_split())
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    began = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        session.solve((0,), Deadline.after(60.0))
    assert time.monotonic() - began < 5.0
    timer.join()
    assert (
        solver(name).open(market_split()).solve((), Deadline.after(SECONDS)).termination
        is Termination.OPTIMAL
    )


@every
def test_a_cancelled_solve_ends_promptly(name: str) -> None:
    session = solver(name).open(market_split())
    timer = threading.Timer(0.3, session.cancel)
    timer.start()
    began = time.monotonic()
    assert session.solve((0,), Deadline.after(60.0)).termination is Termination.LIMIT
    assert time.monotonic() - began < 5.0
    timer.join()
    session.revive()
    began = time.monotonic()
    assert session.solve((0,), Deadline.after(0.5)).termination is Termination.LIMIT
    assert time.monotonic() - began > 0.4
    assert session.solve((), Deadline.after(SECONDS)).termination is Termination.OPTIMAL


@every
def test_a_linear_program_has_a_bound_only_when_solved(name: str) -> None:
    session = solver(name).open(line())
    report = session.solve((0,), Deadline.after(SECONDS))
    assert report.termination is Termination.OPTIMAL
    assert report.dual_bound == pytest.approx(-0.5, abs=1e-6)
    none = session.solve((0,), Deadline.after(SECONDS), beyond=50.0)
    assert none.termination is Termination.INFEASIBLE
    assert none.dual_bound is None
    assert none.image is None
    assert session.solve((0,), Deadline.after(SECONDS)).termination is Termination.OPTIMAL


@every
def test_unbounded_is_told_from_infeasible(name: str) -> None:
    session = solver(name).open(line(free=True))
    report = session.solve((), Deadline.after(SECONDS))
    assert report.termination is Termination.UNBOUNDED
    assert report.dual_bound is None
    assert "report" in report.termination.advice
    assert session.solve((0,), Deadline.after(SECONDS)).termination is Termination.OPTIMAL


@every
def test_a_cut_off_optimisation_gives_a_bound(name: str) -> None:
    """Of a market split without its margin there is a point at once, and no proof of the best."""
    model = market_split()
    block = model.pyomo
    block.objective.set_value(sum(block.over.values()) + sum(block.under.values()))
    optimisation = MilpModel(
        block, model.pixels, model.inputs, model.margins, False, model.centre, model.binaries
    )
    report = solver(name).open(optimisation).solve((), Deadline.after(1.5))
    assert report.termination is Termination.FEASIBLE
    assert report.image is not None
    assert report.dual_bound is not None
    weights = [float(x) for x in report.image.ravel()]
    assert all(min(abs(x), abs(x - 1.0)) < 1e-5 for x in weights)
    # No solver finds the true optimum in this time; it is at least 0.
    assert -1e-6 <= report.dual_bound <= 20.0


@every
@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_image_keeps_pixels_that_no_row_mentions(name: str, count: int) -> None:
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
    report = solver(name).open(built).solve((0,), Deadline.after(SECONDS))
    assert report.image is not None
    values = report.image.ravel()
    assert ((values[:6] >= 0.25) & (values[:6] <= 0.75)).all()
    assert (values[6:] == 0.0).all()


@every
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_model_admits_the_images_of_its_box(name: str, share: float) -> None:
    """Also where nothing moves and no variable is an input."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        problem = random_problem(rng, TINY, moving=6, targets=1)
        asked = Question(problem, share * random_radius(rng, problem.layering.count))
        box = problem.neighborhood(asked.eps).box
        session = solver(name).open(compiled(asked, "interval", decision=True))
        for part in (0.0, 0.3, 1.0):
            assert session.admits(
                box.lower + part * (box.upper - box.lower), Deadline.after(SECONDS)
            )


def test_glpk_may_be_asked_by_several_threads() -> None:
    """It ends the whole process where they use it at once."""
    ends = []

    def ask(seed: int) -> None:
        session = solver("glpk").open(market_split(seed=seed))
        for subset in ((0,), (), (0,), ()):
            ends.append(
                session.solve(subset, Deadline.after(2.0 if not subset else 0.2)).termination
            )

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == 12
    assert set(ends) == {Termination.LIMIT, Termination.OPTIMAL}


@pytest.mark.usefixtures("interruptible")
def test_a_second_interrupt_waits_for_the_solver_too() -> None:
    """Nothing is changed in a solver that still runs."""
    done = []

    class Deaf:
        def change_rows(self, rhs: Mapping[int, float]) -> None:
            done.append("rows")

        def change_columns(self, columns: Sequence[int], lower: Array, upper: Array) -> None:
            done.append("columns")

        def change_cost(self, cost: Array) -> None:
            done.append("cost")

        def run(self, deadline: Deadline) -> Ended:
            done.append("begun")
            time.sleep(1.0)
            done.append("ended")
            return Ended(Termination.LIMIT, None, None, "at last")

        def cancel(self) -> None:
            pass

    model = market_split()
    program, layout = arrays_of(model)
    session = ProgramSession(model, program, layout, Deaf())
    timers = [threading.Timer(s, os.kill, (os.getpid(), signal.SIGINT)) for s in (0.2, 0.5)]
    for timer in timers:
        timer.start()
    with pytest.raises(KeyboardInterrupt):
        session.admits(model.centre, Deadline.after(SECONDS))
    assert done[done.index("begun") :] == ["begun", "ended", "columns"]
