"""Lower bounds of linear programs, computed in float64, that hold in exact arithmetic.

Weak duality: whatever the multipliers ``y`` of the rows ``low <= A x <= high`` and the box
``l <= x <= u``, every point of both has

    c x  >=  sum_i y_i b_i  +  sum_j min { r_j x_j : l_j <= x_j <= u_j },      r = c - A' y,

where ``b_i`` is the lower end of row ``i`` if ``y_i > 0``, else its upper end (Neumaier and
Shcherbina 2004). So multipliers may be as inexact as they like; only the evaluation must not be. A
sum of ``n`` products in float64 is off by at most ``gamma_n`` times the sum of their absolute
values, in whatever order it is taken (Higham 2002, section 3.1). Hence

    |computed r_j - r_j|  <=  e_j  =  gamma_(n_j + 1) (|c_j| + sum_i |A_ij| |y_i|)

for a column of ``n_j`` coefficients, the bound is lowered by ``sum_j e_j max(|l_j|, |u_j|)``, and
by ``gamma_N`` times the absolute values of the ``N`` terms of its last sum. The sums of absolute
values are computed too: each ``gamma`` is taken for twice the operations, which covers that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from mlspec.backends.program import Indices
from mlspec.core.network import Array
from mlspec.rounding import gamma
from mlspec.tolerances import SMALLEST_NORMAL


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a linear program, with what bounds need of them; ``m`` rows, ``n`` variables."""

    matrix: sparse.csr_array
    """``(m, n)``."""
    magnitudes: sparse.csr_array
    """``(m, n)``: absolute values."""
    terms: Array
    """``(n,)``: the number of coefficients of each variable."""

    @classmethod
    def of(cls, matrix: sparse.csr_array) -> Rows:
        """Return the rows of ``matrix``."""
        counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
        return cls(matrix, abs(matrix), counts.astype(np.float64))


@dataclass(frozen=True, eq=False)
class HalfSpace:
    """A lower bound of the cost as a function of the ends ``l <= x <= u`` of some variables:
    ``constant + sum_p min(slopes_p l_p, slopes_p u_p)``."""

    constant: float
    """Lowered by what its evaluation, and that of the slopes, may have lost."""
    slopes: Array
    """``(P,)``."""


def half_space(
    multipliers: Array,
    cost: Array,
    rows: Rows,
    row_ends: tuple[Array, Array],
    ends: tuple[Array, Array],
    inputs: Indices,
    widest: tuple[Array, Array],
) -> HalfSpace:
    """Return the dual bound of these multipliers as a function of the ends of ``inputs`` ``(P,)``,
    for ends within ``widest``, both ``(P,)`` and finite."""
    lower, upper = (end.copy() for end in ends)
    lower[inputs] = upper[inputs] = 0.0
    constant = dual_bound(multipliers, cost, rows, row_ends, (lower, upper))
    chosen = np.where(multipliers > 0.0, *row_ends)
    used = np.where(np.isfinite(chosen) & np.isfinite(multipliers), multipliers, 0.0)
    reduced = (cost - rows.matrix.T @ used)[inputs]
    sizes = (np.abs(cost) + rows.magnitudes.T @ np.abs(used))[inputs]
    errors = gamma(2.0 * rows.terms[inputs] + 4.0) * sizes
    errors = errors + rows.terms[inputs] * SMALLEST_NORMAL
    lost = errors * np.maximum(np.abs(widest[0]), np.abs(widest[1]))
    rounding = gamma(2.0 * len(inputs) + 4.0) * (lost.sum() + abs(constant))
    return HalfSpace(constant - float(lost.sum()) - float(rounding), reduced)


def dual_bound(
    multipliers: Array,
    cost: Array,
    rows: Rows,
    row_ends: tuple[Array, Array],
    ends: tuple[Array, Array],
) -> float:
    """Return a lower bound of ``cost @ x`` over all ``x`` ``(n,)`` between ``ends`` whose rows lie
    between ``row_ends``, as in exact arithmetic; minus infinity where none is found.

    It holds for all ``multipliers`` ``(m,)``; one that asks for an end that its row does not have
    is ignored.
    """
    lower, upper = ends
    with np.errstate(over="ignore", invalid="ignore"):
        chosen = np.where(multipliers > 0.0, *row_ends)
        usable = np.isfinite(chosen) & np.isfinite(multipliers)
        multipliers = np.where(usable, multipliers, 0.0)
        of_rows = multipliers * np.where(usable, chosen, 0.0)
        reduced = cost - rows.matrix.T @ multipliers
        sizes = np.abs(cost) + rows.magnitudes.T @ np.abs(multipliers)
        # A product that underflows is off by less than the smallest normal number.
        errors = gamma(2.0 * rows.terms + 4.0) * sizes + rows.terms * SMALLEST_NORMAL
        of_ends = np.minimum(_times(reduced, lower), _times(reduced, upper))
        if not _bounded(multipliers, cost, rows, (reduced - errors, reduced + errors), ends):
            return -np.inf
        reach = np.maximum(_finite(lower), _finite(upper))
        lost = errors * reach
        operations = 2.0 * (len(of_rows) + 2.0 * len(of_ends)) + 16.0
        total = float(np.abs(of_rows).sum() + np.abs(of_ends).sum() + lost.sum())
        rounding = float(gamma(operations)) * total + operations * SMALLEST_NORMAL
        bound = float(of_rows.sum() + of_ends.sum() - lost.sum() - rounding)
    return bound if np.isfinite(bound) else -np.inf


def _bounded(
    multipliers: Array,
    cost: Array,
    rows: Rows,
    reduced: tuple[Array, Array],
    ends: tuple[Array, Array],
) -> bool:
    """Whether no variable with an infinite end has a reduced cost, somewhere in ``reduced``, that
    decreases without limit towards that end."""
    lower, upper = ends
    infinite = np.isinf(lower) | np.isinf(upper)
    if not infinite.any():
        return True
    # Exactly zero are only the reduced costs of variables that have no term.
    used = (cost != 0.0) | (rows.magnitudes.T @ (multipliers != 0.0) > 0.0)
    least, most = (np.where(used, each, 0.0) for each in reduced)
    falling = (np.isinf(lower) & (most > 0.0)) | (np.isinf(upper) & (least < 0.0))
    return not falling.any()


def _times(reduced: Array, ends: Array) -> Array:
    """Return the product, where zero times infinity is zero."""
    return np.where(reduced == 0.0, 0.0, reduced * np.where(reduced == 0.0, 0.0, ends))


def _finite(ends: Array) -> Array:
    """Return absolute values, zero for infinite ends."""
    return np.where(np.isfinite(ends), np.abs(ends), 0.0)
