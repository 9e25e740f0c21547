"""A solver that fails, or lies, costs time and never a wrong answer."""

from __future__ import annotations

import re
import time
from functools import cache
from typing import Any

import numpy as np
import pytest
from backend_cases import line, random_questions
from faulty_solver import FALSE, FAULTS, IMPATIENT, FaultyEngine, backend_with, faulty
from machines import analyse, highs
from strategies import Question

from mlspec.backends import backend as backend_module
from mlspec.backends.backend import ProgramBackend
from mlspec.backends.portfolio import PortfolioBackend
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.core.verdict import Outcome, Verdict
from mlspec.errors import SolverError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import Termination
from mlspec.solvers import ChosenBackend
from mlspec.verifier.claim_models import ClaimModels
from mlspec.verifier.complete import CompleteStage

every_fault = pytest.mark.parametrize("name", FAULTS)
prompt_fault = pytest.mark.parametrize("name", [name for name in FAULTS if name != "hangs"])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that hangs is left alone after a moment."""
    monkeypatch.setattr(backend_module, "PATIENCE", IMPATIENT)


@cache
def asked() -> tuple[Question, Question]:
    """Return a robust and a violated question that bounds leave open."""
    found: dict[Outcome, Question] = {}
    for question in random_questions(40):
        found.setdefault(decided(question, highs(), highs()).outcome, question)
        if {Outcome.ROBUST, Outcome.VIOLATED} <= found.keys():
            return found[Outcome.ROBUST], found[Outcome.VIOLATED]
    raise AssertionError("too few questions")


def decided(
    question: Question,
    backend: ChosenBackend,
    prover: ProgramBackend,
    *,
    decision: bool = True,
    seconds: float = 20.0,
) -> Verdict:
    """Return what the complete stage says if ``backend`` is asked and ``prover`` proves."""
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    compiler = Compiler(problem.relaxed, decision=decision)
    stage = CompleteStage(problem, ClaimModels(compiler, backend, prover), seconds)
    analysis = analyse(problem, box, "interval")
    return stage.decide(box, analysis, [], Deadline.after(seconds), [])


@prompt_fault
def test_branch_and_cut_answers_where_the_solver_of_the_spec_fails(name: str) -> None:
    robust, violated = asked()
    for decision in (True, False):
        for question, outcome in ((robust, Outcome.ROBUST), (violated, Outcome.VIOLATED)):
            verdict = decided(question, faulty(name), highs(), decision=decision)
            assert verdict.outcome is outcome, verdict.reason


@every_fault
def test_without_a_proof_the_answer_is_unknown_with_the_reason(name: str) -> None:
    """Also where the solver calls certified what it says: its interface does not."""
    for question in asked():
        solver = faulty(name)
        # Only a solver that hangs takes the time that it is given.
        verdict = decided(question, solver, solver, seconds=0.3 if name == "hangs" else 10.0)
        assert verdict.outcome is Outcome.UNKNOWN
        assert verdict.reason
        assert not verdict.robust
        assert bool(verdict.claim) == (name in FALSE - {"a bound that is too high"})


REASONS = {
    "raises RuntimeError": r"failed \(licence server gone\)",
    "raises MemoryError": "failed .it needs more memory than there is",
    "raises OSError": "failed .*Broken pipe",
    "raises an error of its own": r"failed \(CplexSolverError\)",
    "hangs": "did not end when it was cancelled",
    "returns None": r"failed \(it returned None\)",
    "NaN values": "its point holds NaN or infinite values",
    "no values": r"its point has shape \(0,\), expected",
    "a bound that is NaN": "its bound is nan",
    "says infeasible": "claimed by highs, but not proved",
}


@pytest.mark.parametrize("name", REASONS)
def test_the_reason_says_what_the_solver_did(name: str) -> None:
    verdict = decided(asked()[0], faulty(name), faulty(name), seconds=3.0)
    assert re.search(REASONS[name], verdict.reason), verdict.reason


@prompt_fault
def test_a_portfolio_is_as_good_as_its_best_member(name: str) -> None:
    robust, violated = asked()
    both = PortfolioBackend([faulty(name), highs()])
    assert decided(robust, both, highs()).robust
    assert decided(violated, both, highs()).outcome is Outcome.VIOLATED


def test_a_solver_that_hangs_is_left_alone_and_asked_nothing_more() -> None:
    engines: list[FaultyEngine] = []

    def load(program: Any, options: Any, first: bool) -> FaultyEngine:
        engines.append(FaultyEngine(program, FAULTS["hangs"]))
        return engines[-1]

    session = backend_with(load).open(line())
    began = time.monotonic()
    report = session.solve((0,), Deadline.after(0.2))
    assert time.monotonic() - began < 5.0
    assert report.termination is Termination.FAILED
    assert "did not end when it was cancelled" in report.message
    changes = list(engines[-1].changes)
    assert session.solve((0,), Deadline.after(0.2)).termination is Termination.FAILED
    assert not session.admits(np.zeros((1, 1, 1)))
    assert engines[-1].changes == changes


@pytest.mark.parametrize("error", [RuntimeError("no device"), MemoryError(), OSError(12, "no")])
def test_a_solver_that_cannot_load_is_a_solver_error(error: Exception) -> None:
    def load(program: Any, options: Any, first: bool) -> Any:
        raise error

    with pytest.raises(SolverError, match=r"Faulty cannot load a model: .+"):
        backend_with(load).open(line())
    verdict = decided(asked()[0], backend_with(load), backend_with(load))
    assert verdict.outcome is Outcome.UNKNOWN
    assert "cannot load a model" in verdict.reason


def test_a_solver_that_cannot_be_changed_has_failed() -> None:
    class Stubborn(FaultyEngine):
        def change_columns(self, columns: Any, lower: Array, upper: Array) -> None:
            raise RuntimeError("frozen")

    session = backend_with(lambda program, *_: Stubborn(program, FAULTS["no values"])).open(line())
    assert not session.admits(np.zeros((1, 1, 1)))
    report = session.solve((0,))
    assert (report.termination, report.message) == (Termination.FAILED, "frozen")
