"""The exact robustness level: equal to enumeration, certified from below, replayed from above."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from law import law
from machines import SECONDS, analyse, cascade, complete_stage, highs, solver
from oracles import TooManyCellsError, level
from strategies import Question, problem_of, questions
from test_verifier_complete import EPS, PROVED, several

from mlspec.core.deadline import Deadline
from mlspec.core.layering import Layering
from mlspec.core.network import Network
from mlspec.core.problem import Problem
from mlspec.core.property import Property, TopK
from mlspec.core.verdict import Outcome, Proof
from mlspec.errors import ContradictionError
from mlspec.milp.compile import Compiler
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu
from mlspec.tolerances import REPLAY_AGREEMENT
from mlspec.verifier.claim_models import ClaimModels
from mlspec.verifier.level import LevelFinder, Weakest


@law(questions(), quick=12, deep=300)
def test_the_level_is_that_of_enumeration(question: Question) -> None:
    problem, eps = question.problem, question.eps
    box = problem.neighborhood(eps).box
    try:
        true = level(problem.network, box, problem.property).margin
    except TooManyCellsError:
        return
    for bounds in ("interval", "alpha"):
        found = cascade(problem, bounds, restarts=2, steps=2).level(eps, Deadline.after(SECONDS))
        scale = max(1.0, abs(true))
        assert found.lower <= true + 1e-6 * scale
        assert found.margins[0] >= true - 1e-6 * scale
        if found.exact:
            assert found.margins[0] == pytest.approx(true, abs=2 * REPLAY_AGREEMENT * scale)
        assert (np.diff(found.margins) >= 0.0).all()
        for image, margin in zip(found.images, found.margins, strict=True):
            assert box.contains(image)
            assert problem.margin(image[None])[0] == pytest.approx(margin, abs=1e-9 * scale)


@pytest.mark.parametrize("offset", [-0.5, 0.3, 1.0, 3.0])
def test_it_is_exact_whether_robust_or_not(offset: float) -> None:
    """From weak points far from the weakest."""
    problem = several(offset)
    box = problem.neighborhood(EPS).box
    finder = LevelFinder(problem, ClaimModels(Compiler(problem.relaxed), prover := highs(), prover))
    analysis = analyse(problem, box, "interval")
    found = finder.find(box, analysis, [problem.image], Deadline.after(SECONDS))
    assert found.exact
    assert found.margins[0] == pytest.approx(
        level(problem.network, box, problem.property).margin, abs=REPLAY_AGREEMENT
    )
    assert len(found.images) > 1


def test_without_time_it_says_what_bounds_and_attack_say() -> None:
    problem = several(3.0)
    box = problem.neighborhood(EPS).box
    finder = LevelFinder(problem, ClaimModels(Compiler(problem.relaxed), prover := highs(), prover))
    analysis = analyse(problem, box, "interval")
    found = finder.find(box, analysis, [problem.image], Deadline.after(0.0))
    assert not found.exact
    assert found.lower == analysis.margin
    assert len(found.images) == 1


def test_a_bound_above_a_known_margin_is_a_contradiction() -> None:
    problem = several(3.0)
    box = problem.neighborhood(EPS).box
    weakest = Weakest(problem, box, [problem.image], kept=8)
    with pytest.raises(ContradictionError, match="one of them is wrong"):
        weakest.level(weakest.least + 1.0, Proof.BOUNDS)


def test_a_model_without_the_images_certifies_nothing() -> None:
    problem = several(3.0)
    box = problem.neighborhood(EPS).box

    class Empty:
        """A solver that claims the best bound, of a model that has no images."""

        name = "empty"

        def __getattr__(self, name: str) -> object:
            report = replace(PROVED, dual_bound=5.0)
            answers = {"open": self, "solve": report, "admits": False}
            return lambda *_: answers[name]

    models = ClaimModels(Compiler(problem.relaxed), Empty(), Empty())  # type: ignore[arg-type]
    finder = LevelFinder(problem, models)
    analysis = analyse(problem, box, "interval")
    found = finder.find(box, analysis, [problem.image], Deadline.after(SECONDS))
    assert found.lower == analysis.margin


def slight() -> Problem:
    """Margin ``|x - 0.5| - 100 y + 5e-5`` around (0.5, 0): below zero where y is 1e-6."""
    ops = (
        Flatten(),
        Linear(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), np.array([-0.5, 0.5, 0.0])),
        Relu(),
        Linear(np.array([[1.0, 1.0, -100.0], [0.0, 0.0, 0.0]]), np.array([5e-5, 0.0])),
    )
    image = np.array([[[0.5, 0.0]]])
    layering = Layering(np.array([[0, 1]], dtype=np.int16), 2)
    return problem_of(Network(ops, (1, 1, 2)), image, layering, Property(TopK(1), (0,), 2))


@pytest.mark.parametrize("name", ["highs-mip", "gurobi", "cplex", "scip", "glpk"])
def test_a_pixel_that_hardly_moves_counts_where_its_weight_is_large(name: str) -> None:
    """HiGHS fixes variables of so small a range, and then called this robust."""
    problem = slight()
    box = problem.neighborhood(np.array([0.5, 1e-6])).box
    analysis = analyse(problem, box, "interval")
    for decision in (True, False):
        compiler = Compiler(problem.relaxed, decision)
        stage = complete_stage(problem, compiler, solver(name), SECONDS)
        verdict = stage.decide(box, analysis, [], Deadline.after(SECONDS), [])
        assert verdict.outcome is Outcome.VIOLATED
    finder = LevelFinder(problem, ClaimModels(Compiler(problem.relaxed), solver(name), highs()))
    found = finder.find(box, analysis, [problem.image], Deadline.after(SECONDS))
    assert found.margins[0] == pytest.approx(-5e-5, abs=2e-6)
    assert found.exact
