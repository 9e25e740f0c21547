"""Laws of the MILP: it says of every network what enumeration and the forward pass say."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume
from law import law
from machines import BOUNDS, SECONDS, analyse, highs
from oracles import TooManyCellsError, level, points
from strategies import Question, questions

from mlspec.branching.hull import HullCuts
from mlspec.core import forward
from mlspec.core.bounds import Bounds
from mlspec.core.deadline import Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.problem import Problem
from mlspec.core.property import Claim
from mlspec.milp.compile import Compiler
from mlspec.milp.model import MilpModel, Session, Termination
from mlspec.tolerances import MILP_MARGIN

AGREEMENT = 1e-6
BELOW = 3e-5
"""Integers may be off by 1e-6, which loosens big-M rows: a bound may be lower by that."""


def agree(bound: float, true: float) -> bool:
    scale = 1.0 + abs(true)
    return -BELOW * scale <= bound - true <= AGREEMENT * scale


def whole_model(
    problem: Problem, box: Box, bounds: Bounds, claim: Claim, *, decision: bool
) -> tuple[MilpModel, Session]:
    """Return the model of ``claim`` with all its margins, and a session that solves it."""
    compiler = Compiler(problem.relaxed, decision=decision)
    model = compiler.compile(box, bounds, claim, range(len(claim.rows)))
    return model, highs().open(model)


@law(questions(), quick=60, deep=1500)
def test_with_its_input_fixed_the_model_gives_the_forward_pass(question: Question) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    rng = np.random.default_rng(0)
    images = points(box, rng, 20)
    for kind in BOUNDS:
        bounds = analyse(problem, box, kind).bounds()
        claim = problem.property.claims[0]
        compiler = Compiler(problem.relaxed, decision=False)
        model = compiler.compile(box, bounds, claim, range(len(claim.rows)))
        for image in rng.permutation(images)[:2]:
            for variable, value in zip(model.inputs, model.values(image), strict=True):
                variable.setlb(float(value))
                variable.setub(float(value))
            session = highs().open(model)
            margins = claim.margins(forward.scores(problem.network, image[None]))[0]
            for subset in [*((row,) for row in range(len(margins))), tuple(range(len(margins)))]:
                report = session.solve(subset, Deadline.after(SECONDS))
                assert report.termination is Termination.OPTIMAL, (kind, report)
                assert report.dual_bound is not None
                true = margins[list(subset)].max()
                assert agree(report.dual_bound, true), (kind, subset)


@law(questions(), quick=140, deep=4000)
def test_the_smallest_margin_is_that_of_the_enumeration(question: Question) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    try:
        exact = level(problem.network, box, problem.property).margin
    except TooManyCellsError:
        assume(False)
    kind = BOUNDS[int(question.eps.sum() * 1e6) % 3]
    bounds = analyse(problem, box, kind).bounds()
    found = []
    for claim in problem.property.claims:
        _, session = whole_model(problem, box, bounds, claim, decision=False)
        for subset in combinations(range(len(claim.rows)), claim.k):
            report = session.solve(subset, Deadline.after(SECONDS))
            assert report.termination is Termination.OPTIMAL, (kind, report)
            assert report.dual_bound is not None
            assert report.image is not None
            assert box.contains(box.clip(report.image))
            replayed = claim.margins(forward.scores(problem.network, report.image[None]))
            largest = replayed[0, list(subset)].max()
            assert agree(report.dual_bound, largest), kind
            found.append(report.dual_bound)
    assert agree(min(found), exact), kind


@law(questions(), quick=140, deep=4000)
def test_a_decision_is_infeasible_exactly_where_the_enumerated_margin_is_positive(
    question: Question,
) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    try:
        exact = level(problem.network, box, problem.property).margin
    except TooManyCellsError:
        assume(False)
    assume(not -AGREEMENT < exact - MILP_MARGIN < BELOW)
    kind = BOUNDS[int(question.eps.sum() * 1e6) % 3]
    bounds = analyse(problem, box, kind).bounds()
    # Without an aim HiGHS decides, with one our own branch and cut, which without cuts must branch.
    for way in ("whole", "cut", "branched"):
        with pytest.MonkeyPatch.context() as patch:
            if way == "branched":
                patch.setattr(HullCuts, "deepest", lambda *_: [])
            possible = False
            for claim in problem.property.claims:
                _, session = whole_model(problem, box, bounds, claim, decision=True)
                for subset in combinations(range(len(claim.rows)), claim.k):
                    guide = None if way == "whole" else subset[-1]
                    report = session.solve(subset, Deadline.after(SECONDS), guide)
                    ends = {Termination.OPTIMAL, Termination.INFEASIBLE}
                    assert report.termination in ends, (way, report)
                    if report.termination is Termination.OPTIMAL:
                        possible = True
                        assert report.image is not None
                        scores = forward.scores(problem.network, report.image[None])
                        lost = claim.margins(scores)[0, list(subset)].max()
                        assert lost <= MILP_MARGIN + BELOW
            assert possible == (exact <= MILP_MARGIN), (way, kind, exact)


@law(questions(), quick=60, deep=1500)
def test_only_what_moves_and_matters_becomes_a_variable(question: Question) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    bounds = analyse(problem, box, "crown").bounds()
    model, _ = whole_model(problem, box, bounds, problem.property.claims[0], decision=True)
    moving = np.flatnonzero((box.upper > box.lower).ravel())
    assert set(model.pixels) <= set(moving.tolist())
    images = points(box, np.random.default_rng(0), 20)
    still = np.setdiff1d(moving, model.pixels)
    frozen = images.reshape(len(images), -1).copy()
    frozen[:, still] = model.centre.ravel()[still]
    np.testing.assert_allclose(
        forward.scores(problem.network, frozen.reshape(images.shape)),
        forward.scores(problem.network, images),
        atol=1e-6,
    )
