"""Every numerical tolerance once, with its reason."""

from __future__ import annotations

from typing import Final

ROBUST_MARGIN: Final = 1e-6
"""A certified margin must exceed this to count as robust.

Bounds account for rounding themselves. What is left to this margin is the rounding of a float64
replay: an image whose margin is positive by less may be replayed as violating.
"""

MILP_MARGIN: Final = 1e-5
"""A MILP decision asks for ``margin <= MILP_MARGIN``: infeasible then proves a positive margin.

It lies beyond what solver feasibility tolerances (1e-7 on rows of order one) can hide.
"""

BOUND_ROUNDING: Final = 2.0**-40
"""Bounds that enter a model are widened by this share of the op's largest: ten thousand times what
float64 sums of the supported sizes lose. Candidates of a pool that differ by less tie."""

LEAST_SHARE: Final = 2.0**-20
"""Units of variables and big-Ms are at least this share of the terms that meet in their row: a
solver divides by them, and what rounding leaves of those terms must stay below its tolerances."""

LEAST_PART: Final = 2.0**-7
"""Both big-Ms of a pool's candidate are at least this part of its range: solvers divide by
them."""

ORDER_ONE: Final = 6
"""Values between about 2**-ORDER_ONE and 2**ORDER_ONE keep their unit in a model."""

CRUMB: Final = 2e-9
"""Coefficients below this are left out of a model's rows, and each row is relaxed by the largest
value of the terms it loses: HiGHS drops coefficients up to 1e-9."""

NARROW: Final = 1e-4
"""A pixel that moves less is written as its start and a share of its range: HiGHS fixes variables
of a range of 1e-6, however large their coefficients."""

REPLAY_AGREEMENT: Final = 1e-4
"""A proved bound and the margin of a replayed image may be this far apart, by solvers' tolerances,
before they count as different, or as contradicting each other."""

BOX_SLACK: Final = 1e-12
"""A stored witness counts as inside its box within this distance (float64 rounding of ``x ±
eps``)."""

SMALLEST_DIVISOR: Final = 1e-300
"""What 0 counts as in a denominator, so that quotients of ordinary numbers stay finite."""

SMALLEST_GRADIENT: Final = 1e-12
"""What an attack divides a gradient, or a spread of margins, by at least: both are of order one
where they matter."""

SMALLEST_TEMPERATURE: Final = 1e-6
"""The least temperature of a smooth maximum of margins, in units of scores: at smaller ones its
gradient is that of the largest margin in float32 anyway."""

FLOAT32_AGREEMENT: Final = 1e-4
"""Scores of a network and those of onnxruntime may differ by this share of the largest value on the
way: ten times what float32 sums of the tested networks lose."""

FLOAT16_AGREEMENT: Final = 0.05
"""The same for a network that computes in float16, of 11 bits."""

UNIT_ROUNDOFF: Final = 2.0**-53
"""One float64 operation is off by at most this share of its result, rounding to nearest."""

SMALLEST_NORMAL: Final = 2.0**-1022
"""The smallest normal float64: one operation whose result underflows is off by less than this."""

FLOAT32_ROUNDOFF: Final = 2.0**-24
"""One float32 operation is off by at most this share of its result, rounding to nearest."""

FLOAT32_SMALLEST_NORMAL: Final = 2.0**-126
"""The smallest normal float32."""

FLOAT32_LARGEST: Final = 2.0**127
"""Half of the largest float32: no sum or product whose terms stay below this overflows."""
