"""Cuts: the convex hull of one ReLU or max-pool window over the box of its inputs.

For ``y = max_k (w^k x + b^k)`` with ``L <= x <= U`` and ``z_k = 1`` where candidate ``k`` wins,
every choice ``I(i)`` of a candidate for each input gives the valid inequality

    y <= sum_i ( w^I(i)_i x_i + sum_k max((w^k_i - w^I(i)_i) L_i, (w^k_i - w^I(i)_i) U_i) z_k )
         + sum_k b^k z_k,

and all of them together the hull (Anderson, Huchette, Ma, Tjandraatmadja, Vielma 2020, Theorem 2).
The most violated one is found input by input. The big-M rows of a model are much weaker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlspec.backends.program import LinearProgram, Piece
from mlspec.core.network import Array
from mlspec.tolerances import BOUND_ROUNDING

LEAST_VIOLATION = 1e-4
"""Of a row whose coefficients have norm 1: shallower cuts are not worth their row."""
CRUMB = 1e-7
"""Smaller coefficients of a row whose largest is about 1 are taken at their end instead."""


@dataclass(frozen=True, eq=False)
class Cut:
    """``values @ x[columns] <= limit``."""

    columns: NDArray[np.int32]
    values: Array
    limit: float
    violation: float
    """By how much the point that it cuts off violates it, in the norm of its coefficients."""


class Hull:
    """The hull of one piece."""

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

    def cut(self, x: Array) -> Cut | None:
        """Return the cut that ``x`` ``(n,)`` violates most, if it does."""
        wins = x[self.piece.wins]
        if self._has_rest:
            wins = np.append(wins, 1.0 - wins.sum())
        inputs = x[self.piece.inputs]
        if len(wins) == 2:  # most pieces: the same as below, without its three axes
            step = self._weights[1] - self._weights[0]
            high = np.maximum(step * self._lower, step * self._upper)
            low = np.maximum(-step * self._lower, -step * self._upper)
            second = step * inputs + low * wins[0] < high * wins[1]
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
        if excess <= LEAST_VIOLATION * norm:
            return None
        return self._as_cut(weight, gains, float(excess / norm))

    def _as_cut(self, weight: Array, gains: Array, violation: float) -> Cut:
        """Return ``output - weight @ inputs - gains @ wins <= 0`` as a row of order one."""
        limit = 0.0
        if self._has_rest:
            limit = float(gains[-1])
            gains = gains[:-1] - gains[-1]
        values = np.concatenate([[1.0], -weight, -gains])
        lower, upper = self._ends
        # What float64 sums of these terms may have lost.
        largest = np.abs(values) @ np.maximum(np.abs(lower), np.abs(upper)) + abs(limit)
        limit += float(BOUND_ROUNDING * largest)
        unit = float(np.ldexp(1.0, np.frexp(np.abs(values).max())[1]))
        values, limit = values / unit, limit / unit
        small = np.abs(values) < CRUMB
        limit -= float(np.minimum(values * lower, values * upper)[small].sum())
        return Cut(self._columns[~small].astype(np.int32), values[~small], limit, violation)


def deepest(candidates: Sequence[Hull], x: Array, most: int) -> list[Cut]:
    """Return up to ``most`` cuts that ``x`` violates, the most violated first."""
    found = [cut for cut in (hull.cut(x) for hull in candidates) if cut is not None]
    return sorted(found, key=lambda cut: -cut.violation)[:most]


def hulls_of(program: LinearProgram) -> list[Hull]:
    """Return the hulls of all pieces of ``program``."""
    return [Hull(piece, program.lower, program.upper) for piece in program.pieces]
