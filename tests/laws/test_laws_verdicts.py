"""Laws of verdicts: no stage, with any setting, ever calls a violated neighborhood robust."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume
from law import law
from machines import BOUNDS, SECONDS, cascade
from oracles import ORACLE_ERROR, Exact, TooManyCellsError, level, points
from strategies import Question, questions, random_radius

from mlspec.core.deadline import Deadline
from mlspec.core.network import Array, Network, Op
from mlspec.core.problem import Problem
from mlspec.core.verdict import Outcome, Verdict
from mlspec.errors import ContradictionError
from mlspec.ops.clip import Clip
from mlspec.ops.linear import Linear
from mlspec.ops.weighted import Weighted

CLEAR = 1e-4
"""A margin this far from zero is no tie: a complete verifier must decide."""


def exactly(problem: Problem, eps: Array) -> Exact:
    """Return the enumerated robustness level; too large cases are left out."""
    try:
        return level(problem.network, problem.neighborhood(eps).box, problem.property)
    except TooManyCellsError:
        assume(False)
        raise


def assert_right(
    problem: Problem, eps: Array, verdict: Verdict, exact: float, what: object
) -> None:
    """Check a verdict against the enumerated margin."""
    match verdict.outcome:
        case Outcome.ROBUST:
            assert exact > 0.0, f"{what}: wrong ROBUST by {verdict.stage}, the margin is {exact}"
            assert verdict.margin is not None
            assert verdict.margin <= exact + ORACLE_ERROR, f"{what}: {verdict.stage}"
        case Outcome.VIOLATED:
            assert verdict.witness is not None
            assert verdict.margin is not None
            assert problem.neighborhood(eps).box.contains(verdict.witness), what
            assert problem.margin(verdict.witness[None])[0] == verdict.margin <= 0.0, what
            assert exact <= ORACLE_ERROR, f"{what}: wrong VIOLATED by {verdict.stage}"
        case Outcome.UNKNOWN:
            assert verdict.reason


@law(questions(), quick=40, deep=3000)
def test_every_setting_agrees_with_the_enumeration(question: Question) -> None:
    problem, eps = question.problem, question.eps
    exact = exactly(problem, eps).margin
    for bounds in BOUNDS:
        for decision in (True, False):
            verifier = cascade(problem, bounds, decision=decision)
            verdict = verifier.verify(eps, Deadline.after(SECONDS))
            assert_right(problem, eps, verdict, exact, (bounds, decision))
            if abs(exact) > CLEAR:
                assert verdict.outcome is not Outcome.UNKNOWN, (bounds, decision, exact, verdict)


@law(questions(), quick=60, deep=2000)
def test_without_an_attack_the_other_stages_decide_as_well(question: Question) -> None:
    problem, eps = question.problem, question.eps
    exact = exactly(problem, eps).margin
    for decision in (True, False):
        verifier = cascade(problem, "interval", decision=decision, restarts=1, steps=1)
        verdict = verifier.verify(eps, Deadline.after(SECONDS))
        assert_right(problem, eps, verdict, exact, decision)
        if abs(exact) > CLEAR:
            assert verdict.outcome is not Outcome.UNKNOWN, (decision, exact, verdict)


@law(questions(), quick=40, deep=1000)
def test_bounds_alone_are_right_or_silent(question: Question) -> None:
    problem, eps = question.problem, question.eps
    exact = exactly(problem, eps).margin
    for bounds in BOUNDS:
        verifier = cascade(problem, bounds, complete=False)
        assert verifier.bound(eps).outcome is not Outcome.VIOLATED
        for verdict in (verifier.bound(eps), verifier.verify(eps, Deadline.after(SECONDS))):
            assert_right(problem, eps, verdict, exact, bounds)
            assert not verdict.complete


DISTANCES = (-1e-3, -1.1e-5, -1e-5, -1e-6, -1e-7, 0.0, 2e-7, 1e-6, 5e-6, 1e-5, 1.1e-5, 1e-3)


def shifted(problem: Problem, by: float) -> Problem:
    """Return the problem with the one target's margin moved by ``by`` everywhere."""
    (target,) = problem.property.targets
    network = problem.network
    *ops, last = network.ops
    inputs = network.inputs
    if not isinstance(last, Linear):
        ops, inputs = [*ops, last], (*inputs, (len(network.ops),))
        last = Linear(np.eye(network.labels), np.zeros(network.labels))
    bias = last.bias.copy()
    bias[target] += by
    moved = Network((*ops, replace(last, bias=bias)), network.input_shape, inputs)
    return replace(problem, network=moved)


@law(questions(targets=1), quick=20, deep=2000)
def test_margins_hardly_above_or_below_zero_are_never_called_robust_wrongly(
    question: Question,
) -> None:
    problem, eps = question.problem, question.eps
    exact = exactly(problem, eps).margin
    number = int(eps.sum() * 1e9)
    for offset in range(3):
        distance = DISTANCES[(number + offset * 5) % len(DISTANCES)]
        near = shifted(problem, distance - exact)
        for bounds in ("interval", "alpha"):
            for decision in (True, False):
                verifier = cascade(near, bounds, decision=decision, restarts=2, steps=2)
                verdict = verifier.verify(eps, Deadline.after(SECONDS))
                assert_right(near, eps, verdict, distance, (distance, bounds, decision))


@law(questions(), quick=40, deep=1000)
def test_shrinking_a_robust_radius_keeps_it_robust(question: Question) -> None:
    problem, eps = question.problem, question.eps
    verifier = cascade(problem, "crown")
    verdict = verifier.verify(eps, Deadline.after(SECONDS))
    assume(verdict.robust)
    rng = np.random.default_rng(0)
    for share in (np.full(len(eps), 0.5), rng.random(len(eps)), np.zeros(len(eps))):
        smaller = eps * share
        assert verifier.verify(smaller, Deadline.after(SECONDS)).robust
        assert verifier.bound(smaller).robust
        fresh = cascade(problem, "crown").verify(smaller, Deadline.after(SECONDS))
        assert fresh.outcome is not Outcome.VIOLATED


@law(questions(), quick=40, deep=1000)
def test_growing_a_violated_radius_keeps_it_violated(question: Question) -> None:
    problem, eps = question.problem, question.eps
    verifier = cascade(problem, "crown")
    verdict = verifier.verify(eps, Deadline.after(SECONDS))
    assume(verdict.outcome is Outcome.VIOLATED)
    rng = np.random.default_rng(0)
    for grown in (eps, np.minimum(eps + rng.random(len(eps)), 1.0), np.ones(len(eps))):
        again = verifier.verify(grown, Deadline.after(SECONDS))
        assert again.outcome is Outcome.VIOLATED
        assert again.witness is not None
        assert problem.neighborhood(grown).box.contains(again.witness)
        assert not cascade(problem, "crown").verify(grown, Deadline.after(SECONDS)).robust


@law(questions(), quick=40, deep=1000)
def test_no_sample_of_a_robust_neighborhood_violates(question: Question) -> None:
    problem, eps = question.problem, question.eps
    verdict = cascade(problem).verify(eps, Deadline.after(SECONDS))
    assume(verdict.robust)
    rng = np.random.default_rng(0)
    neighborhood = problem.neighborhood(eps)
    samples = np.concatenate([neighborhood.sample(rng, 500), points(neighborhood.box, rng, 100)])
    assert verdict.margin is not None
    assert problem.margin(samples).min() >= verdict.margin - ORACLE_ERROR


@law(questions(), quick=30, deep=500)
def test_one_verifier_asked_many_times_never_contradicts_itself(question: Question) -> None:
    """Proofs and witnesses of many radii share one memory: a wrong one would raise."""
    problem = question.problem
    verifier = cascade(problem, "alpha")
    rng = np.random.default_rng(0)
    for _ in range(6):
        eps = random_radius(rng, problem.layering.count)
        try:
            verdict = verifier.verify(eps, Deadline.after(SECONDS))
        except ContradictionError as error:
            pytest.fail(str(error))
        points_ = verifier.weakest(eps)
        assert not (verdict.robust and points_.violates)


def rescaled(network: Network, factor: float) -> Network:
    """Return the same function, its inner values multiplied by ``factor`` where they can be."""
    last = max(n for n, op in enumerate(network.ops) if isinstance(op, Weighted))
    ops: list[Op] = []
    scales = [1.0]
    for position, (op, inputs) in enumerate(zip(network.ops, network.inputs, strict=True)):
        before = {scales[value] for value in inputs}
        if len(before) > 1:
            return network
        (scale,) = before
        if isinstance(op, Weighted):
            after = 1.0 if position == last else factor
            op = replace(op, weight=op.weight * (after / scale), bias=op.bias * after)
            scale = after
        elif isinstance(op, Clip):
            op = Clip(op.low * scale, op.high * scale)
        ops.append(op)
        scales.append(scale)
    return replace(network, ops=tuple(ops)) if scales[-1] == 1.0 else network


@law(questions(targets=1), quick=40, deep=2000)
def test_badly_scaled_networks_are_never_called_robust_wrongly(question: Question) -> None:
    problem, eps = question.problem, question.eps
    exact = exactly(problem, eps).margin
    number = int(eps.sum() * 1e9)
    factor = (1e-9, 1e-7, 1e-6, 1e-5, 1e-3, 1e3, 1e5)[number % 7]
    for decision in (True, False):
        for margin in (exact, -1e-4):
            near = shifted(problem, margin - exact)
            scaled = replace(near, network=rescaled(near.network, factor))
            verifier = cascade(scaled, "crown", decision=decision, restarts=1, steps=1)
            verdict = verifier.verify(eps, Deadline.after(SECONDS))
            assert_right(scaled, eps, verdict, margin, (factor, decision))
