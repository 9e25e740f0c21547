"""Laws on networks of known answer: bounds and whole verifiers against rational numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from law import law
from machines import BOUNDS, SECONDS, analyse, cascade
from soundness import exact
from soundness.asking import wrong_level, wrong_verdict
from soundness.cases import Case, cases
from soundness.rounding import cancelling_case

from mlspec.core.deadline import Deadline


@law(cases(), quick=60, deep=6000)
def test_no_bound_is_above_an_exact_margin(case: Case) -> None:
    problem = case.problem
    box = problem.neighborhood(case.eps).box
    for kind in BOUNDS:
        found = analyse(problem, box, kind)
        assert Fraction(found.margin) <= case.margin, kind
        if found.robust:
            assert case.robust, kind


@law(cases(), quick=60, deep=6000)
def test_bounds_hold_the_exact_values_of_every_op(case: Case) -> None:
    problem = case.problem
    box = problem.neighborhood(case.eps).box
    rng = np.random.default_rng(case.seed)
    corner = np.where(rng.random(box.lower.shape) < 0.5, box.lower, box.upper)
    images = [case.image, corner]
    values = [exact.values(problem.relaxed, image) for image in images]
    for kind in BOUNDS:
        bounds = analyse(problem, box, kind).bounds()
        for at_image in values:
            for number, value in enumerate(at_image):
                lower, upper = (
                    exact.fractions(ends[number]) for ends in (bounds.lower, bounds.upper)
                )
                assert (lower <= value).all(), (kind, number)
                assert (value <= upper).all(), (kind, number)


@law(cases(), quick=30, deep=2000)
def test_whole_verifiers_are_never_wrong(case: Case) -> None:
    for decision in (True, False):
        verifier = cascade(case.problem, "alpha", decision=decision, restarts=2, steps=4)
        verdict = verifier.verify(case.eps, Deadline.after(SECONDS))
        assert not wrong_verdict(case, verdict.outcome, verdict.margin, verdict.witness), verdict
    level = verifier.level(case.eps, Deadline.after(SECONDS))
    assert not wrong_level(case, level.lower, level.images, level.margins)


@law(st.integers(0, 2**32 - 1).map(cancelling_case), quick=300, deep=6000)
def test_rounding_makes_nothing_robust(case: Case) -> None:
    box = case.problem.neighborhood(case.eps).box
    for kind in BOUNDS:
        found = analyse(case.problem, box, kind)
        assert not found.robust, (kind, found.margin, float(case.margin))
        assert Fraction(found.margin) <= case.margin or not np.isfinite(found.margin), kind
