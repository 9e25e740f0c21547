"""Every numerical tolerance once, with its reason."""

from __future__ import annotations

from typing import Final

ROBUST_MARGIN: Final = 1e-6
"""A certified margin must exceed this to count as robust.

Bounds are computed in float64 without outward rounding; their error on networks of the supported
size stays below 1e-9, so this leaves three orders of magnitude.
"""

MILP_MARGIN: Final = 1e-5
"""A MILP decision asks for ``margin <= MILP_MARGIN``: infeasible then proves a positive margin.

It lies beyond what solver feasibility tolerances (1e-7 on rows of order one) can hide.
"""

BOUND_ROUNDING: Final = 2.0**-40
"""Bounds that enter a model are widened by this share of the op's largest: ten thousand times what
float64 sums of the supported sizes lose."""

MAX_BIG_M: Final = 1e4
"""A larger big-M lets integrality tolerances fake feasibility (or hide it): such models are
refused."""

REPLAY_AGREEMENT: Final = 1e-4
"""A proved bound and the margin of a replayed image may be this far apart, by solvers' tolerances,
before they count as different, or as contradicting each other."""

BOX_SLACK: Final = 1e-12
"""A stored witness counts as inside its box within this distance (float64 rounding of ``x ±
eps``)."""
