"""Every solver: limits, interrupts, options and ends, each the same from all of them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cplex as cplex_package
import gurobipy
import highspy
import numpy as np
import pyomo.environ as pyo
import pytest
import swiglpk
from backend_cases import (
    SOLVERS,
    compiled,
    here,
    line,
    market_split,
    wide,
)
from machines import SECONDS, analyse, complete_stage, solver
from strategies import TINY, Question, random_problem, random_radius

import mlspec
from mlspec.backends import cplex, glpk_library, gurobi, highs, scip
from mlspec.backends.engine import RunEnd as Ended
from mlspec.backends.program import arrays_of
from mlspec.backends.session import ProgramSession
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.core.verdict import Outcome
from mlspec.errors import LicenceError, MissingSolverError, OptionError, SpecError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import MilpModel, Termination
from mlspec.run import prepare
from mlspec.solvers import INTERFACES, chosen
from mlspec.spec import profile_names
from mlspec.spec.assets import asset_dir
from mlspec.spec.search import SolverChoice

every = pytest.mark.parametrize("name", SOLVERS)


def test_every_solver_has_a_profile_and_every_profile_a_solver() -> None:
    assert {solver(name).profile.backend for name in profile_names()} == set(INTERFACES)


def test_a_profile_of_unknown_code_is_refused(tmp_path: Path) -> None:
    text = (asset_dir("solvers") / "highs.yaml").read_text(encoding="utf-8")
    file = tmp_path / "mine.yaml"
    text = text.replace("backend: highs", "backend: higs").replace("name: highs", "name: mine")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=r"mine.yaml:\d+:\d+: backend: .*did you mean 'highs'"):
        chosen(SolverChoice(profile=str(file)))


@every
def test_the_solvers_of_the_package_index_are_installed(name: str) -> None:
    assert here(name), "the tests run every one of them: pip install 'mlspec[dev]'"


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


UNKNOWN = {
    "highs": "no_such_option",
    "gurobi": "NoSuchOption",
    "cplex": "mip.tolerances.nonsense",
    "scip": "limits/nonsense",
    "glpk": "nonsense",
}
REFUSED: dict[str, dict[str, Any]] = {
    "highs": {"mip_rel_gap": "wide", "threads": -3},
    "gurobi": {"MIPGap": "wide", "Threads": 1.5},
    "cplex": {"mip.tolerances.mipgap": -1.0, "threads": -3},
    "scip": {"limits/gap": -1.0, "lp/threads": "two"},
    "glpk": {"tol_int": 2.0, "mip_gap": "wide", "br_tech": 1.5},
}


@every
def test_unknown_and_refused_options_are_errors(name: str) -> None:
    model = market_split(2, 4)
    maker = "highs" if name == "highs-mip" else name
    for option, value in {UNKNOWN[maker]: 1, **REFUSED[maker]}.items():
        backend = solver(name, options={option: value})
        with pytest.raises(OptionError, match=option) as caught:
            backend.open(model)
        assert caught.value.option == option
        with pytest.raises(SpecError, match=option):
            chosen(SolverChoice(profile=name, options={option: value}))


MODULES = {"gurobi": "gurobipy", "cplex": "cplex", "scip": "pyscipopt", "glpk": "swiglpk"}


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_package_is_said_with_its_remedy(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, MODULES[name], None)
    for ask in (lambda: solver(name).version, lambda: chosen(SolverChoice(profile=name))):
        with pytest.raises(
            MissingSolverError, match=rf"not installed: pip install .mlspec\[{name}"
        ):
            ask()


@pytest.mark.parametrize(("name", "most"), [("gurobi", 2000), ("cplex", 1000)])
def test_a_model_over_the_free_licence_is_refused_before_it_is_solved(name: str, most: int) -> None:
    backend = solver(name)
    assert backend.allows(most, most)
    assert (
        backend.open(wide(most, most)).solve((0,), Deadline.after(SECONDS)).termination
        is Termination.OPTIMAL
    )
    for size in ((most + 1, 5), (5, most + 1)):
        if backend.allows(*size):
            pytest.skip("a full licence is installed")
        with pytest.raises(LicenceError, match=f"{most + 1:,} .*fewer layers"):
            backend.open(wide(*size))


@pytest.mark.parametrize(("name", "most"), [("gurobi", 2000), ("cplex", 1000)])
def test_a_profile_without_a_limit_meets_the_licence_in_the_solver(name: str, most: int) -> None:
    backend = solver(name)
    if backend.allows(most + 1, 5):
        pytest.skip("a full licence is installed")
    unaware = backend.profile.model_copy(update={"free_licence": None})
    session = type(backend)(unaware, INTERFACES[name]).open(wide(most + 1, 5))
    with pytest.raises(LicenceError, match="licence does not allow this"):
        session.solve((0,), Deadline.after(SECONDS))


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


def statuses(name: str) -> set[str]:
    """Return every status that a solver knows, by its name."""
    match name:
        case "highs":
            return set(highspy.HighsModelStatus.__members__)
        case "gurobi":
            return {each for each in dir(gurobipy.GRB.Status) if each.isupper()}
        case "cplex":
            status = cplex_package.Cplex().solution.status
            return {each for each in dir(status) if not each.startswith("_")}
        case "glpk":
            return {each for each in dir(swiglpk) if each.startswith("GLP_")}
    # SCIP's documentation of getStatus: its interface has no list of its own.
    return set(SCIP_STATUSES.split())


SCIP_STATUSES = """unknown userinterrupt nodelimit totalnodelimit stallnodelimit timelimit memlimit
    gaplimit sollimit bestsollimit restartlimit primallimit duallimit optimal infeasible unbounded
    inforunbd terminate"""
TABLES = {
    "highs": highs.TERMINATIONS,
    "gurobi": gurobi.TERMINATIONS,
    "cplex": cplex.TERMINATIONS,
    "scip": scip.TERMINATIONS,
    "glpk": {**glpk_library.STATUSES, **glpk_library.CODES},
}
PROOFS = {
    "highs": {"kInfeasible"},
    "gurobi": {"INFEASIBLE"},
    "cplex": {"infeasible", "MIP_infeasible"},
    "scip": {"infeasible"},
    "glpk": {"GLP_NOFEAS"},
}
"""The only words that mean: there is no point."""


@pytest.mark.parametrize("name", TABLES)
def test_the_words_for_an_end_are_those_of_the_solvers(name: str) -> None:
    """A misspelt one would turn an answer into a failure."""
    assert set(TABLES[name]) <= statuses(name)
    ends = {status for status, end in TABLES[name].items() if end is Termination.INFEASIBLE}
    assert ends == PROOFS[name]
    assert set(cplex.ABORTED) <= set(cplex.TERMINATIONS)


def test_what_glpk_never_said_before_is_a_failure() -> None:
    assert glpk_library.ended(swiglpk, 0, 99) == (Termination.FAILED, "status 99")
    assert glpk_library.ended(swiglpk, 99, swiglpk.GLP_NOFEAS) == (Termination.FAILED, "code 99")
    broken = glpk_library.ended(swiglpk, swiglpk.GLP_EBADB, swiglpk.GLP_OPT)
    assert broken == (Termination.FAILED, "GLP_EBADB")
    # A point that is not optimal, or of a call that failed, is no answer.
    for status in (swiglpk.GLP_UNDEF, swiglpk.GLP_FEAS, swiglpk.GLP_INFEAS):
        assert glpk_library.ended(swiglpk, 0, status)[0] is Termination.NUMERICAL
    assert glpk_library.ended(swiglpk, swiglpk.GLP_EFAIL, swiglpk.GLP_NOFEAS)[0] is (
        Termination.NUMERICAL
    )


def test_a_model_that_outgrows_the_licence_on_the_way_is_unknown() -> None:
    problem = prepare(mlspec.load_spec("specs/none_img3.yaml")).problem
    box = problem.neighborhood(np.full(problem.layering.count, 0.005)).box
    stage = complete_stage(problem, Compiler(problem.relaxed), solver("cplex"), SECONDS)
    verdict = stage.decide(box, analyse(problem, box, "crown"), [], Deadline.after(SECONDS), [])
    assert verdict.outcome is Outcome.UNKNOWN
    assert "too many for the licence of CPLEX" in verdict.reason


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
