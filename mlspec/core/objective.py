"""What a search maximises: how much a radius is worth, and what the search must know of that.

    weighted_sum   w . eps                               the size of the neighborhood
    max_min        min_d eps_d / r_d,  r = w / max w     layers of weight 0 do not count
    log_volume     exp(sum_d w_d log eps_d / sum_d w_d)  the geometric mean, by weights

All are monotone and concave, and twice the radius is worth twice as much: what is a share of one
value is a share of any, and a gap means the same for each. That is why the log-volume, sum_d w_d
log eps_d, counts through the geometric mean: it orders radii alike, is never negative, and 0 where
the volume is none. ``max_min`` takes the weights for relative budgets: at the value t every layer
has the epsilon t * r_d, the heaviest one t itself (the weighted Chebyshev scalarisation; Miettinen,
Nonlinear Multiobjective Optimization, 1999). Among radii of the same value the larger w . eps is
the better one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mlspec.core.network import Array

LEAST: Final = 1e-6
"""Epsilons below this count as this where a logarithm or its slope would be infinite."""
TANGENTS, FIRST = 6, 1e-3
"""Tangents of the logarithm of each layer; the first is no lower than this share of the last."""
TINY: Final = 1e-300
"""What a weight of 0 counts as in a denominator."""


class Objective(Protocol):
    """The value of radii ``(R,)``; ``weights`` is ``(R,)``, non-negative and not all zero."""

    name: ClassVar[str]
    """As ``search.objective`` of a spec has it."""
    symbol: ClassVar[str]
    """How to write the value, in a word or two."""
    words: ClassVar[str]
    """What the value is, for a table."""
    together: ClassVar[bool]
    """Whether layers that grow together, in proportion to their weights, beat one after the
    other."""

    @property
    def weights(self) -> Array:
        """What an epsilon of each layer is worth."""
        ...

    @property
    def unit(self) -> Array | None:
        """The radius ``(R,)`` of value 1 that lies below all others of that value, if one does.

        If so, no layer makes up for another, and there is one way to grow.
        """
        ...

    def values(self, eps: Array) -> Array:
        """Return the value ``(...)`` of each radius ``(..., R)``."""
        ...

    def ascent(self, eps: Array, weights: Array) -> Array:
        """Return a direction ``(R,)`` >= 0 in which the value of ``eps`` grows fast; of any length.

        ``weights`` may be others than those of the objective, to steer.
        """
        ...

    def falling(self, eps: Array, share: float) -> Array:
        """Return the radius each of whose layers, if lowered alone from ``eps``, would leave
        ``share`` of the value of ``eps``; possibly negative."""
        ...

    def lean(self, eps: Array, robust: Array, share: float) -> Array:
        """Return ``eps``, but as ``robust`` in layers that add to the value of ``robust`` at most
        the last ``share`` of what ``eps`` adds."""
        ...

    def pieces(self, low: Array, high: Array) -> Pieces:
        """Return the objective between ``low`` and ``high`` for a linear program."""
        ...


@dataclass(frozen=True, eq=False)
class Pieces:
    """A linear program over radii and further variables that maximises an objective.

    Maximise ``cost`` ``(R + Z,)`` times the radius and the ``Z`` further variables. Entry
    ``entries[i]`` stands in row ``rows[i]`` and column ``columns[i]``; every row is at most its
    ``limits``.
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
    together: ClassVar[bool] = False
    unit: ClassVar[None] = None

    def values(self, eps: Array) -> Array:
        """Return ``w . eps``."""
        return np.asarray(eps @ self.weights)

    def ascent(self, eps: Array, weights: Array) -> Array:
        """Return ``weights``, the gradient."""
        return weights

    def falling(self, eps: Array, share: float) -> Array:
        """Return ``eps_d - (1 - share) * (w . eps) / w_d``."""
        return np.asarray(eps - (1.0 - share) * (self.weights @ eps / _positive(self.weights)))

    def lean(self, eps: Array, robust: Array, share: float) -> Array:
        """Leave out the smallest of ``w_d * (eps_d - robust_d)``."""
        return _without_least(eps, robust, self.weights * (eps - robust), share)

    def pieces(self, low: Array, high: Array) -> Pieces:
        """Return ``w . eps`` as it is."""
        nowhere, none = np.empty(0, dtype=np.int64), np.empty(0)
        return Pieces(self.weights, nowhere, nowhere, none, none)


@dataclass(frozen=True, eq=False)
class MaxMin:
    """``min_d eps_d / r_d`` over the layers of positive weight, with ``r = w / max w``."""

    weights: Array
    name: ClassVar[str] = "max_min"
    symbol: ClassVar[str] = "min eps/w"
    words: ClassVar[str] = "least epsilon / weight, the largest weight being 1"
    together: ClassVar[bool] = True

    @cached_property
    def unit(self) -> Array:
        """``r``."""
        return np.asarray(self.weights / self.weights.max())

    def values(self, eps: Array) -> Array:
        """Return the least ratio."""
        counts = self.unit > 0.0
        return np.asarray((eps[..., counts] / self.unit[counts]).min(axis=-1))

    def ascent(self, eps: Array, weights: Array) -> Array:
        """Return the way to the least radius of twice the value; ``weights`` do not steer, as any
        other way wastes what layers could gain.

        On it the value grows steadily, and no layer grows beyond what is needed.
        """
        value = float(self.values(eps))
        return np.maximum(2.0 * value * self.unit - eps, 0.0) if value > 0.0 else self.unit

    def falling(self, eps: Array, share: float) -> Array:
        """Return the least radius of ``share`` of the value."""
        return share * float(self.values(eps)) * self.unit

    def lean(self, eps: Array, robust: Array, share: float) -> Array:
        """Return the least radius >= ``robust`` of the value of ``eps``; ``share`` does not matter,
        as without one layer all is lost."""
        return np.maximum(robust, np.minimum(eps, float(self.values(eps)) * self.unit))

    def pieces(self, low: Array, high: Array) -> Pieces:
        """Return ``max t`` subject to ``r_d t <= eps_d``."""
        layers = np.flatnonzero(self.unit > 0.0)
        count, radii = len(layers), len(self.unit)
        return Pieces(
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
    name: ClassVar[str] = "log_volume"
    symbol: ClassVar[str] = "geometric mean eps"
    words: ClassVar[str] = "geometric mean of the epsilons, by weights"
    together: ClassVar[bool] = True
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

    def ascent(self, eps: Array, weights: Array) -> Array:
        """Return ``weights_d / eps_d``, the gradient of the log-volume."""
        return np.asarray(weights / np.maximum(eps, LEAST))

    def falling(self, eps: Array, share: float) -> Array:
        """Return ``eps_d * share^(sum w / w_d)``."""
        return np.asarray(eps * share ** (1.0 / _positive(self.shares)))

    def lean(self, eps: Array, robust: Array, share: float) -> Array:
        """Leave out the smallest of ``w_d * log(eps_d / robust_d)``."""
        ratio = np.maximum(eps, LEAST) / np.maximum(robust, LEAST)
        return _without_least(eps, robust, self.weights * np.log(ratio), share)

    def pieces(self, low: Array, high: Array) -> Pieces:
        """Return ``max sum z_d`` with ``z_d`` below tangents of ``w_d log eps_d``."""
        layers = np.flatnonzero(self.shares > 0.0)
        count, radii = len(layers), len(self.shares)
        last = np.maximum(high[layers], LEAST)
        first = np.clip(low[layers], FIRST * last, last)
        steps = np.linspace(0.0, 1.0, TANGENTS)[:, None]
        at = first * (last / first) ** steps
        share = np.broadcast_to(self.shares[layers], at.shape)
        row = np.arange(at.size)
        return Pieces(
            np.concatenate([np.zeros(radii), np.ones(count)]),
            np.tile(row, 2),
            np.concatenate([np.tile(layers, TANGENTS), radii + row % count]),
            np.concatenate([(-share / at).ravel(), np.ones(at.size)]),
            (share * (np.log(at) - 1.0)).ravel(),
        )


OBJECTIVES: Final[dict[str, Callable[[Array], Objective]]] = {
    kind.name: kind for kind in (WeightedSum, MaxMin, LogVolume)
}
"""Every ``search.objective`` of a spec; called with the weights ``(R,)``."""


def _positive(values: Array) -> Array:
    return np.maximum(values, TINY)


def _without_least(eps: Array, robust: Array, gains: Array, share: float) -> Array:
    order = np.argsort(gains)
    left_out = order[np.cumsum(gains[order]) <= share * gains.sum()]
    kept = eps.copy()
    kept[left_out] = robust[left_out]
    return kept
