"""One proof for many neighborhoods: what its leaves certify is confirmed afresh."""

from __future__ import annotations

import numpy as np
import pytest
from law import law
from machines import SECONDS, cascade
from strategies import Question, questions

from mlspec.core.deadline import Deadline
from mlspec.core.verdict import Outcome, Proof

GROWN = 1.4
"""Ceilings, as multiples of the radius that is proved first."""


@law(questions(), quick=15, deep=300)
def test_every_radius_of_a_certified_polytope_is_robust(question: Question) -> None:
    problem, rng = question.problem, np.random.default_rng(0)
    ceiling = np.minimum(GROWN * question.eps, 1.0)
    proof = cascade(problem, "interval").proof(ceiling)
    assert proof is not None
    if not proof.extend(question.eps, Deadline.after(SECONDS)).robust:
        return
    rows, limits = proof.half_spaces(question.eps)
    assert (rows >= 0.0).all()
    fresh = cascade(problem, "alpha")
    for _ in range(6):
        eps = ceiling * rng.random(len(ceiling)) ** 0.3
        verdict = proof.certified(eps)
        if np.all(rows @ eps <= limits - 1e-6 * np.abs(limits)):
            assert verdict is not None, "half-spaces reach no farther than the leaves"
        if verdict is not None:
            assert verdict.robust
            assert verdict.proof in (Proof.BOUNDS, Proof.DUAL_BOUNDS)
            assert fresh.verify(eps, Deadline.after(SECONDS)).outcome is not Outcome.VIOLATED
            samples = problem.neighborhood(eps).sample(rng, 200)
            assert (problem.margin(samples) > 0.0).all()


@law(questions(), quick=15, deep=300)
def test_an_extension_says_what_a_query_from_nothing_says(question: Question) -> None:
    problem, rng = question.problem, np.random.default_rng(1)
    ceiling = np.minimum(GROWN * question.eps, 1.0)
    extended = cascade(problem, "interval").proof(ceiling)
    assert extended is not None
    for _ in range(5):
        eps = ceiling * rng.random(len(ceiling)) ** 0.5
        verdict = extended.extend(eps, Deadline.after(SECONDS))
        fresh = cascade(problem, "interval").verify(eps, Deadline.after(SECONDS))
        assert {verdict.outcome, fresh.outcome} != {Outcome.ROBUST, Outcome.VIOLATED}
        if verdict.witness is not None:
            assert problem.neighborhood(eps).box.contains(verdict.witness)
            assert problem.margin(verdict.witness[None])[0] <= 0.0
        if verdict.robust:
            assert extended.certified(eps) is not None
            assert extended.certified(0.9 * eps) is not None


def test_a_proof_ends_at_its_ceiling() -> None:
    rng = np.random.default_rng(3)
    question = None
    while question is None or question.problem.margin(question.problem.image[None])[0] <= 0.0:
        question = example(rng)
    proof = cascade(question.problem, "interval").proof(question.eps)
    assert proof is not None
    with pytest.raises(ValueError, match="does not reach"):
        proof.extend(question.eps + 0.01, Deadline.after(SECONDS))
    assert proof.certified(question.eps + 0.01) is None


def example(rng: np.random.Generator) -> Question:
    from strategies import TINY, random_problem, random_radius

    problem = random_problem(rng, TINY, 6, 2)
    return Question(problem, 0.5 * random_radius(rng, problem.layering.count))
