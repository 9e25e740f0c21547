"""Scores whose margins are weighted sums of parts, with biases that set the least margin.

Of the labels that compete with the target some always have higher scores, some always lower ones,
and each of the others has a margin ``bias + gains @ parts``. With a threshold there is one margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from strategies import problem_of

from mlspec.core import forward
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import DecisionRule, Property, Threshold, TopK
from soundness import exact
from soundness.functions import Part, Pooled
from soundness.networks import Front, network_of
from soundness.settings import Setting, UnfitError


@dataclass(frozen=True, eq=False)
class Roles:
    """Which label does what."""

    labels: int
    rule: DecisionRule
    target: int
    moving: tuple[int, ...]
    """Labels whose margins depend on the parts; the target itself for a threshold."""
    higher: tuple[int, ...]
    """Labels whose scores are always higher than the target's."""
    apart: float
    """How far those, and those that are always lower, are away."""


def random_roles(rng: np.random.Generator) -> Roles:
    """Return roles for 2 to 4 labels under either rule."""
    labels, apart = int(rng.integers(2, 5)), float(rng.integers(3, 60))
    target, *others = rng.permutation(labels).tolist()
    if rng.random() < 0.25:
        tau = tuple(np.round(rng.normal(size=labels), 3).tolist())
        return Roles(labels, Threshold(tau), target, (target,), (), apart)
    k = int(rng.integers(1, labels))
    higher = int(rng.integers(0, k))
    return Roles(labels, TopK(k), target, tuple(others[higher:k]), tuple(others[:higher]), apart)


@dataclass(frozen=True, eq=False)
class Draft:
    """Parts and their gains: a problem but for the biases of its margins."""

    setting: Setting
    roles: Roles
    parts: Sequence[Part | Pooled]
    gains: Array
    """``(moving, parts)``: of each moving margin."""
    front: Front

    def problem(self, biases: Sequence[float]) -> Problem:
        """Return the problem in which the moving margins have these biases, the target's threshold
        left aside."""
        roles, setting = self.roles, self.setting
        gains = np.zeros((roles.labels, len(self.parts)))
        constants = np.full(roles.labels, -roles.apart)
        constants[list(roles.higher)] = roles.apart
        if isinstance(roles.rule, Threshold):
            gains[roles.target], constants[roles.target] = self.gains[0], biases[0]
        else:
            gains[roles.target], constants[roles.target] = self._shared, 0.0
            gains[list(roles.moving)] = self._shared - self.gains
            constants[list(roles.moving)] = np.negative(biases)
        network = network_of(self.parts, gains, constants, setting.shape, self.front)
        property_ = Property(roles.rule, (roles.target,), roles.labels)
        return problem_of(network, setting.image, setting.layering, property_)

    @property
    def _shared(self) -> Array:
        """What of the gains ``(parts,)`` the target's score has, where all margins agree."""
        alike = bool((self.gains == self.gains[0]).all())
        return np.asarray(self.gains[0] / 2.0 * alike)

    @property
    def _values(self) -> Network:
        """A network whose scores are the parts."""
        count = len(self.parts)
        shape = self.setting.shape
        return network_of(self.parts, np.eye(count), np.zeros(count), shape, self.front)

    def at(self, image: Array) -> list[Fraction]:
        """Return the moving margins at ``image`` ``(C, H, W)``, without their biases."""
        values = exact.scores(self._values, image)
        return list(exact.affine(self.gains, np.zeros(len(self.gains)), values))

    def nearly(self, images: Array) -> Array:
        """Return the same for ``images`` ``(N, C, H, W)`` in float64, ``(N, moving)``."""
        return np.asarray(forward.scores(self._values, images) @ self.gains.T)

    def floors(self) -> list[Fraction]:
        """Return lower bounds of the moving margins over the box, without their biases."""
        return [self._floor(gains) for gains in self.gains]

    def _floor(self, gains: Array) -> Fraction:
        ends = [part.range for part in self.parts]
        terms = [
            min(Fraction(gain) * low, Fraction(gain) * high)
            for gain, (low, high) in zip(gains.tolist(), ends, strict=True)
        ]
        return sum(terms, Fraction(0))

    def settled(
        self, image: Array, least: Sequence[Fraction], holders: int
    ) -> tuple[Problem, Fraction | None]:
        """Return the problem and a lower bound of its margin, None if ``image`` violates.

        The first ``holders`` of the moving margins are at least ``least`` everywhere, the others
        are minus ``least`` at ``image``, or a little below.
        """
        rule, roles = self.roles.rule, self.roles
        tau = Fraction(rule.tau[roles.target]) if isinstance(rule, Threshold) else Fraction(0)
        biases, floors = [], []
        for number, (at, floor, by) in enumerate(
            zip(self.at(image), self.floors(), least, strict=True)
        ):
            held = number < holders
            bias = rounded(tau + (by - floor if held else -by - at), up=held)
            biases.append(bias)
            floors += [floor + Fraction(bias) - tau] * held
        lowest = self._floor(self._shared) + Fraction(roles.apart)
        if isinstance(rule, TopK) and lowest <= max(least):
            raise UnfitError("a label that should always be lower may reach the target")
        return self.problem(biases), min(floors, default=None)


def rounded(value: Fraction, *, up: bool) -> float:
    """Return ``value`` rounded to float32 in one direction."""
    found = np.float32(float(value))
    if (Fraction(float(found)) < value) if up else (Fraction(float(found)) > value):
        found = np.nextafter(found, np.float32(np.inf if up else -np.inf))
    return float(found)
