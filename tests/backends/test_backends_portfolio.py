"""Several solvers at once: the first answer that holds wins."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from backend_cases import compiled, market_split, wide
from machines import SECONDS, analyse, complete_stage, solver
from random_ops import TINY
from strategies import Question, random_problem

from mlspec.backends.backend import ProgramBackend
from mlspec.backends.engine import Engine, RunEnd
from mlspec.backends.portfolio import PortfolioBackend
from mlspec.backends.program import arrays_of
from mlspec.core import forward
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.core.verdict import Outcome as Decided
from mlspec.core.verdict import Verdict
from mlspec.errors import LicenceError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import SolveReport, Termination
from mlspec.solvers import INTERFACES, ChosenBackend, chosen
from mlspec.spec.search import named
from mlspec.tolerances import MILP_MARGIN
from mlspec.verifier.claim_models import ClaimModels
from mlspec.verifier.complete import CompleteStage
from mlspec.verifier.subset_query import SubsetQuery


class Twisted:
    """A real engine whose outcome is twisted before it is told."""

    def __init__(self, engine: Engine, twist: Callable[[RunEnd], RunEnd], delay: float) -> None:
        self._engine = engine
        self._twist = twist
        self._delay = delay
        self._cancelled = threading.Event()

    def change_rows(self, rhs: Mapping[int, float]) -> None:
        self._engine.change_rows(rhs)

    def change_columns(self, columns: Sequence[int], lower: Array, upper: Array) -> None:
        self._engine.change_columns(columns, lower, upper)

    def change_cost(self, cost: Array) -> None:
        self._engine.change_cost(cost)

    def run(self, deadline: Deadline) -> RunEnd:
        self._cancelled.wait(self._delay)
        return self._twist(self._engine.run(deadline))

    def cancel(self) -> None:
        self._cancelled.set()


def twisted(name: str, twist: Callable[[RunEnd], RunEnd], delay: float = 0.0) -> ProgramBackend:
    """Return a solver that lies."""
    maker = INTERFACES[name]
    liar = replace(
        maker,
        load=lambda program, options, first: Twisted(
            maker.load(program, options, first), twist, delay
        ),
    )
    return ProgramBackend(solver(name).profile, liar)


def infeasible(_: RunEnd) -> RunEnd:
    return RunEnd(Termination.INFEASIBLE, None, None, "a lie")


def crash(_: RunEnd) -> RunEnd:
    raise RuntimeError("a crash")


def question(seed: int, outcome: Decided) -> Question:
    """Return the first small question from ``seed`` on that HiGHS decides so."""
    while True:
        rng = np.random.default_rng(seed)
        problem = random_problem(rng, TINY, moving=6, targets=1)
        for radius in (0.02, 0.4):
            asked = Question(problem, np.full(problem.layering.count, radius))
            left = analyse(problem, problem.neighborhood(asked.eps).box, "interval").open_subsets
            if left and decide(asked, solver("highs")).outcome is outcome:
                return asked
        seed += 1


def decide(asked: Question, backend: ChosenBackend, *, decision: bool = True) -> Verdict:
    box = asked.problem.neighborhood(asked.eps).box
    stage = complete_stage(
        asked.problem, Compiler(asked.problem.relaxed, decision), backend, SECONDS
    )
    analysis = analyse(asked.problem, box, "interval")
    return stage.decide(box, analysis, [], Deadline.after(SECONDS), [])


@pytest.mark.parametrize("outcome", [Decided.ROBUST, Decided.VIOLATED])
def test_a_portfolio_says_what_its_members_say(outcome: Decided) -> None:
    for seed in (0, 1000, 2000):
        backend = PortfolioBackend([solver("highs"), solver("scip"), solver("glpk")])
        assert decide(question(seed, outcome), backend).outcome is outcome


def test_the_first_answer_wins_and_the_others_stop() -> None:
    """SCIP waits for a minute before it starts; the answer of HiGHS ends that."""
    asked = compiled(question(0, Decided.ROBUST), "interval", decision=True)
    slow = twisted("scip", lambda outcome: outcome, delay=60.0)
    session = PortfolioBackend([slow, solver("highs")]).open(asked)
    began = time.monotonic()
    subset = tuple(asked.margins)
    assert session.solve(subset, Deadline.after(SECONDS)).termination is Termination.INFEASIBLE
    assert time.monotonic() - began < 5.0
    # Nothing of that is left for the next query.
    assert session.solve(subset, Deadline.after(SECONDS)).termination is Termination.INFEASIBLE


@pytest.mark.parametrize("decision", [True, False])
def test_a_claim_that_an_image_refutes_counts_for_nothing(decision: bool) -> None:
    asked = question(0, Decided.VIOLATED)
    lie = RunEnd(Termination.LIMIT, None, 5.0, "a lie")
    liar = twisted("scip", infeasible if decision else lambda _: lie)
    for backend in (liar, PortfolioBackend([solver("highs-mip"), liar])):
        verdict = decide(asked, backend, decision=decision)
        assert verdict.outcome is Decided.VIOLATED
        assert verdict.witness is not None
        assert asked.problem.margin(verdict.witness[None])[0] <= 0.0


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (
            Termination.NUMERICAL,
            "scip ended with numerical trouble (its word): take tighter bounds",
        ),
        (Termination.FAILED, "scip ended with failed (its word): take another solver"),
        (Termination.LIMIT, "time limit of the complete stage: give it more time"),
    ],
)
def test_every_end_that_decides_nothing_is_said_with_its_remedy(
    end: Termination, said: str
) -> None:
    liar = twisted("scip", lambda _: RunEnd(end, None, None, "its word"))
    asked = question(0, Decided.ROBUST)
    problem, box = asked.problem, asked.problem.neighborhood(asked.eps).box
    stage = CompleteStage(problem, ClaimModels(Compiler(problem.relaxed), liar, liar), SECONDS)
    verdict = stage.decide(box, analyse(problem, box, "interval"), [], Deadline.after(SECONDS), [])
    assert verdict.outcome is Decided.UNKNOWN
    assert verdict.reason.startswith(said)
    assert verdict.reason.endswith("(it was solver.seconds)") is (end is Termination.LIMIT)


def test_an_image_that_does_not_violate_refutes_no_proof() -> None:
    asked = question(0, Decided.ROBUST)
    size = compiled(asked, "interval", decision=True)

    def centre(outcome: RunEnd) -> RunEnd:
        if outcome.values is not None:
            return outcome
        columns = arrays_of(size)[0].columns
        return RunEnd(Termination.OPTIMAL, np.full(columns, 0.5), None, "a lie")

    liar = twisted("scip", centre, delay=0.5)
    assert decide(asked, PortfolioBackend([liar, solver("highs")])).outcome is Decided.ROBUST


def test_a_solver_that_fails_near_an_image_leaves_the_model_as_it_was() -> None:
    asked = question(0, Decided.VIOLATED)
    model = compiled(asked, "interval", decision=True)
    calls = iter(range(10))

    def second(outcome: RunEnd) -> RunEnd:
        return crash(outcome) if next(calls) == 1 else outcome

    session = twisted("highs", second).open(model)
    subset = tuple(model.margins)
    report = session.near(
        asked.problem.neighborhood(asked.eps).box.lower, subset, Deadline.after(SECONDS)
    )
    assert (report.termination, report.message) == (Termination.FAILED, "a crash")
    fresh = solver("highs").open(model)
    for each in (subset, subset[:1]):
        end = fresh.solve(each, Deadline.after(SECONDS)).termination
        assert session.solve(each, Deadline.after(SECONDS)).termination is end


def test_a_member_that_fails_is_out_of_the_race() -> None:
    model = market_split()
    session = PortfolioBackend([twisted("scip", crash), solver("highs")]).open(model)
    assert session.solve((), Deadline.after(SECONDS)).termination is Termination.OPTIMAL
    session = PortfolioBackend([twisted("scip", crash), twisted("glpk", crash)]).open(model)
    report = session.solve((), Deadline.after(SECONDS))
    assert (report.termination, report.message) == (Termination.FAILED, "a crash")


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_all_members() -> None:
    for names in (("highs", "scip"), ("gurobi", "highs")):
        session = PortfolioBackend([solver(name) for name in names]).open(market_split())
        timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
        began = time.monotonic()
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            session.solve((0,), Deadline.after(60.0))
        assert time.monotonic() - began < 5.0
        timer.join()
        assert session.solve((), Deadline.after(SECONDS)).termination is Termination.OPTIMAL


def test_a_portfolio_leaves_out_whose_licence_is_too_small() -> None:
    backend = chosen(named("cplex,highs"))
    assert isinstance(backend, PortfolioBackend)
    assert not backend.limited
    assert backend.name == "cplex + highs"
    assert (
        backend.open(wide(1500, 10)).solve((0,), Deadline.after(SECONDS)).termination
        is Termination.OPTIMAL
    )
    with pytest.raises(LicenceError, match="too large for the licences of all of cplex \\+ gurobi"):
        chosen(named("cplex,gurobi")).open(wide(5000, 10))


def test_a_claim_does_not_end_the_race_of_a_solver_that_can_prove_it() -> None:
    asked = compiled(question(0, Decided.ROBUST), "interval", decision=True)
    slow = twisted("highs", lambda outcome: outcome, 0.5)
    session = PortfolioBackend([twisted("scip", infeasible), slow]).open(asked)
    report = session.solve(tuple(asked.margins), Deadline.after(SECONDS), next(iter(asked.margins)))
    assert report.certified
    assert report.dual_bound == pytest.approx(MILP_MARGIN)


def test_an_image_within_the_tolerance_of_a_tie_decides_nothing() -> None:
    asked = question(0, Decided.VIOLATED)
    problem, box = asked.problem, asked.problem.neighborhood(asked.eps).box
    witness = decide(asked, solver("highs")).witness
    assert witness is not None
    low, high = witness, problem.image
    while problem.margin(high[None])[0] > MILP_MARGIN / 2:
        middle = (low + high) / 2
        low, high = (low, middle) if problem.margin(middle[None])[0] > 0.0 else (middle, high)
    item = analyse(problem, box, "interval").claims[0]
    scores = forward.scores(problem.network, high[None])
    (subset,) = [s for s in item.subsets if 0.0 < item.claim.margins(scores)[0, s].max() < 1e-5]
    report = SolveReport(Termination.OPTIMAL, high, None, 0.0)
    query = SubsetQuery(problem, box, item, subset)
    assert query.violated(report) is None
    assert query.proved(report) is None
    assert "within the tolerance" in query.undecided(report, "highs").reason
