"""Big-M encoding of max-pool windows, with a ReLU fused in where the network has one.

``y = max_i z_i`` with ``l_i <= z_i <= u_i``, over the candidates that can win (``u_i`` above every
other ``l``); one binary ``b_i`` each, ``m_i`` the highest upper bound among the other candidates:

    y >= z_i,   y <= z_i + (m_i - l_i) (1 - b_i),   sum_i b_i = 1

A fused ReLU adds the constant candidate ``z_0 = 0``; with one other candidate that is the ReLU
encoding. A candidate that always wins makes the window affine. The ``z_i`` are variables of their
own: their long rows are written once.
"""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array
from mlspec.milp.affine import Affine, Ints
from mlspec.milp.builder import Builder, Row, big_m, plus, widened

ZERO = -1
"""Number of the constant candidate 0 of a fused ReLU."""


def live_candidates(
    members: Ints, lower: Array, upper: Array, relu: bool
) -> list[tuple[int, list[int]]]:
    """Return each window with the candidates that can win; ``[ZERO]`` alone where the output is 0.

    ``members`` is ``(windows, n)``: the units in each window; bounds are ``(units,)``.
    """
    low, up = lower[members], upper[members]
    floor = low.max(axis=1)
    live = up > (np.maximum(floor, 0.0) if relu else floor)[:, None]
    zero_can_win = relu & (floor <= 0.0)
    # The candidate that holds the floor stays even if nothing rises above it: it is the value then.
    live[np.arange(len(members)), low.argmax(axis=1)] |= ~zero_can_win
    result = []
    for window, (units, alive, zero) in enumerate(
        zip(members.tolist(), live.tolist(), zero_can_win.tolist(), strict=True)
    ):
        chosen = [unit for unit, is_alive in zip(units, alive, strict=True) if is_alive]
        result.append((window, [*chosen, ZERO] if zero else chosen))
    return result


def encode(
    build: Builder,
    tag: str,
    before: Affine,
    lower: Array,
    upper: Array,
    candidates: list[tuple[int, list[int]]],
    windows: int,
) -> Affine:
    """Encode the windows in ``candidates``; all others count as zero. Bounds are ``(units,)``."""
    kept = [
        (window, units[0]) for window, units in candidates if len(units) == 1 and units[0] != ZERO
    ]
    open_windows = [(window, units) for window, units in candidates if len(units) > 1]
    lower, upper = widened(lower, upper)
    named = sorted({unit for _, units in open_windows for unit in units if unit != ZERO})
    sizes = build.sizes(before)
    ends = lower[named], upper[named]
    z = dict(zip(named, build.continuous(f"{tag}_z", named, *ends, sizes[named]), strict=True))
    build.below_zero(
        f"{tag}_is", {unit: plus(build.row(before, unit), (-1.0, z[unit])) for unit in named}, True
    )
    low = {**{unit: float(lower[unit]) for unit in named}, ZERO: 0.0}
    high = {**{unit: float(upper[unit]) for unit in named}, ZERO: 0.0}
    keys = [window for window, _ in open_windows]
    size = np.array(
        [max(sizes[unit] for unit in units if unit != ZERO) for _, units in open_windows]
    )
    ends = (
        np.array([max(low[unit] for unit in units) for _, units in open_windows]),
        np.array([max(high[unit] for unit in units) for _, units in open_windows]),
    )
    outputs = build.continuous(f"{tag}_y", keys, *ends, size)
    pairs = [(window, unit) for window, units in open_windows for unit in units]
    wins = dict(zip(pairs, build.binary(f"{tag}_b", pairs), strict=True))
    above: dict[tuple[int, int], Row] = {}
    below: dict[tuple[int, int], Row] = {}
    one: dict[int, Row] = {}
    for (window, units), y, terms in zip(open_windows, outputs, size.tolist(), strict=True):
        one[window] = ([1.0] * len(units), [wins[window, unit] for unit in units], -1.0)
        for unit in units:
            rival = max(high[other] for other in units if other != unit)
            slack = big_m(max(rival - low[unit], 0.0), terms, tag, unit)
            b = wins[window, unit]
            if unit == ZERO:
                below[window, unit] = ([1.0, slack], [y, b], -slack)
                continue
            above[window, unit] = ([1.0, -1.0], [z[unit], y], 0.0)
            below[window, unit] = ([1.0, -1.0, slack], [y, z[unit], b], -slack)
    build.below_zero(f"{tag}_above", above)
    build.below_zero(f"{tag}_below", below)
    build.below_zero(f"{tag}_one", one, True)
    build.extend(outputs, *ends)
    to = np.array([window for window, _ in kept], dtype=np.int64)
    source = np.array([unit for _, unit in kept], dtype=np.int64)
    return before.replaced(to, source, np.array(keys, dtype=np.int64), windows)
