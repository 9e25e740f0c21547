"""Big-M encoding of ReLU units (Tjeng, Xiao, Tedrake 2019), from bounds that come in from outside.

``y = max(0, z)`` with ``l <= z <= u`` and ``l < 0 < u``; ``a`` binary:

    y >= z,   y >= 0,   y <= z - l (1 - a),   y <= u a

A unit with ``l >= 0`` stays affine, one with ``u <= 0`` is zero: neither costs a variable.
"""

from __future__ import annotations

from mlspec.ops.affine_map import Affine, Ints
from mlspec.ops.encoding import ModelBuilder, Row, big_m, is_number, negative, plus, widened
from mlspec.ops.op import Array


def encode_relu(
    build: ModelBuilder, tag: str, before: Affine, lower: Array, upper: Array, needed: Ints
) -> Affine:
    """Encode the ReLUs of the units ``needed``; ``lower`` and ``upper`` bound ``z``, both
    ``(units,)``."""
    alive = needed[upper[needed] > 0.0]
    kept, open_units = alive[lower[alive] >= 0.0], alive[lower[alive] < 0.0]
    sizes = build.sizes(before)
    ends = lower[open_units], upper[open_units]
    constant = is_number(*ends, sizes[open_units], before.still[open_units])
    numbers, open_units = open_units[constant], open_units[~constant]
    keys = open_units.tolist()
    value = 0.0 * upper[numbers], upper[numbers]
    lower, upper = widened(lower, upper)
    ends = 0.0 * upper[open_units], upper[open_units]
    outputs = build.continuous(f"{tag}_y", keys, *ends, sizes[open_units])
    switches = build.binary(f"{tag}_a", keys)
    above: dict[int, Row] = {}
    on: dict[int, Row] = {}
    off: dict[int, Row] = {}
    for unit, y, a in zip(keys, outputs, switches, strict=True):
        z = build.row(before, unit)
        l = -big_m(-lower[unit], sizes[unit], tag, unit)  # noqa: E741
        u = big_m(upper[unit], 0.0, tag, unit)
        above[unit] = plus(z, (-1.0, y))
        on[unit] = plus(negative(z), (1.0, y), (-l, a), constant=l)
        off[unit] = Row([1.0, -u], [y, a])
        build.piecewise(y, before, [unit], [a], rest=0.0)
    build.below_zero(f"{tag}_above", above)
    build.below_zero(f"{tag}_on", on)
    build.below_zero(f"{tag}_off", off)
    build.extend(outputs, *ends)
    after = before.replaced(kept, kept, open_units, len(lower))
    return after.fixed(numbers, *value)
