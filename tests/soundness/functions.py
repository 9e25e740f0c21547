"""Piecewise-linear functions of images whose range over a box is known exactly.

A *profile* is a sum of ReLUs that all look in one direction ``d``: a function of the one number
``d @ x``, so its extremes over a box are values at its kinks and at both ends. A *part* of a
network is a combination of ReLUs of ReLUs, such as ``relu(offset + profiles)``, with the range that
its construction gives it. All parameters are float32 numbers; ranges are Fractions.

Axes: ``n`` pixels, ``u`` ReLUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np

from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.ops.linear import Linear
from soundness import exact
from soundness.exact import Exact

Range = tuple[Fraction, Fraction]


def single(values: Array | float) -> Array:
    """Return ``values`` rounded to float32, as float64."""
    return np.asarray(np.asarray(values, dtype=np.float32), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Profile:
    """``sum_u factors[u] * relu(scales[u] * (direction @ x) + biases[u])``."""

    direction: Array
    """``(n,)``."""
    scales: Array
    """``(u,)``: times ``direction`` exact in float32."""
    biases: Array
    factors: Array

    @property
    def rows(self) -> Array:
        """The weights ``(u, n)`` of its ReLUs."""
        return np.outer(self.scales, self.direction)

    def extremes(self, box: Box) -> Range:
        """Return the least and the largest value over ``box``."""
        direction = exact.fractions(self.direction)
        lower, upper = (exact.fractions(end.ravel()) for end in (box.lower, box.upper))
        ends = [direction * lower, direction * upper]
        first, last = sum(np.minimum(*ends)), sum(np.maximum(*ends))
        scales, biases = exact.fractions(self.scales), exact.fractions(self.biases)
        kinks = [-bias / scale for bias, scale in zip(biases, scales, strict=True) if scale]
        at = [first, last, *(kink for kink in kinks if first < kink < last)]
        values = [self._value(scales, biases, place) for place in at]
        return min(values), max(values)

    def _value(self, scales: Exact, biases: Exact, place: Fraction) -> Fraction:
        terms = exact.fractions(self.factors) * exact.positive(scales * place + biases)
        return Fraction(sum(terms))


@dataclass(frozen=True, eq=False)
class Part:
    """``output @ relu(second(relu(first(x))))``, and its range over a box."""

    first: Linear
    second: Linear
    output: Array
    range: Range


@dataclass(frozen=True, eq=False)
class Pooled:
    """``relu(top - max_i |scale_i * x_i + bias_i|)`` by a max-pool, and its range over a box.

    The two sides of the absolute values are multiplied by ``factors`` ``(2,)``.
    """

    scales: Array
    """``(1, H, W)``."""
    biases: Array
    factors: Array
    top: float
    range: Range


def unit(profiles: Sequence[Profile], offset: float, box: Box) -> Part:
    """Return ``relu(offset + sum of profiles)``."""
    extremes = [profile.extremes(box) for profile in profiles]
    low, high = (
        max(Fraction(offset) + sum(ends), Fraction(0)) for ends in zip(*extremes, strict=True)
    )
    return Part(
        Linear(
            np.concatenate([profile.rows for profile in profiles]),
            np.concatenate([profile.biases for profile in profiles]),
        ),
        Linear(np.concatenate([profile.factors for profile in profiles])[None], np.array([offset])),
        np.ones(1),
        (low, high),
    )


def exclusive(rng: np.random.Generator, box: Box, magnitude: float) -> Part:
    """Return ``relu(z - a) + relu(b - z)`` with ``b <= a``: never are both ReLUs active."""
    direction = single(rng.normal(size=box.lower.size) * magnitude)
    low, up = _ends(direction, box)
    first, last = np.sort(low + rng.uniform(0.2, 0.8, 2) * (up - low))
    factors = single(rng.uniform(0.2, 2.0, 2))
    biases = single(np.array([-last, first]))
    return unit([Profile(direction, np.array([1.0, -1.0]), biases, factors)], 0.0, box)


def paired(rng: np.random.Generator, box: Box, magnitude: float) -> Part:
    """Return ``relu(z - a) - relu(z - b)`` with ``a < b``: never above ``b - a``."""
    direction = single(rng.normal(size=box.lower.size) * magnitude)
    low, up = _ends(direction, box)
    first, last = np.sort(low + rng.uniform(0.2, 0.8, 2) * (up - low))
    factor = float(single(rng.uniform(0.2, 2.0)))
    biases = single(np.array([-first, -last]))
    factors = factor * np.array([1.0, -1.0])
    return unit([Profile(direction, np.ones(2), biases, factors)], 0.0, box)


def twin(rng: np.random.Generator, box: Box, magnitude: float) -> Part:
    """Return a random network minus a copy of it that is written otherwise: zero everywhere.

    The copy's ReLUs stand in another order and are scaled by powers of two, which is exact.
    """
    units, hidden = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    first, second = rng.normal(size=(units, box.lower.size)), rng.normal(size=(hidden, units))
    first, second = single(first * magnitude), single(second)
    biases = (
        single(-first @ rng.random(box.lower.size)),
        single(rng.normal(size=hidden) * magnitude),
    )
    order, others = rng.permutation(units), rng.permutation(hidden)
    scales, later = (2.0 ** rng.integers(-3, 4, size) for size in (units, hidden))
    copy = second[np.ix_(others, order)] * later[:, None] / scales
    weight = np.zeros((2 * hidden, 2 * units))
    weight[:hidden, :units], weight[hidden:, units:] = second, copy
    return Part(
        Linear(
            np.concatenate([first, first[order] * scales[:, None]]),
            np.concatenate([biases[0], biases[0][order] * scales]),
        ),
        Linear(weight, np.concatenate([biases[1], biases[1][others] * later])),
        np.concatenate([np.ones(hidden), -1.0 / later]),
        (Fraction(0), Fraction(0)),
    )


def triangle(rng: np.random.Generator, box: Box, magnitude: float) -> Part:
    """Return ``|a| + |b| - |a + b|`` for two random affine functions: nowhere negative.

    Parameters have few digits, so that those of ``a + b`` are exact sums.
    """
    grid = 2.0 ** np.round(np.log2(magnitude) - 10)
    weights = np.round(rng.normal(size=(2, box.lower.size)) * magnitude / grid) * grid
    biases = np.round(-weights @ rng.random(box.lower.size) / grid) * grid
    weights = np.concatenate([weights, weights.sum(axis=0)[None]])
    biases = np.append(biases, biases.sum())
    first = Linear(np.concatenate([weights, -weights]), np.concatenate([biases, -biases]))
    signs = np.array([1.0, 1.0, -1.0] * 2)
    added = zip(first.weight[signs > 0], first.bias[signs > 0], strict=True)
    most = sum(max(largest(row, bias, box), Fraction(0)) for row, bias in added)
    return Part(first, Linear(np.eye(6), np.zeros(6)), signs, (Fraction(0), Fraction(most)))


def convex(rng: np.random.Generator, box: Box, magnitude: float) -> Part:
    """Return a sum of ReLUs with positive factors: convex, so some corner of ``box`` is largest."""
    units = int(rng.integers(2, 5))
    weights = single(rng.normal(size=(units, box.lower.size)) * magnitude)
    inside = box.lower + rng.random(box.lower.shape) * (box.upper - box.lower)
    biases, factors = single(-weights @ inside.ravel()), single(rng.uniform(0.2, 2.0, units))
    ends = np.stack([box.lower.ravel(), box.upper.ravel()])
    corners = [np.array(corner) for corner in product(*ends.T.tolist())]
    values = [
        sum(
            exact.fractions(factors)
            * exact.positive(exact.affine(weights, biases, exact.fractions(corner)))
        )
        for corner in corners
    ]
    second = Linear(factors[None], np.zeros(1))
    return Part(Linear(weights, biases), second, np.ones(1), (Fraction(0), max(values)))


def _ends(row: Array, box: Box) -> tuple[float, float]:
    """Return about the least and the largest value of ``row @ x`` over ``box``."""
    ends = row * box.lower.ravel(), row * box.upper.ravel()
    return float(np.minimum(*ends).sum()), float(np.maximum(*ends).sum())


def largest(row: Array, bias: float, box: Box) -> Fraction:
    """Return the largest value of ``row @ x + bias`` over ``box``."""
    lower, upper = (exact.fractions(end.ravel()) for end in (box.lower, box.upper))
    weights = exact.fractions(row)
    return sum(np.maximum(weights * lower, weights * upper), Fraction(bias))
