"""Ideal encoding of max-pool windows, with a ReLU fused in where the network has one.

``y = max_i z_i`` with ``l_i <= z_i <= u_i``, over the candidates that can win (``u_i`` above every
other ``l``), ``c = max_i l_i``; one binary ``b_i`` and one share ``v_i`` each:

    y >= z_i,   y <= c + sum_i v_i,   sum_i b_i = 1,
    v_i <= z_i - c + (c - l_i) (1 - b_i),   v_i <= (u_i - c) b_i

The linear relaxation is the convex hull of one window over its box (Anderson, Huchette, Ma,
Tjandraatmadja, Vielma 2020), which a big-M alone is not: solvers then need far fewer nodes.

A candidate that cannot rise above ``c`` (the constant 0 of a fused ReLU is one) needs neither
binary nor share: then ``sum_i b_i <= 1``. With one other candidate that is the ReLU encoding, and
``y - c`` itself the share. A candidate that always wins makes the window affine. The ``z_i`` are
variables of their own: their long rows are written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from mlspec.ops.affine_map import Affine, Ints
from mlspec.ops.encoding import ModelBuilder, Needed, Row, Site, big_m, is_number, plus, widened
from mlspec.ops.op import Array
from mlspec.rounding import sum_error
from mlspec.tolerances import LEAST_PART, LEAST_SHARE


class Candidate(IntEnum):
    """A candidate that is no unit."""

    ZERO = -1
    """The constant 0 of a fused ReLU."""


Candidates = list[tuple[int, list[int]]]
"""Windows with their candidates that can win; ``[Candidate.ZERO]`` alone where the output is 0."""


def live_candidates(members: Ints, lower: Array, upper: Array, relu: bool) -> Candidates:
    """Return each window with the candidates that can win.

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
        result.append((window, [*chosen, Candidate.ZERO] if zero else chosen))
    return result


@dataclass(frozen=True)
class _Window:
    """A window whose winner is open."""

    number: int
    units: list[int]
    """The candidates that rise above the floor."""
    rest: bool
    """Whether there are other candidates."""
    floor: float
    """``c`` above: no rest comes higher."""
    least: float
    """The window's value is at least this."""
    ceiling: float
    """The window's value is at most this."""
    size: float
    """How large the terms of its candidates' sums are."""

    @property
    def is_relu(self) -> bool:
        """Whether one value competes with the rest: then the output itself is its share."""
        return self.rest and len(self.units) == 1


@dataclass(frozen=True, eq=False)
class _Ranges:
    """Between which ends each unit lies, and how large the terms of its sum are, ``(units,)``."""

    lower: Array
    upper: Array
    sizes: Array

    def widened(self) -> _Ranges:
        """Return ends that the sums of a model keep too."""
        return _Ranges(*widened(self.lower, self.upper), self.sizes)


def encode_windows(
    build: ModelBuilder, site: Site, before: Affine, candidates: Candidates
) -> Affine:
    """Encode the windows in ``candidates`` over the units of ``before``; all others of ``site``
    count as zero."""
    tag = site.tag
    kept = [
        (window, units[0])
        for window, units in candidates
        if len(units) == 1 and units[0] != Candidate.ZERO
    ]
    contested = [each for each in candidates if len(each[1]) > 1]
    ranges = _Ranges(site.lower, site.upper, build.sizes(before))
    constants, flat = _constants(contested, ranges, before.still)
    ranges = ranges.widened()
    pools = [
        _window(number, units, ranges)
        for (number, units), is_flat in zip(contested, flat, strict=True)
        if not is_flat
    ]
    rising = sorted({unit for pool in pools for unit in pool.units})
    z = _values(build, tag, before, ranges, rising)
    keys = [pool.number for pool in pools]
    ends = np.array([pool.least for pool in pools]), np.array([pool.ceiling for pool in pools])
    outputs = build.continuous(f"{tag}_y", keys, *ends, np.array([pool.size for pool in pools]))
    pairs = [(pool.number, unit) for pool in pools for unit in pool.units]
    wins = dict(zip(pairs, build.binary(f"{tag}_b", pairs), strict=True))
    shares = _shares(build, tag, pools, ranges)
    above: dict[tuple[int, int], Row] = {}
    below: dict[tuple[int, int], Row] = {}
    won: dict[tuple[int, int], Row] = {}
    total: dict[int, Row] = {}
    one: dict[int, Row] = {}
    one_or_none: dict[int, Row] = {}
    for pool, y in zip(pools, outputs, strict=True):
        for unit in pool.units:
            key = pool.number, unit
            b, share, shift = wins[key], y, pool.floor
            if not pool.is_relu:
                share, shift = shares[key], 0.0
            lost, gain = _coefficients(pool, unit, ranges, tag)
            error = float(before.error[unit])
            slack = error + sum_error(3) * (abs(pool.floor) + lost)
            above[key] = Row([1.0, -1.0], [z[unit], y], slack=error)
            limit = pool.floor - shift - lost
            below[key] = Row([1.0, -1.0, lost], [share, z[unit], b], limit, slack)
            won[key] = Row([1.0, -gain], [share, b], -shift)
        if pool.units and not pool.is_relu:
            parts = [(-1.0, shares[pool.number, unit]) for unit in pool.units]
            total[pool.number] = plus(Row([1.0], [y], -pool.floor), *parts)
            winners = [wins[pool.number, unit] for unit in pool.units]
            chosen = Row([1.0] * len(parts), winners, -1.0)
            (one_or_none if pool.rest else one)[pool.number] = chosen
        if pool.units:
            winners = [wins[pool.number, unit] for unit in pool.units]
            build.piecewise(y, before, pool.units, winners, pool.floor if pool.rest else None)
    build.below_zero(f"{tag}_above", above)
    build.below_zero(f"{tag}_below", below)
    build.below_zero(f"{tag}_won", won)
    build.below_zero(f"{tag}_total", total)
    build.below_zero(f"{tag}_one", one, True)
    build.below_zero(f"{tag}_one_or_none", one_or_none)
    build.extend(outputs, *ends)
    to = np.array([window for window, _ in kept], dtype=np.int64)
    source = np.array([unit for _, unit in kept], dtype=np.int64)
    after = before.replaced(to, source, np.array(keys, dtype=np.int64), len(site.needed))
    return after.fixed(*constants)


def _constants(
    contested: Candidates, ranges: _Ranges, still: Needed
) -> tuple[tuple[Ints, Array, Array], Needed]:
    """Return the windows whose candidates tie but for rounding, with their ends, and which of
    ``contested`` they are."""
    least, ceiling, size = (np.zeros(len(contested)) for _ in range(3))
    no_variable = np.zeros(len(contested), dtype=bool)
    for place, (_, candidates) in enumerate(contested):
        units = [unit for unit in candidates if unit != Candidate.ZERO]
        zero = [0.0] if len(units) < len(candidates) else []
        least[place] = max([*ranges.lower[units].tolist(), *zero])
        ceiling[place] = max([*ranges.upper[units].tolist(), *zero])
        size[place], no_variable[place] = ranges.sizes[units].max(), still[units].all()
    flat = is_number(least, ceiling, size, no_variable)
    numbers = np.array([number for number, _ in contested], dtype=np.int64)
    return (numbers[flat], least[flat], ceiling[flat]), flat


def _window(number: int, candidates: list[int], ranges: _Ranges) -> _Window:
    units = [unit for unit in candidates if unit != Candidate.ZERO]
    zero = [0.0] if Candidate.ZERO in candidates else []
    size = float(ranges.sizes[units].max())
    least = max([*ranges.lower[units].tolist(), *zero])
    ends = dict(zip(units, ranges.upper[units].tolist(), strict=True))
    rising = [unit for unit in units if ends[unit] - least > LEAST_SHARE * size]
    flat = [ends[unit] for unit in units if unit not in rising] + zero
    return _Window(
        number,
        rising,
        rest=bool(flat),
        floor=max([least, *flat]),
        least=least,
        ceiling=max([*ends.values(), *zero]),
        size=size,
    )


def _coefficients(pool: _Window, unit: int, ranges: _Ranges, tag: str) -> tuple[float, float]:
    """Return ``c - l`` and ``u - c`` of a candidate, or a little more."""
    lost = pool.floor - float(ranges.lower[unit])
    gain = float(ranges.upper[unit]) - pool.floor
    least = LEAST_PART * (lost + gain)
    return (
        big_m(max(lost, least), pool.size, tag, unit),
        big_m(max(gain, least), pool.size, tag, unit),
    )


def _values(
    build: ModelBuilder, tag: str, before: Affine, ranges: _Ranges, units: list[int]
) -> dict[int, Any]:
    """Add the value ``z`` of each candidate."""
    sizes = ranges.sizes[units]
    errors = before.error[units] + sum_error(1) * sizes
    ends = ranges.lower[units] - errors, ranges.upper[units] + errors
    variables = build.continuous(f"{tag}_z", units, *ends, sizes)
    z = dict(zip(units, variables, strict=True))
    # They are the sums as the model has them: their rows are relaxed by the errors.
    rows = {
        unit: plus(build.row(before, unit), (-1.0, value))._replace(slack=0.0)
        for unit, value in z.items()
    }
    build.below_zero(f"{tag}_is", rows, True)
    return z


def _shares(
    build: ModelBuilder, tag: str, pools: list[_Window], ranges: _Ranges
) -> dict[tuple[int, int], Any]:
    """Add a share for each candidate of each window that needs them."""
    pairs = [(pool, unit) for pool in pools if not pool.is_relu for unit in pool.units]
    keys = [(pool.number, unit) for pool, unit in pairs]
    variables = build.continuous(
        f"{tag}_v",
        keys,
        np.array([float(ranges.lower[unit]) - pool.floor for pool, unit in pairs]),
        np.array([float(ranges.upper[unit]) - pool.floor for pool, unit in pairs]),
        np.array([pool.size for pool, _ in pairs]),
    )
    return dict(zip(keys, variables, strict=True))
