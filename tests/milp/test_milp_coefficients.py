"""Coefficients of very different sizes: models keep every point that the network has."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from machines import SECONDS, cascade, highs
from milp_cases import question_of

from mlspec.core.bounds import Bounds
from mlspec.core.deadline import Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Network
from mlspec.core.property import TopK
from mlspec.core.verdict import Outcome
from mlspec.milp.builder import Builder
from mlspec.milp.compile import Compiler
from mlspec.milp.model import Termination
from mlspec.ops.conv import Conv
from mlspec.ops.encoding import Row
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu


def test_many_coefficients_too_small_for_a_solver_still_count() -> None:
    """HiGHS drops coefficients below 1e-9 unless told otherwise; here they decide."""
    pixels = 30
    first = Linear(np.eye(pixels) * 2000.0, np.full(pixels, -1000.0))
    last = Linear(np.stack([np.full(pixels, -8e-10), np.zeros(pixels)]), np.array([2e-5, 0.0]))
    problem = question_of((Flatten(), first, Relu(), last), pixels)
    worst = problem.margin(np.ones((1, 1, 1, pixels)))[0]
    assert worst < -1e-6
    for decision in (True, False):
        verifier = cascade(problem, "interval", decision=decision, restarts=1, steps=1)
        verdict = verifier.verify(np.ones(1), Deadline.after(SECONDS))
        assert verdict.outcome is Outcome.VIOLATED


@pytest.mark.parametrize("equal", [True, False])
def test_a_row_without_its_small_coefficients_keeps_every_point(equal: bool) -> None:
    build = Builder()
    ends = np.array([0.0, -3.0, 0.0]), np.array([1.0, 5.0, 4.0])
    x, y, z = build.inputs("x", [0, 1, 2], *ends)
    row = Row([1.0, 1e-9, -1e-9], [x, y, z], -0.5)
    (constraint,) = build.below_zero("row", {0: row}, equal).values()
    for fine in itertools.product((-3.0, 5.0), (0.0, 4.0)):
        y.value, z.value = fine
        x.value = 0.5 - 1e-9 * (y.value - z.value)
        assert constraint.slack() >= 0.0
        x.value += 2e-8
        assert constraint.slack() < 0.0


@pytest.mark.parametrize("factor", [1e-9, 1e-7, 1e-5, 1.0, 1e3])
def test_small_values_that_the_network_magnifies_are_kept(factor: float) -> None:
    """Hidden values of size ``factor``, magnified back by the last op."""
    first = Linear(np.array([[1.0, -1.0], [-1.0, 1.0]]) * factor, np.zeros(2))
    last = Linear(np.array([[-1.0, -1.0], [0.0, 0.0]]) / factor, np.array([0.5, 0.0]))
    problem = question_of((Flatten(), first, Relu(), last), 2)
    for decision in (True, False):
        for eps, outcome in ((0.24, Outcome.ROBUST), (0.26, Outcome.VIOLATED)):
            verifier = cascade(problem, "interval", decision=decision, restarts=1, steps=1)
            verdict = verifier.verify(np.array([eps]), Deadline.after(SECONDS))
            assert verdict.outcome is outcome, (decision, eps, verdict)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("noise", [(3e-19, 1e-19), (-1e-19, 1e-19), (5e-20, 6e-20), (3e-19, 3e-19)])
def test_a_value_that_rounding_moves_out_of_its_bounds_excludes_nothing(
    noise: tuple[float, float], relu: bool
) -> None:
    """A still candidate of 2e-19 beside one of size 1e-3: its bounds are noise, maybe crossed."""
    conv = Conv(np.ones((1, 1, 1, 1)), np.zeros(1))
    last = Linear(np.array([[-1e3], [0.0]]), np.array([0.5, 0.0]))
    network = Network((conv, MaxPool((1, 2), (1, 1), relu=relu), Flatten(), last), (1, 1, 2))
    lower, upper = np.array([[[2e-19, 0.0]]]), np.array([[[2e-19, 1e-3]]])
    ends = lower.copy(), upper.copy()
    ends[0][0, 0, 0], ends[1][0, 0, 0] = noise
    pooled = np.zeros((1, 1, 1)), np.full((1, 1, 1), 1e-3)
    bounds = Bounds(
        (lower, ends[0], pooled[0], pooled[0].ravel(), np.full(2, -1.0)),
        (upper, ends[1], pooled[1], pooled[1].ravel(), np.full(2, 1.0)),
    )
    claim = TopK(1).claim(0, 2)
    for decision in (True, False):
        model = Compiler(network, decision).compile(Box(lower, upper), bounds, claim, [0])
        report = highs().open(model).solve((0,), Deadline.after(SECONDS))
        assert report.termination is Termination.OPTIMAL
        if not decision:
            assert report.dual_bound == pytest.approx(-0.5, abs=1e-6)
