"""Problems whose margins are written down: what a verifier has to answer is known."""

from __future__ import annotations

import numpy as np
from strategies import problem_of

from mlspec.core.layering import Layering
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import Property, TopK
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu


def absolute_value(offset: float = 0.5) -> Problem:
    """Margin ``|x0 - x1| + offset``, from x = (0.5, 0.5)."""
    ops = (
        Flatten(),
        Linear(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.zeros(2)),
        Relu(),
        Linear(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([offset, 0.0])),
    )
    layering = Layering(np.array([[0, 1]], dtype=np.int16), 2)
    return problem_of(
        Network(ops, (1, 1, 2)),
        np.full((1, 1, 2), 0.5),
        layering,
        Property(TopK(1), (0,), 2),
    )


def planes(seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(3, 4))


def through_relus(weight: Array, sums: Array, offset: float, value: float) -> Problem:
    """Margin ``sums . relu(weight (x - 0.5)) + offset`` around a grey image of ``value``."""
    last = np.stack([sums, np.zeros(len(sums))])
    ops = (
        Flatten(),
        Linear(weight, -weight.sum(1) / 2),
        Relu(),
        Linear(last, np.array([offset, 0.0])),
    )
    return problem_of(
        Network(ops, (1, 2, 2)),
        np.full((1, 2, 2), value),
        Layering(np.zeros((2, 2), dtype=np.int16), 1),
        Property(TopK(1), (0,), 2),
    )


def hard(offset: float = 0.05) -> tuple[Problem, Array]:
    """Margin ``sum |p| - |sum p| + offset`` of planes ``p``: never below ``offset``."""
    each = planes()
    all_ = each.sum(0, keepdims=True)
    weight = np.concatenate([each, -each, all_, -all_])
    sums = np.array([1.0] * 6 + [-1.0] * 2)
    return through_relus(weight, sums, offset, 0.5), np.array([0.5])


def hidden(offset: float = -1e-3, value: float = 0.27) -> Problem:
    """Margin ``sum |p| + offset``: violated close to the grey image of 0.5 alone."""
    each = np.concatenate([planes(), planes(1)])
    return through_relus(np.concatenate([each, -each]), np.ones(12), offset, value)
