"""Laws of labels: what is said to be always or never predicted is, by enumeration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import assume
from law import law
from machines import BOUNDS, SECONDS, stages
from oracles import ORACLE_ERROR, TooManyCellsError, minimum, points
from strategies import Question, questions

from mlspec.attack.claim_attack import ClaimAttack
from mlspec.core import forward
from mlspec.core.deadline import Deadline
from mlspec.core.problem import Problem
from mlspec.core.property import Claim, Property, TopK
from mlspec.core.standing import LabelRelations, Order, Standing
from mlspec.verifier.labels import LabelSurvey

CLEAR = 1e-4
"""A margin this far from zero is no tie: a complete verifier must decide."""


def all_labels(problem: Problem) -> Problem:
    """Return the problem as the survey takes it: without targets."""
    return replace(problem, property=Property(problem.property.rule, (), problem.network.labels))


def surveyed(question: Question, bounds: str, *, attack: ClaimAttack) -> LabelRelations:
    problem = all_labels(question.problem)
    survey = LabelSurvey(problem, stages(problem, bounds, restarts=2, steps=4), attack)
    return survey.run(question.eps, Deadline.after(SECONDS))


def exactly(question: Question, claim: Claim) -> float:
    """Return the enumerated least margin of ``claim``; too large cases are left out."""
    problem = question.problem
    try:
        return minimum(problem.network, problem.neighborhood(question.eps).box, claim).margin
    except TooManyCellsError:
        assume(False)
        raise


def assert_right(question: Question, found: LabelRelations) -> None:
    """Check every label against the enumeration, every image against the network."""
    problem, labels = question.problem, question.problem.network.labels
    rule, box = problem.property.rule, problem.neighborhood(question.eps).box
    for side, wanted in ((found.predicted, True), (found.missing, False)):
        for label, image in side.items():
            assert box.contains(image)
            scores = forward.scores(problem.network, image[None])
            assert rule.predicted(scores)[0, label] == wanted
    for verdict in found.verdicts:
        label = verdict.label
        stays = exactly(question, rule.claim(label, labels))
        stays_out = exactly(question, rule.counterclaim(label, labels))
        match verdict.standing:
            case Standing.ALWAYS | Standing.NEVER:
                exact = stays if verdict.standing is Standing.ALWAYS else stays_out
                assert exact > 0.0, (verdict, exact)
                assert verdict.margin is not None
                assert verdict.margin <= exact + ORACLE_ERROR, verdict
            case Standing.EITHER:
                assert {label} <= found.predicted.keys() & found.missing.keys()
                assert stays <= ORACLE_ERROR, verdict
                assert stays_out <= ORACLE_ERROR, verdict
            case Standing.UNKNOWN:
                assert min(abs(stays), abs(stays_out)) <= CLEAR, verdict


@law(questions(), quick=12, deep=1500)
def test_labels_stand_as_the_enumeration_says(question: Question) -> None:
    for bounds in BOUNDS:
        assert_right(question, surveyed(question, bounds, attack=ClaimAttack()))


@law(questions(), quick=8, deep=1000)
def test_without_an_attack_the_complete_stage_decides(question: Question) -> None:
    idle = ClaimAttack(subsets=1, random_starts=0, steps=0)
    assert_right(question, surveyed(question, "interval", attack=idle))


@law(questions(), quick=8, deep=1000)
def test_a_proved_order_holds_on_every_image(question: Question) -> None:
    found = surveyed(question, "alpha", attack=ClaimAttack())
    problem, labels = question.problem, question.problem.network.labels
    box = problem.neighborhood(question.eps).box
    for above, below in np.argwhere(found.order == Order.PROVED).tolist():
        whole = TopK(1).claim(above, labels)
        row = [whole.competitors.index(below)]
        one = replace(whole, rows=whole.rows[row], offsets=whole.offsets[row], competitors=(below,))
        assert exactly(question, one) > 0.0
    images = points(box, np.random.default_rng(0), 200)
    scores = forward.scores(problem.network, images)
    lower = (scores[:, :, None] > scores[:, None, :]).all(axis=0)
    assert lower[found.order == Order.PROVED].all()
    assert not lower[np.eye(labels, dtype=bool)].any()
    assert (scores >= found.scores_lower - ORACLE_ERROR).all()
    assert (scores <= found.scores_upper + ORACLE_ERROR).all()
