"""Objectives: what a search maximises, and what it needs to know of that function of the epsilons.

    weighted_sum   w . eps                               the size of the neighborhood
    max_min        min_d eps_d / r_d,  r = w / max w     layers of weight 0 do not count
    log_volume     exp(sum_d w_d log eps_d / sum_d w_d)  the geometric mean, by weights

All are monotone, concave and homogeneous of degree 1 (twice the eps is worth twice as much), so a
relative gap or tolerance means the same for each. That is why the log-volume, sum_d w_d log eps_d,
is represented by the geometric mean: it orders eps vectors in the same way, is never negative, and
is 0 where the volume is 0. ``max_min`` takes the weights for relative budgets: at the value t layer
d has the epsilon t * r_d, and the layer of the largest weight has t itself (the weighted Chebyshev
scalarisation; Miettinen, Nonlinear Multiobjective Optimization, 1999). Of two eps of the same value
the one of larger w . eps is better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mlspec.core.network import Array
from mlspec.tolerances import SMALLEST_DIVISOR


class Objective(Protocol):
    """The value of an eps ``(R,)``; ``weights`` is ``(R,)``, non-negative and not all zero."""

    name: ClassVar[str]
    """As ``search.objective`` of a spec has it."""
    symbol: ClassVar[str]
    """The value as a short formula."""
    words: ClassVar[str]
    """What the value is, for a table."""
    balanced: ClassVar[bool]
    """Whether growing all layers together, in proportion to their weights, is better than growing
    one after the other."""

    @property
    def weights(self) -> Array:
        """``(R,)``."""
        ...

    @property
    def unit(self) -> Array | None:
        """The componentwise least eps ``(R,)`` of value 1, if there is one.

        If there is, a larger epsilon of one layer never makes up for a smaller one of another.
        """
        ...

    def values(self, eps: Array) -> Array:
        """Return the value ``(...)`` of each eps ``(..., R)``."""
        ...

    def direction(self, eps: Array, weights: Array) -> Array:
        """Return a direction ``(R,)`` >= 0, of any length, in which the value grows from ``eps``.

        ``weights`` stand in for those of the objective, where it has a choice of directions.
        """
        ...

    def lowered(self, eps: Array, share: float) -> Array:
        """Return the eps ``(R,)`` with each epsilon lowered so far that lowering it alone would
        leave ``share`` of the value of ``eps``; entries may be negative."""
        ...

    def trimmed(self, eps: Array, robust: Array, share: float) -> Array:
        """Return ``eps`` with the layers of least gain set back to ``robust``.

        Those are as many layers as together bring at most ``share`` of what ``eps`` gains over
        ``robust``.
        """
        ...

    def linear_pieces(self, low: Array, high: Array) -> LinearPieces:
        """Return the objective, or a piecewise linear approximation between ``low`` and ``high``,
        for a linear program."""
        ...


@dataclass(frozen=True, eq=False)
class LinearPieces:
    """An objective to be maximised by a linear program over eps and ``Z`` further variables.

    The program maximises ``cost`` ``(R + Z,)`` times them. Its constraint matrix is
    sparse: ``entries[i]`` stands in row ``rows[i]`` and column ``columns[i]``, and every row is at
    most its ``limits``.
    """

    cost: Array
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    entries: Array
    limits: Array


@dataclass(frozen=True, eq=False)
class WeightedSum:
    """``w . eps``: the size of the neighborhood."""

    weights: Array
    name: ClassVar[str] = "weighted_sum"
    symbol: ClassVar[str] = "w·eps"
    words: ClassVar[str] = "sum of weight × epsilon"
    balanced: ClassVar[bool] = False
    unit: ClassVar[None] = None

    def values(self, eps: Array) -> Array:
        """Return ``w . eps``."""
        return np.asarray(eps @ self.weights)

    def direction(self, eps: Array, weights: Array) -> Array:
        """Return ``weights``, the gradient."""
        return weights

    def lowered(self, eps: Array, share: float) -> Array:
        """Return ``eps_d - (1 - share) * (w . eps) / w_d``."""
        return np.asarray(eps - (1.0 - share) * (self.weights @ eps / _positive(self.weights)))

    def trimmed(self, eps: Array, robust: Array, share: float) -> Array:
        """Leave out the smallest of ``w_d * (eps_d - robust_d)``."""
        return _without_smallest_gains(eps, robust, self.weights * (eps - robust), share)

    def linear_pieces(self, low: Array, high: Array) -> LinearPieces:
        """Return ``w . eps`` as it is."""
        nowhere, none = np.empty(0, dtype=np.int64), np.empty(0)
        return LinearPieces(self.weights, nowhere, nowhere, none, none)


@dataclass(frozen=True, eq=False)
class MaxMin:
    """``min_d eps_d / r_d`` over the layers of positive weight, with ``r = w / max w``."""

    weights: Array
    name: ClassVar[str] = "max_min"
    symbol: ClassVar[str] = "min eps/w"
    words: ClassVar[str] = "least epsilon / weight, the largest weight being 1"
    balanced: ClassVar[bool] = True

    @cached_property
    def unit(self) -> Array:
        """``r``."""
        return np.asarray(self.weights / self.weights.max())

    def values(self, eps: Array) -> Array:
        """Return the least ratio."""
        counts = self.unit > 0.0
        return np.asarray((eps[..., counts] / self.unit[counts]).min(axis=-1))

    def direction(self, eps: Array, weights: Array) -> Array:
        """Return the direction to the least eps of twice the value.

        Along it no layer grows more than the value needs. ``weights`` are ignored: any other
        direction spends margin on layers that do not raise the minimum.
        """
        value = float(self.values(eps))
        return np.maximum(2.0 * value * self.unit - eps, 0.0) if value > 0.0 else self.unit

    def lowered(self, eps: Array, share: float) -> Array:
        """Return the least eps of ``share`` of the value."""
        return share * float(self.values(eps)) * self.unit

    def trimmed(self, eps: Array, robust: Array, share: float) -> Array:
        """Return the least eps >= ``robust`` of the value of ``eps``; ``share`` is ignored, as
        setting back one layer loses the whole gain."""
        return np.maximum(robust, np.minimum(eps, float(self.values(eps)) * self.unit))

    def linear_pieces(self, low: Array, high: Array) -> LinearPieces:
        """Return ``max t`` subject to ``r_d t <= eps_d``."""
        layers = np.flatnonzero(self.unit > 0.0)
        count, radii = len(layers), len(self.unit)
        return LinearPieces(
            np.append(np.zeros(radii), 1.0),
            np.tile(np.arange(count), 2),
            np.concatenate([layers, np.full(count, radii)]),
            np.concatenate([np.full(count, -1.0), self.unit[layers]]),
            np.zeros(count),
        )


@dataclass(frozen=True, eq=False)
class LogVolume:
    """``exp(sum_d w_d log eps_d / sum_d w_d)``; 0 where a layer of positive weight is at 0."""

    weights: Array
    tangents: int = 6
    """Tangents that stand for the logarithm of each epsilon in a linear program."""
    first_tangent: float = 1e-3
    """Where the first tangent touches at least, as a share of where the last one does."""
    smallest: float = 1e-6
    """Epsilons below this count as this where a logarithm or its slope would be infinite."""
    name: ClassVar[str] = "log_volume"
    symbol: ClassVar[str] = "geometric mean eps"
    words: ClassVar[str] = "geometric mean of the epsilons, by weights"
    balanced: ClassVar[bool] = True
    unit: ClassVar[None] = None

    @cached_property
    def shares(self) -> Array:
        """``w / sum w``."""
        return np.asarray(self.weights / self.weights.sum())

    def values(self, eps: Array) -> Array:
        """Return the geometric mean."""
        counts = self.shares > 0.0
        with np.errstate(divide="ignore"):
            return np.asarray(np.exp(np.log(eps[..., counts]) @ self.shares[counts]))

    def direction(self, eps: Array, weights: Array) -> Array:
        """Return ``weights_d / eps_d``, the gradient of the log-volume."""
        return np.asarray(weights / np.maximum(eps, self.smallest))

    def lowered(self, eps: Array, share: float) -> Array:
        """Return ``eps_d * share^(sum w / w_d)``."""
        return np.asarray(eps * share ** (1.0 / _positive(self.shares)))

    def trimmed(self, eps: Array, robust: Array, share: float) -> Array:
        """Leave out the smallest of ``w_d * log(eps_d / robust_d)``."""
        ratio = np.maximum(eps, self.smallest) / np.maximum(robust, self.smallest)
        return _without_smallest_gains(eps, robust, self.weights * np.log(ratio), share)

    def linear_pieces(self, low: Array, high: Array) -> LinearPieces:
        """Return ``max sum z_d`` with ``z_d`` below tangents of ``w_d log eps_d``."""
        layers = np.flatnonzero(self.shares > 0.0)
        count, radii = len(layers), len(self.shares)
        last = np.maximum(high[layers], self.smallest)
        first = np.clip(low[layers], self.first_tangent * last, last)
        steps = np.linspace(0.0, 1.0, self.tangents)[:, None]
        at = first * (last / first) ** steps
        share = np.broadcast_to(self.shares[layers], at.shape)
        row = np.arange(at.size)
        return LinearPieces(
            np.concatenate([np.zeros(radii), np.ones(count)]),
            np.tile(row, 2),
            np.concatenate([np.tile(layers, self.tangents), radii + row % count]),
            np.concatenate([(-share / at).ravel(), np.ones(at.size)]),
            (share * (np.log(at) - 1.0)).ravel(),
        )


OBJECTIVES: Final[dict[str, Callable[[Array], Objective]]] = {
    kind.name: kind for kind in (WeightedSum, MaxMin, LogVolume)
}
"""Every ``search.objective`` of a spec, made from the weights ``(R,)``."""


def _positive(values: Array) -> Array:
    return np.maximum(values, SMALLEST_DIVISOR)


def _without_smallest_gains(eps: Array, robust: Array, gains: Array, share: float) -> Array:
    order = np.argsort(gains)
    left_out = order[np.cumsum(gains[order]) <= share * gains.sum()]
    kept = eps.copy()
    kept[left_out] = robust[left_out]
    return kept
