"""Branch and cut: its answers, its deadlines, what it leaves to HiGHS."""

from __future__ import annotations

import threading
import time
from itertools import product

import highspy
import numpy as np
import pytest
from backend_cases import compiled, random_questions
from branching_cases import OPEN, open_model
from law import law
from machines import SECONDS, solver
from scipy import optimize
from strategies import Question, questions

from mlspec.backends.program import arrays_of
from mlspec.branching.engine import BranchingEngine
from mlspec.branching.hull import HullCuts
from mlspec.branching.relaxation import Relaxation, Relaxed
from mlspec.core import forward
from mlspec.core.deadline import Deadline
from mlspec.milp.model import SolveReport, Termination


@law(questions(), quick=15, deep=300)
def test_pieces_hold_at_every_point_of_the_program(question: Question) -> None:
    """What a program says of its integers is what its rows say."""
    program, layout = arrays_of(compiled(question, "interval", decision=True))
    low = np.where(program.kind <= 0, program.rhs, -np.inf)
    high = np.where(program.kind >= 0, program.rhs, np.inf)
    high[list(layout.margins.values())] = np.inf
    rng = np.random.default_rng(0)
    for _ in range(5):
        aim = rng.normal(size=program.columns)
        found = optimize.milp(
            aim,
            constraints=optimize.LinearConstraint(program.matrix, low, high),
            bounds=optimize.Bounds(program.lower, program.upper),
            integrality=program.integer,
        )
        assert found.x is not None
        for piece in program.pieces:
            point = found.x
            values = piece.weights @ point[piece.inputs] + piece.constants
            # A row may be off by the solver's tolerance in its own unit, not in that of the piece.
            slack = 1e-5 * (1.0 + np.abs(piece.weights).max(initial=0.0))
            assert point[piece.output] >= values.max() - slack
            winner = point[piece.wins].round().astype(bool)
            if winner.any():
                assert point[piece.output] <= values[winner][0] + slack
            else:
                assert piece.rest is not None
                assert point[piece.output] <= piece.rest + slack


@pytest.mark.parametrize("cuts", [True, False])
def test_it_agrees_with_the_solver_of_highs(cuts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cuts it has to branch on networks of this size."""
    if not cuts:
        monkeypatch.setattr(HullCuts, "deepest", lambda *_: [])
    counts, ends = [], set()
    for question in random_questions(12):
        model = compiled(question, "interval", decision=True)
        for row in model.margins:
            found, expected = (
                solver(name).open(model).solve((row,), Deadline.after(SECONDS), row)
                for name in ("highs", "highs-mip")
            )
            assert found.termination is expected.termination
            assert found.message.startswith("branch and cut, ")
            counts.append(int(found.message.split()[3]))
            ends.add(found.termination)
    assert ends == {Termination.OPTIMAL, Termination.INFEASIBLE}
    assert cuts or max(counts) > 3


def test_it_keeps_its_deadline_and_says_what_is_left() -> None:
    model = open_model()
    session = solver("highs").open(model)
    for seconds in (0.3, 0.0):
        began = time.monotonic()
        report = session.solve(OPEN, Deadline.after(seconds), OPEN[0])
        assert time.monotonic() - began < seconds + 2.0
        assert report.termination is Termination.LIMIT
        assert report.message.endswith("left to prove")


def test_it_can_be_cancelled() -> None:
    session = solver("highs").open(open_model())
    timer = threading.Timer(0.3, session.cancel)
    timer.start()
    began = time.monotonic()
    assert session.solve(OPEN, Deadline.after(60.0), OPEN[0]).termination is Termination.LIMIT
    assert time.monotonic() - began < 5.0
    timer.join()


def test_numerical_trouble_leaves_the_answer_to_the_solver_of_highs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    question = next(random_questions(1))
    model = compiled(question, "interval", decision=True)
    row = next(iter(model.margins))
    expected = solver("highs-mip").open(model).solve((row,), Deadline.after(SECONDS), row)
    unknown = Relaxed(-np.inf, None, highspy.HighsModelStatus.kUnknown)
    monkeypatch.setattr(Relaxation, "solve", lambda *_: unknown)
    found = solver("highs").open(model).solve((row,), Deadline.after(SECONDS), row)
    assert found.termination is expected.termination
    assert not found.message.startswith("branch and cut")


def test_without_an_objective_or_with_fixed_variables_highs_answers_itself() -> None:
    program, layout = arrays_of(compiled(next(random_questions(1)), "interval", decision=True))
    engine = BranchingEngine(program, {})
    engine.change_rows(dict.fromkeys(layout.margins.values(), np.inf))
    engine.change_cost(np.zeros(program.columns))
    outcome = engine.run(Deadline.after(SECONDS))
    assert outcome.termination is Termination.OPTIMAL
    assert "branch" not in outcome.message


@law(questions(), quick=15, deep=300)
def test_around_an_image_the_more_ties_are_free_the_more_is_found(question: Question) -> None:
    """With all of them free, and no start, it is what there is anywhere."""
    problem = question.problem
    model = compiled(question, "crown", decision=True)
    box = problem.neighborhood(question.eps).box
    image = box.lower + 0.3 * (box.upper - box.lower)
    for name, row in product(("highs", "highs-mip"), model.margins):
        opened = solver(name).open
        whole = opened(model).solve((row,), Deadline.after(SECONDS), row)
        free = opened(model).near(image, (row,), Deadline.after(SECONDS), row, ties=10**6)
        assert decides(free) == decides(whole)
        session = opened(model)
        region = session.near(image, (row,), Deadline.after(SECONDS), row)
        around = session.near(image, (row,), Deadline.after(SECONDS), row, ties=10**6)
        assert decides(around) or not decides(region)
        for report in filter(decides, (free, around)):
            assert report.image is not None
            scores = forward.scores(problem.network, box.clip(report.image)[None])
            assert problem.property.claims[0].margins(scores)[0, row] <= 1e-5


def decides(report: SolveReport) -> bool:
    """Whether there is a point within the limits."""
    return report.termination is Termination.OPTIMAL
