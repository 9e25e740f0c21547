"""Trading moves: shrink some layers to grow others, by sequential linear programming.

Near a radius the margin of each weakest point is nearly linear in eps, so with its margin ``m_i``
and slopes ``s_i`` at ``eps_i`` every step solves, inside a trust region,

    max w . eps'   s.t.   m_i + s_i . (eps' - eps_i) >= slack for the recent points i,   floor <=
    eps' <= 1.

Other objectives than a weighted sum are approximated by linear pieces.

A step after which no margin is left is taken back, but its points stay as constraints. With an
attack, an optimistic oracle, what comes out is a proposal; with certified margins it is proved.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from mlspec.core.neighborhood import CAP
from mlspec.core.network import Array
from mlspec.core.objective import Objective, Pieces
from mlspec.core.protocols import Slopes
from mlspec.search.effort import Effort
from mlspec.search.expand import Source

FIRST_TRUST, LEAST_TRUST = 0.5, 0.05
"""Trust region, as a share of a typical epsilon."""
REMEMBERED = 4
"""Attacks whose points bind the next step."""
LEAST_GAIN = 2e-3
MOST_STEPS = 30
SLACK = 0.5
"""Share of the margin at the start that steps aim to keep: at none, a step that is exactly right
breaks."""


def trade(effort: Effort, start: Array, floor: Array, source: Source | None = None) -> Array:
    """Return a radius of larger value than ``start`` that has margin left, or ``start`` itself.

    ``floor`` ``(R,)`` stays a lower bound of every layer. The ``source`` is an attack if None;
    ``start`` itself must have margin left.
    """
    source = source or effort.weakest
    kept, trust, poor = start, FIRST_TRUST, 0
    bundle: deque[tuple[Array, Slopes]] = deque(maxlen=REMEMBERED)
    bundle.append((kept, source(kept, "looking for trades")))
    slack = SLACK * float(bundle[0][1].margins[0])
    for _ in range(MOST_STEPS):
        if trust < LEAST_TRUST or poor > 1:
            break
        reach = trust * np.maximum(kept, kept.mean())
        proposal = _best(effort.objective, bundle, kept, reach, floor, slack)
        gain = effort.value(proposal) - effort.value(kept)
        if gain <= LEAST_GAIN * effort.value(kept):
            break
        points = source(proposal, f"trading up to {effort.said(proposal)}")
        bundle.append((proposal, points))
        if points.lost:
            trust *= 0.5
            continue
        poor = poor + 1 if gain < 5 * LEAST_GAIN * effort.value(kept) else 0
        kept, trust = proposal, min(1.5 * trust, FIRST_TRUST)
    return kept


def _best(
    objective: Objective,
    bundle: deque[tuple[Array, Slopes]],
    centre: Array,
    reach: Array,
    floor: Array,
    slack: float,
) -> Array:
    """Solve one step; returns ``centre`` where the linear program has no answer."""
    slopes = np.concatenate([points.slopes for _, points in bundle])
    rest = np.concatenate([points.margins - slack - points.slopes @ at for at, points in bundle])
    lower = np.maximum(centre - reach, np.minimum(floor, centre))
    upper = np.minimum(centre + reach, CAP)
    pieces = objective.pieces(lower, upper)
    further = len(pieces.cost) - len(centre)
    answer = linprog(
        -pieces.cost,
        A_ub=_below(slopes, pieces),
        b_ub=np.append(rest, pieces.limits),
        bounds=[*zip(lower.tolist(), upper.tolist(), strict=True), *[(None, None)] * further],
    )
    return centre if answer.x is None else np.clip(answer.x[: len(centre)], lower, upper)


def _below(slopes: Array, pieces: Pieces) -> Any:
    """Return the rows that keep the margins, then those of the objective, as a sparse matrix."""
    margins, layers = np.nonzero(slopes)
    return sparse.csr_array(
        (
            np.append(-slopes[margins, layers], pieces.entries),
            (
                np.append(margins, len(slopes) + pieces.rows),
                np.append(layers, pieces.columns),
            ),
        ),
        shape=(len(slopes) + len(pieces.limits), len(pieces.cost)),
    )
