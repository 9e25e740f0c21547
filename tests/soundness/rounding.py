"""Cases that only rounding could make robust: large values that cancel, and a margin below zero.

Every ReLU is active throughout, and with rational numbers the margin is one negative constant. In
float64 a sum of values of 1e8 is off by more than that constant, so bounds that are computed like
any other sum may come out positive, and so may a replay.
"""

from __future__ import annotations

import numpy as np
from strategies import problem_of

from mlspec.core.layering import Layering
from mlspec.core.network import Network
from mlspec.core.property import Property, TopK
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu
from soundness import exact
from soundness.cases import Case
from soundness.functions import single

SIZES, DEPTHS = (2.0, 9.0), (-6.0, -1.0)
"""Decimal exponents of the weights of the first op, and of the margin below zero."""
DIGITS = 12
"""Binary digits of those weights: sums of them are exact in float32."""


def cancelling_case(seed: int) -> Case:
    """Return the case of this number: the same each time."""
    rng = np.random.default_rng(seed)
    pixels, size = int(rng.integers(1, 5)), 10.0 ** rng.uniform(*SIZES)
    grid = 2.0 ** np.round(np.log2(size) - DIGITS)
    weight = np.round(rng.normal(size=(2, pixels)) * size / grid) * grid
    bias = np.round((np.abs(weight).sum(axis=1) + size) / grid) * grid
    first = Linear(np.concatenate([weight, weight.sum(axis=0)[None]]), np.append(bias, bias.sum()))
    one, other = single(rng.uniform(0.1, 3.0, 2) * 10.0 ** rng.uniform(0.0, 3.0, 2))
    second = Linear(
        np.array([[one, one, 0.0], [0.0, 0.0, one], [other, other, 0.0], [0.0, 0.0, other]]),
        np.zeros(4),
    )
    gains = single(rng.uniform(0.1, 3.0, 2))
    depth = float(single(10.0 ** rng.uniform(*DEPTHS)))
    rows = np.array([[gains[0], -gains[0], gains[1], -gains[1]], np.zeros(4)])
    last = Linear(rows, np.array([-depth, 0.0]))
    ops = (Flatten(), first, Relu(), second, Relu(), last)
    network, image = Network(ops, (1, 1, pixels)), rng.random((1, 1, pixels))
    layering = Layering(np.zeros((1, pixels), dtype=np.int16), 1)
    problem = problem_of(network, image, layering, Property(TopK(1), (0,), 2))
    margin = exact.margin(network, problem.property, image)
    assert margin == -exact.fractions(np.array([depth]))[0]
    eps = np.array([rng.uniform(0.01, 0.3)])
    return Case(seed, "cancelling", "cancelling", 0.0, problem, eps, image, margin, None)
