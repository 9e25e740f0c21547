"""What floating-point arithmetic may lose, after Higham, Accuracy and Stability of Numerical
Algorithms (2002), chapters 2 and 3.

It is assumed, here and wherever these errors are used, that sums are plain ones in any order (no
transforms as in fast convolutions), and that nothing underflows in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlspec.tolerances import FLOAT32_ROUNDOFF, FLOAT32_SMALLEST_NORMAL, UNIT_ROUNDOFF


def gamma(
    operations: NDArray[np.float64] | float, unit: float = UNIT_ROUNDOFF
) -> NDArray[np.float64]:
    """Return ``gamma_n = n u / (1 - n u)`` for ``n`` operations of the unit roundoff ``unit``,
    rounded upwards.

    A sum of ``n`` products of floats, evaluated in any order, differs from the exact one by at most
    ``gamma_n`` times the sum of the products' absolute values, as long as nothing overflows or
    underflows. Infinite where ``n u`` is not below 1.
    """
    product = np.asarray(operations, dtype=np.float64) * unit
    # Four roundings, each of a relative size u, are made good by 1 + 8 u.
    with np.errstate(divide="ignore"):
        raised = product / (1.0 - product) * (1.0 + 8.0 * UNIT_ROUNDOFF)
    return np.asarray(np.where(product < 0.5, raised, np.inf))


def sum_error(operations: int) -> float:
    """Return a share of a sum of absolute values that covers what ``operations`` roundings lose of
    the sum.

    It is ``gamma`` of more than twice as many: that covers also that the sum of absolute values is
    computed in float64, with about as many roundings, and the error subtracted from a bound.
    """
    return float(gamma(2.0 * operations + 16.0))


def float32_share(operations: int) -> float:
    """Return a share of a sum of absolute values that covers what ``operations`` roundings to
    float32 lose of the sum; the sum of absolute values may be computed in float64."""
    return float(gamma(operations + 1.0, FLOAT32_ROUNDOFF))


def float32_underflow(operations: int) -> float:
    """Return what ``operations`` float32 operations may lose by underflow, also where a processor
    flushes subnormal numbers to zero."""
    return 2.0 * operations * FLOAT32_SMALLEST_NORMAL


@dataclass(frozen=True)
class ParameterError:
    """By how much parameters may differ from those that they stand for."""

    weights: int = 0
    """Roundings that each weight went through."""
    bias: float = 0.0
    """The largest absolute error of a bias."""


EXACT = ParameterError()
