"""Branches that cancel leave a constant: models know it, though intervals do not."""

from __future__ import annotations

import numpy as np
import pytest
from machines import SECONDS, cascade
from strategies import problem_of

from mlspec.core.deadline import Deadline
from mlspec.core.layering import Layering
from mlspec.core.network import Network, Op
from mlspec.core.problem import Problem
from mlspec.core.property import Property, TopK
from mlspec.core.verdict import Outcome
from mlspec.ops.add import Add
from mlspec.ops.clip import Clip
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu

AFTER: tuple[Op, ...] = (
    Relu(),
    LeakyRelu(0.1),
    Clip(0.0, 6.0),
    MaxPool((1, 1), (1, 1), relu=True),
    MaxPool((1, 2), (1, 1)),
)


def cancelling(after: Op, margin: float) -> Problem:
    """Return ``f_0 = after(r - r + 0.4) - 0.4 + margin``, with an open ReLU ``r``; ``f_1 = 0``."""
    one = np.ones((1, 1, 1, 1))
    ops = (
        Conv(4.0 * one, np.array([-2.0])),
        Relu(),
        Conv(-one, np.array([0.4])),
        Add(),
        after,
        Flatten(),
    )
    shape = 1, 1, 2
    inputs = ((0,), (1,), (2,), (2, 3), (4,), (5,))
    units = Network(ops, shape, inputs).labels
    first = np.zeros(units)
    first[0] = 1.0
    last = Linear(np.stack([first, np.zeros(units)]), np.array([margin - 0.4, 0.0]))
    network = Network((*ops, last), shape, (*inputs, (6,)))
    layering = Layering(np.zeros(shape[1:], dtype=np.int16), 1)
    return problem_of(network, np.full(shape, 0.5), layering, Property(TopK(1), (0,), 2))


@pytest.mark.parametrize("decision", [True, False])
@pytest.mark.parametrize("after", AFTER, ids=lambda op: type(op).__name__)
def test_a_constant_margin_is_decided(after: Op, decision: bool) -> None:
    eps = np.array([0.4])
    for margin, outcome in ((0.01, Outcome.ROBUST), (-0.01, Outcome.VIOLATED)):
        verifier = cascade(cancelling(after, margin), "interval", decision=decision)
        verdict = verifier.verify(eps, Deadline.after(SECONDS))
        assert verdict.outcome is outcome, verdict
