"""What float64 arithmetic may lose, after Higham, Accuracy and Stability of Numerical Algorithms
(2002), chapters 2 and 3."""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array
from mlspec.tolerances import UNIT_ROUNDOFF


def gamma(operations: Array | float) -> Array:
    """Return ``gamma_n = n u / (1 - n u)`` for ``n`` operations, rounded upwards.

    A sum of ``n`` products of floats, evaluated in any order, differs from the exact one by at most
    ``gamma_n`` times the sum of the products' absolute values, as long as nothing overflows or
    underflows. Infinite where ``n u`` is not below 1.
    """
    product = np.asarray(operations, dtype=np.float64) * UNIT_ROUNDOFF
    # Four roundings, each of a relative size u, are made good by 1 + 8 u.
    with np.errstate(divide="ignore"):
        raised = product / (1.0 - product) * (1.0 + 8.0 * UNIT_ROUNDOFF)
    return np.asarray(np.where(product < 0.5, raised, np.inf))
