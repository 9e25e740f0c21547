"""Cuts: the convex hull of one ReLU or max-pool window over the box of its inputs.

For ``y = max_k (w^k x + b^k)`` with ``L <= x <= U`` and ``z_k = 1`` where candidate ``k`` wins,
every choice ``I(i)`` of a candidate for each input gives the valid inequality

    y <= sum_i ( w^I(i)_i x_i + sum_k max((w^k_i - w^I(i)_i) L_i, (w^k_i - w^I(i)_i) U_i) z_k )
         + sum_k b^k z_k,

and all of them together the hull (Anderson, Huchette, Ma, Tjandraatmadja, Vielma 2020, Theorem 2).
The most violated one is found input by input. The big-M rows of a model are much weaker.

The coefficients of ``z`` are sums that float64 rounds. As ``z >= 0`` and ``sum z = 1``, a cut whose
limit is raised by the largest of their errors holds in exact arithmetic. An error is at most
``gamma_n`` times the absolute values of the sum's terms (``mlspec.rounding``), and these are
at most ``sum_i (|w^k_i| + |w^I(i)_i|) max(|L_i|, |U_i|) + |b^k|``. The candidates of the network
may differ from ``w^k x + b^k`` by the error of the piece, and the limit is raised by that too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlspec.backends.program import LinearProgram, Piece
from mlspec.core.network import Array
from mlspec.rounding import gamma
from mlspec.tolerances import BOUND_ROUNDING, SMALLEST_NORMAL


@dataclass(frozen=True, eq=False)
class HullCut:
    """``values @ x[columns] <= limit``."""

    columns: NDArray[np.int32]
    values: Array
    limit: float
    violation: float
    """By how much the point that it cuts off violates it, in the norm of its coefficients."""
    piece: Piece
    """The piece whose hull it belongs to."""
    choice: NDArray[np.intp]
    """The candidate ``I(i)`` that it chooses for each input of the piece."""


class Hull:
    """The hull of one piece over the box ``lower <= x <= upper``, both ``(n,)``, and finite for the
    variables of the piece."""

    def __init__(self, piece: Piece, lower: Array, upper: Array) -> None:
        weights, constants = piece.weights, piece.constants
        self._has_rest = piece.rest is not None
        if piece.rest is not None:
            weights = np.vstack([weights, np.zeros(weights.shape[1])])
            constants = np.append(constants, piece.rest)
        self.piece = piece
        self._weights, self._constants = weights, constants
        self._lower, self._upper = lower[piece.inputs], upper[piece.inputs]
        self._columns = np.concatenate([[piece.output], piece.inputs, piece.wins])
        self._ends = lower[self._columns], upper[self._columns]
        self._places = np.arange(len(piece.inputs))
        self._reach = np.maximum(np.abs(self._lower), np.abs(self._upper))
        self._size = float((np.abs(weights) @ self._reach + np.abs(constants)).max())
        """The largest sum of absolute values that one candidate's value is a sum of."""

    def cut(self, x: Array, least_violation: float, smallest: float) -> HullCut | None:
        """Return the cut that ``x`` ``(n,)`` violates most, if it does by ``least_violation`` in
        the norm of the cut's coefficients; coefficients below ``smallest``, where the largest is
        about 1, are replaced by their variable's end."""
        wins = x[self.piece.wins]
        if self._has_rest:
            wins = np.append(wins, 1.0 - wins.sum())
        inputs = x[self.piece.inputs]
        if len(wins) == 2:  # most pieces: the same as below, without its three axes
            step = self._weights[1] - self._weights[0]
            high = np.maximum(step * self._lower, step * self._upper)
            low = np.maximum(-step * self._lower, -step * self._upper)
            second = step * inputs + low * wins[0] < high * wins[1]
            choice = second.astype(np.intp)
            weight = np.where(second, self._weights[1], self._weights[0])
            gains = np.array([low[second].sum(), high[~second].sum()])
        else:
            # (chosen, winner, input)
            steps = self._weights[None, :, :] - self._weights[:, None, :]
            most = np.maximum(steps * self._lower, steps * self._upper)
            terms = self._weights * inputs + np.einsum("cki,k->ci", most, wins)
            choice = terms.argmin(axis=0)
            weight = self._weights[choice, self._places]
            gains = most[choice, :, self._places].sum(axis=0)
        gains = gains + self._constants
        excess = x[self.piece.output] - weight @ inputs - gains @ wins
        norm = np.sqrt(1.0 + weight @ weight)
        # What is not a number exceeds nothing.
        if not excess > least_violation * norm:
            return None
        return self._as_cut(choice, weight, gains, float(excess / norm), smallest)

    def chosen(self, choice: NDArray[np.intp], smallest: float) -> HullCut | None:
        """Return the cut that chooses these candidates for the inputs, ``(n,)``; None where float64
        does not hold it. ``smallest`` is as for ``cut``."""
        weight = self._weights[choice, self._places]
        steps = self._weights - weight
        gains = np.maximum(steps * self._lower, steps * self._upper).sum(axis=1)
        return self._as_cut(choice, weight, gains + self._constants, 0.0, smallest)

    def _as_cut(
        self,
        choice: NDArray[np.intp],
        weight: Array,
        gains: Array,
        violation: float,
        smallest: float,
    ) -> HullCut | None:
        """Return ``output - weight @ inputs - gains @ wins <= 0`` as a row of order one."""
        limit = 0.0
        if self._has_rest:
            limit = float(gains[-1])
            gains = gains[:-1] - gains[-1]
        values = np.concatenate([[1.0], -weight, -gains])
        lower, upper = self._ends
        reach = np.maximum(np.abs(lower), np.abs(upper))
        terms = self._size + float(np.abs(weight) @ self._reach)
        size = 2.0 * terms + float(np.abs(values) @ reach)
        operations = 4.0 * len(values) + 16.0
        # The share is no matter of proof: HiGHS stumbles over rows that tie but for rounding.
        limit += BOUND_ROUNDING * size + self.piece.error + float(gamma(operations)) * size
        unit = float(np.ldexp(1.0, np.frexp(np.abs(values).max())[1]))
        values, limit = values / unit, limit / unit
        small = np.abs(values) < smallest
        ends = np.minimum(values * lower, values * upper)[small]
        limit -= float(ends.sum())
        limit += float(gamma(operations)) * (float(np.abs(ends).sum()) + abs(limit))
        limit += operations * SMALLEST_NORMAL * (1.0 + float(reach.max()))
        if not np.isfinite(limit):
            return None
        columns = self._columns[~small].astype(np.int32)
        return HullCut(columns, values[~small], limit, violation, self.piece, choice)


@dataclass(frozen=True)
class HullCuts:
    """Separation of cuts by the hulls of single pieces."""

    least_violation: float = 1e-4
    """Shallower cuts are not worth their row; in the norm of a cut's coefficients."""
    smallest_coefficient: float = 1e-7
    """Smaller coefficients of a row whose largest is about 1 are taken at their variable's end:
    HiGHS drops some of them, and others stand in its way."""

    def deepest(self, hulls: Sequence[Hull], x: Array, most: int) -> list[HullCut]:
        """Return up to ``most`` cuts that ``x`` ``(n,)`` violates, the most violated first."""
        found = (hull.cut(x, self.least_violation, self.smallest_coefficient) for hull in hulls)
        return sorted((cut for cut in found if cut is not None), key=lambda cut: -cut.violation)[
            :most
        ]


def hulls_of(program: LinearProgram) -> list[Hull]:
    """Return the hulls of the pieces of ``program``, but of those with an infinite end."""
    finite = np.isfinite(program.lower) & np.isfinite(program.upper)
    return [
        Hull(piece, program.lower, program.upper)
        for piece in program.pieces
        if finite[[piece.output, *piece.inputs, *piece.wins]].all()
    ]
