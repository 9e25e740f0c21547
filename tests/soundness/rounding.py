"""Cases that only rounding could make robust: large values that cancel, and a margin below zero.

Every ReLU is active throughout, and with rational numbers the margin is one negative constant. In
float64 a sum of values of 1e8 is off by more than that constant, so bounds that are computed like
any other sum may come out positive, and so may a replay.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from random_ops import TINY, Rng, one_of
from strategies import Question, problem_of, random_problem

from mlspec.core.layering import Layering
from mlspec.core.network import Network, Op
from mlspec.core.property import Property, TopK
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu
from mlspec.ops.scale import Scale
from mlspec.ops.weighted import Weighted
from soundness import exact
from soundness.cases import Case
from soundness.functions import single

SIZES, DEPTHS = (2.0, 9.0), (-6.0, -1.0)
"""Decimal exponents of the weights of the first op, and of the margin below zero."""
WIDTHS = (0.0, 1e-15, 1e-12, 1e-6, 1.0)
"""Shares of a question's radius: at the small ones, bounds and values differ by rounding alone."""
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


def hard_question(rng: Rng) -> Question:
    """Return a question about large values that cancel, over a box of some width.

    Biases keep the values of the first image, or nearly so; scales have as many digits as float64.
    """
    problem = random_problem(rng, TINY, 6)
    factor = 10.0 ** rng.uniform(0.0, 8.0)
    ops = tuple(_harder(op, rng, factor) for op in problem.network.ops)
    network = Network(ops, problem.network.input_shape, problem.network.inputs)
    radius = np.full(problem.layering.count, one_of(rng, (0.02, 0.3)))
    return Question(replace(problem, network=network), radius * one_of(rng, WIDTHS))


def _harder(op: Op, rng: Rng, factor: float) -> Op:
    if not isinstance(op, Weighted):
        return op
    if isinstance(op, Scale):
        return replace(op, weight=op.weight / 3.0, bias=op.bias / 3.0)
    if rng.random() < 0.5:
        return op
    # Rounded to few digits: as in a float32 file, and exactly representable.
    weight = np.round(op.weight * factor * 64.0) / 64.0
    return replace(op, weight=weight, bias=np.round(op.bias * factor * 64.0) / 64.0)
