"""What float32 may lose: no float32 evaluation is ever farther from the exact scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from law import law
from machines import SECONDS, cascade
from oracles import points
from soundness import exact
from soundness.rounding import cancelling_case, hard_question
from strategies import TINY, Question, problem_of, questions, seeded

from mlspec.bounds.float32 import float32_errors
from mlspec.core.deadline import Deadline
from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network, Op
from mlspec.core.problem import Problem
from mlspec.core.property import Property, Threshold, TopK
from mlspec.core.verdict import Outcome, Verdict
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.weighted import Weighted
from mlspec.tensors import TensorNetwork
from mlspec.verifier.float32 import verify_in_float32


def in_float32(problem: Problem, images: Array) -> list[Array]:
    """Return the scores ``(B, M)`` by several evaluations in float32."""
    rounded = images.astype(np.float32)
    net = TensorNetwork(problem.network, torch.float32)
    with torch.no_grad():
        by_torch = net.forward(torch.as_tensor(rounded)).numpy()
    values: list[Array] = [rounded]
    for op, read in zip(problem.network.ops, problem.network.inputs, strict=True):
        small = narrowed(op)
        values.append(small.forward(*(values[number] for number in read)))
        assert values[-1].dtype == np.float32
    return [by_torch.astype(np.float64), values[-1].astype(np.float64)]


def narrowed(op: Op) -> Op:
    """Return the op with its weights and biases in float32."""
    if not isinstance(op, Weighted):
        return op
    weight, bias = (each.astype(np.float32) for each in op.parameters)
    return replace(op, weight=weight, bias=bias)


def images_of(question: Question) -> Array:
    """Return the centre, corners and points of the neighborhood."""
    box = question.problem.neighborhood(question.eps).box
    rng = np.random.default_rng(0)
    corners = [np.where(rng.random(box.lower.shape) < 0.5, box.lower, box.upper) for _ in range(3)]
    return np.stack([question.problem.image, *corners, *points(box, rng, 3)[:3]])


def require_within(question: Question) -> None:
    problem = question.problem
    images = images_of(question)
    errors = float32_errors(problem, problem.neighborhood(question.eps).box)
    assert errors.shape == (problem.network.labels,)
    if not np.isfinite(errors).all():
        return
    true = np.stack([exact.values(problem.network, image)[-1] for image in images])
    for scores in in_float32(problem, images):
        assert (abs(exact.fractions(scores) - true) <= exact.fractions(errors)).all()


@law(questions(TINY), quick=60, deep=2000)
def test_no_float32_evaluation_is_farther_from_the_exact_scores(question: Question) -> None:
    require_within(question)


@law(seeded(hard_question), quick=60, deep=3000)
def test_neither_is_one_of_large_values_that_cancel(question: Question) -> None:
    require_within(question)


def asked(problem: Problem, eps: Array) -> Verdict:
    return verify_in_float32(
        problem, eps, lambda of: cascade(of).verify(eps, Deadline.after(SECONDS))
    )


@law(questions(TINY), quick=40, deep=600)
def test_what_is_robust_in_float32_is_so_in_every_evaluation(question: Question) -> None:
    problem, eps = question.problem, question.eps
    verdict = asked(problem, eps)
    match verdict.outcome:
        case Outcome.ROBUST:
            for scores in in_float32(problem, images_of(question)):
                assert (problem.property.margin(scores) > 0.0).all()
        case Outcome.VIOLATED:
            assert verdict.witness is not None
            for scores in in_float32(problem, verdict.witness[None]):
                assert problem.property.margin(scores)[0] <= 0.0
        case Outcome.UNKNOWN:
            assert "float32" in verdict.reason


@pytest.mark.parametrize("seed", range(8))
def test_what_is_violated_by_rounding_alone_is_not_robust(seed: int) -> None:
    case = cancelling_case(seed)
    assert not asked(case.problem, case.eps).robust


def two_scores(bias: float, rule: TopK | Threshold, size: float = 1.0) -> Problem:
    """Return ``f_0 = size x + bias`` and ``f_1 = size x``, at ``x = 0.5``."""
    ops = (Flatten(), Linear(np.full((2, 1), size), np.array([bias, 0.0])))
    layering = Layering(np.zeros((1, 1), dtype=np.int16), 1)
    property_ = Property(rule, (0,), 2)
    return problem_of(Network(ops, (1, 1, 1)), np.full((1, 1, 1), 0.5), layering, property_)


def test_a_margin_below_the_error_is_unknown_with_the_reason() -> None:
    eps = np.array([0.1])
    close, clear, lost = (two_scores(bias, TopK(1), 1000.0) for bias in (5e-5, 1.0, -1.0))
    assert cascade(close).verify(eps, Deadline.after(SECONDS)).robust
    verdict = asked(close, eps)
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.reason == "an image is nearer to the decision boundary than the float32 error"
    assert asked(clear, eps).robust
    verdict = asked(lost, eps)
    assert verdict.outcome is Outcome.VIOLATED
    assert verdict.margin == pytest.approx(-1.0)


def test_what_may_overflow_is_unknown() -> None:
    verdict = asked(two_scores(1e30, TopK(1), 1e38 * 5.0), np.array([0.1]))
    assert verdict.outcome is Outcome.UNKNOWN
    assert "overflow" in verdict.reason


def test_a_threshold_is_rounded_too() -> None:
    """``f_0`` is 0.5 + 1e-9 at least, and the threshold 0.5 + 1e-12: the same number in
    float32."""
    problem = two_scores(1e-9 + 0.1, Threshold((0.5 + 1e-12, 0.0)))
    assert not asked(problem, np.array([0.1])).robust
