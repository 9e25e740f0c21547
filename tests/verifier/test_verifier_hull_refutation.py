"""Refuting neighborhoods by the hull of violating images, against enumeration."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, reject
from law import law
from machines import cascade, stages
from oracles import TooManyCellsError, level
from random_ops import TINY
from strategies import Question, questions

from mlspec import load_spec, run
from mlspec.core.deadline import Deadline
from mlspec.verifier.cascade import Cascade
from mlspec.verifier.memory import Memory


@law(questions(TINY), quick=8, deep=200)
def test_no_radius_between_refuted_ones_is_robust(question: Question) -> None:
    problem = question.problem
    rng = np.random.default_rng(0)
    count = problem.layering.count
    radii = np.minimum(question.eps + rng.random((count, count)), 1.2)
    found = cascade(problem).refute(radii)
    assert found.unbroken is None or 0 <= found.unbroken < count
    assert not (found.throughout and found.unbroken is not None)
    for cut in found.cuts:
        assert problem.margin(cut.witness[None])[0] <= 0.0
    assume(found.throughout)
    for share in rng.dirichlet(np.ones(count), 1):
        box = problem.neighborhood(np.minimum(share @ radii, 1.0)).box
        try:
            assert level(problem.network, box, problem.property).margin <= 0.0
        except TooManyCellsError:
            reject()


@law(questions(TINY), quick=30, deep=300)
def test_combinations_of_images_that_are_refuted_violate(question: Question) -> None:
    problem = question.problem
    rng = np.random.default_rng(0)
    images = problem.neighborhood(np.ones(problem.layering.count)).sample(rng, 64)
    violating = images[problem.margin(images) <= 0.0][:3]
    assume(len(violating))
    bounder = stages(problem).crown
    for kept in range(1, len(violating) + 1):
        if bounder.violated_throughout(violating[:kept]):
            shares = rng.dirichlet(np.ones(kept), 200)
            inside = np.einsum("sv,vchw->schw", shares, violating[:kept])
            assert np.all(problem.margin(inside) < 0.0)


def test_what_is_refuted_at_once_is_refuted_on_a_shipped_classifier() -> None:
    spec = load_spec("specs/small.yaml")
    problem = run.prepare(spec).problem
    verifier = run.verifier_of(problem, spec)
    assert isinstance(verifier, Cascade)
    assert verifier.refute(0.02 + 0.001 * np.eye(3)).throughout
    assert verifier.refute(np.full((3, 3), 1e-5)).unbroken == 0


def test_past_its_deadline_nothing_is_refuted_and_nothing_counts_as_unbroken() -> None:
    """Radii that are refuted, or that no attack breaks, are neither without the time to look."""
    problem = run.prepare(load_spec("specs/small.yaml")).problem
    hull = stages(problem).hull_refutation
    for radii in (0.02 + 0.001 * np.eye(3), np.full((3, 3), 1e-5)):
        found = hull.refute(radii, Memory(problem), Deadline.after(-1.0))
        assert not found.throughout
        assert found.unbroken is None
        assert not found.cuts
    assert hull.refute(0.02 + 0.001 * np.eye(3), Memory(problem)).throughout
