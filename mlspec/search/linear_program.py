"""The largest value of the objective under linear constraints on the radii."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from mlspec.core.network import Array
from mlspec.core.objective import LinearPieces, Objective


def largest(
    objective: Objective, rows: Array, limits: Array, lower: Array, upper: Array
) -> Array | None:
    """Return the radius ``(R,)`` between ``lower`` and ``upper`` of the largest value with ``rows @
    eps <= limits``; None where there is none.

    ``rows`` is ``(L, R)``, ``limits`` ``(L,)``. An objective other than a weighted sum is
    approximated by linear pieces.
    """
    pieces = objective.linear_pieces(lower, upper)
    further = len(pieces.cost) - len(lower)
    answer = linprog(
        -pieces.cost,
        A_ub=_constraints(rows, pieces),
        b_ub=np.append(limits, pieces.limits),
        bounds=[*zip(lower.tolist(), upper.tolist(), strict=True), *[(None, None)] * further],
    )
    return None if answer.x is None else np.clip(answer.x[: len(lower)], lower, upper)


def _constraints(rows: Array, pieces: LinearPieces) -> Any:
    """Return the sparse rows of the constraints, then those of the objective."""
    numbers, radii = np.nonzero(rows)
    return sparse.csr_array(
        (
            np.append(rows[numbers, radii], pieces.entries),
            (
                np.append(numbers, len(rows) + pieces.rows),
                np.append(radii, pieces.columns),
            ),
        ),
        shape=(len(rows) + len(pieces.limits), len(pieces.cost)),
    )
