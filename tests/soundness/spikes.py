"""Narrow spikes: functions that are zero but within a small width of one point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Shape
from soundness.functions import Part, Pooled, Profile, Range, single, unit

SLOPES = (-1.0, 3.0)
"""Decimal exponents of the weights of each op."""
HEIGHTS = (-3.0, 0.5)
"""Decimal exponents of the values that spikes reach inside the network."""

EVEN = 0.25
"""How often a side of a spike has the weights of the others."""


@dataclass(frozen=True, eq=False)
class Spot:
    """Where a spike is to stand, and how narrow it is to be."""

    rng: np.random.Generator
    box: Box
    point: Array
    """``(n,)``."""
    width: float
    """A pixel that moves by this much leaves the spike, about."""
    shape: Shape

    def slopes(self) -> tuple[float, float, float]:
        """Return a height, and the weights of the first and the second op that give the width."""
        while True:
            height = 10.0 ** self.rng.uniform(*HEIGHTS)
            first = 10.0 ** self.rng.uniform(*SLOPES)
            second = height / (self.width * first)
            if 10.0 ** SLOPES[0] <= second <= 10.0 ** SLOPES[1]:
                return height, first, second

    def uneven(self, first: float, second: float) -> tuple[float, float]:
        """Return other weights of the two ops, whose product is about the same; now and then
        these."""
        if self.rng.random() < EVEN:
            return first, second
        share = 10.0 ** self.rng.uniform(-2.0, 2.0)
        return first * share, second / share * self.rng.uniform(0.7, 1.5)

    def pixels(self) -> NDArray[np.intp]:
        """Return the pixels that the spike depends on: most of them."""
        chosen = self.rng.random(len(self.point)) < 0.8
        chosen[int(self.rng.integers(len(chosen)))] = True
        return np.flatnonzero(chosen)


def tent(spot: Spot, *, outer: bool = True) -> Part:
    """``relu(height - sum_i |x_i - p_i|)``, the two sides of each pixel with weights of their
    own; without ``outer`` those are left out that look out of the box."""
    height, first, second = spot.slopes()
    lower, upper = (end.ravel() for end in (spot.box.lower, spot.box.upper))
    profiles = []
    for pixel in spot.pixels():
        direction = np.eye(len(spot.point))[pixel]
        (right, a), (left, b) = (spot.uneven(first, second) for _ in range(2))
        seen = np.array([spot.point[pixel] < upper[pixel], lower[pixel] < spot.point[pixel]])
        kept = seen if seen.any() and not outer else np.ones(2, dtype=bool)
        scales = single(np.array([right, -left])[kept])
        biases = single(-scales * spot.point[pixel])
        profiles.append(Profile(direction, scales, biases, single(np.array([-a, -b])[kept])))
    return unit(profiles, float(single(height)), spot.box)


def wedge(spot: Spot) -> Part:
    """Return a tent without the sides that look out of the box."""
    return tent(spot, outer=False)


def vees(spot: Spot) -> Part:
    """``relu(height - sum_j |d_j (x - p)|)`` for one to three directions across several pixels."""
    height, first, second = spot.slopes()
    profiles = []
    for _ in range(int(spot.rng.integers(1, 4))):
        direction = _direction(spot) * first
        powers = 2.0 ** spot.rng.integers(-4, 5, 2)
        scales = powers * np.array([1.0, -1.0])
        biases = single(-scales * (direction @ spot.point))
        factors = single(-second / powers * spot.rng.uniform(0.7, 1.5, 2))
        profiles.append(Profile(single(direction), scales, biases, factors))
    return unit(profiles, float(single(height)), spot.box)


def ridge(spot: Spot) -> Part:
    """``relu(z + w) - 2 relu(z) + relu(z - w)``, where ``z`` looks across several pixels, less a
    share of its top."""
    _, first, second = spot.slopes()
    direction = single(_direction(spot) * first)
    reach = spot.width * float(np.abs(direction).max())
    middle = -direction @ spot.point
    biases = single(middle + reach * np.array([1.0, 0.0, -1.0]))
    factor = float(single(second))
    offset = -factor * reach * float(spot.rng.choice([0.0, 0.5, 0.9]))
    profile = Profile(direction, np.ones(3), biases, factor * np.array([1.0, -2.0, 1.0]))
    return unit([profile], float(single(offset)), spot.box)


def pooled(spot: Spot) -> Pooled:
    """``relu(height - max_i |x_i - p_i|)``, the maximum by a max-pool."""
    height, first, second = spot.slopes()
    scales = single(first * 10.0 ** spot.rng.uniform(-0.3, 0.3, spot.shape))
    biases = single(-scales * spot.point.reshape(spot.shape))
    factors = single(second * spot.rng.uniform(0.7, 1.5, 2))
    ends = []
    for pixel, (scale, bias) in enumerate(zip(scales.ravel(), biases.ravel(), strict=True)):
        sides = np.array([1.0, -1.0])
        direction = np.eye(scales.size)[pixel]
        ends.append(Profile(direction, sides * scale, sides * bias, factors).extremes(spot.box))
    lows, highs = zip(*ends, strict=True)
    top = float(single(height))
    return Pooled(scales, biases, factors, top, _clipped(top, (max(lows), max(highs))))


KINDS: Mapping[str, Callable[[Spot], Part | Pooled]] = {
    "tent": tent,
    "wedge": wedge,
    "vees": vees,
    "ridge": ridge,
    "pooled": pooled,
}


def _direction(spot: Spot) -> Array:
    """Return a direction ``(n,)`` across two pixels or more, if there are as many."""
    direction = spot.rng.normal(size=len(spot.point)) * 10.0 ** spot.rng.uniform(
        -1.0, 0.0, len(spot.point)
    )
    kept = spot.rng.permutation(len(direction))[: max(2, int(spot.rng.integers(1, 7)))]
    found = np.zeros(len(direction))
    found[kept] = direction[kept]
    return np.asarray(found / np.abs(found).max())


def _clipped(top: float, below: Range) -> Range:
    low, high = (max(Fraction(top) - end, Fraction(0)) for end in reversed(below))
    return low, high
