"""Leaky ReLU: ``y = max(z, a z)`` with a slope ``0 <= a < 1``.

For ``l < 0 < u`` it is relaxed as a ReLU is: any slope from ``a`` to 1 through the origin below,
the chord from ``(l, a l)`` to ``(u, u)`` above. Its encoding, with binaries ``s`` and ``t``:

    y >= z,   y >= a z,   y <= z - (1 - a) l t,   y <= a z + (1 - a) u s,   s + t = 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mlspec.errors import NetworkError
from mlspec.ops.affine_map import Affine
from mlspec.ops.elementwise import ElementwiseOperation, Fan, Line, Sides
from mlspec.ops.encoding import (
    ModelBuilder,
    Needed,
    Row,
    Site,
    big_m,
    is_number,
    negative,
    plus,
    widened,
)
from mlspec.ops.op import Array, Op
from mlspec.ops.operation import Free, TensorOp
from mlspec.ops.relu import Relu


@dataclass(frozen=True, eq=False)
class LeakyRelu(ElementwiseOperation):
    """``max(z, slope z)``, unit by unit; raises NetworkError for slopes outside of [0, 1)."""

    slope: float
    roundings: ClassVar[int] = 8
    """The chord's slope goes through 4, its bias through 2 more."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.slope < 1.0:
            raise NetworkError(
                f"LeakyRelu of slope {self.slope:g}: only slopes in [0, 1) are known"
            )

    def forward(self, *values: Array) -> Array:
        """Return the outputs."""
        (value,) = values
        return np.maximum(value, self.slope * value)

    def run(self, item: TensorOp, values: Sequence[Tensor], softness: float) -> Tensor:
        """Return the outputs."""
        (value,) = values
        return F.leaky_relu(value, self.slope)

    def sides(self, lower: Tensor, upper: Tensor) -> Sides:
        """Any slope between the two through the origin below, the chord above."""
        active, is_open = lower >= 0, self.is_open(lower, upper)
        # Of two numbers torch.where would make float32.
        one, leak = torch.ones_like(lower), torch.full_like(lower, self.slope)
        decided = torch.where(active, one, leak)
        width = torch.where(is_open, upper - lower, 1.0)
        chord = torch.where(is_open, (upper - self.slope * lower) / width, decided)
        bias = torch.where(is_open, (self.slope - chord) * lower, 0.0)
        least, most = (torch.where(is_open, end, decided) for end in (leak, one))
        return Sides(Fan(least, most), Line(chord, bias))

    def first_slopes(self, lower: Tensor, upper: Tensor) -> Free:
        """Return the slope of least area: 1 where the upper end is farther from 0."""
        rises = (upper > -lower).to(lower.dtype)
        return (self.slope + (1.0 - self.slope) * rises,)

    def is_open(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Say where the sign is open."""
        return (lower < 0) & (upper > 0)

    def needed(self, site: Site) -> Needed:
        """Return the same units."""
        return site.needed

    def encode(self, build: ModelBuilder, site: Site, values: Sequence[Affine]) -> Affine:
        """Encode both pieces; only units of open sign cost variables."""
        (value,) = values
        both = value.stacked(value.scaled(build.sizes(value), self.slope))
        units = len(site.lower)
        needed = np.flatnonzero(site.needed)
        is_open = (site.lower[needed] < 0.0) & (site.upper[needed] > 0.0)
        opened, decided = needed[is_open], needed[~is_open]
        lower, upper, sizes = site.lower, site.upper, build.sizes(value)
        still = value.still[opened]
        constant = is_number(lower[opened], upper[opened], sizes[opened], still)
        numbers, opened = opened[constant], opened[~constant]
        outputs, ends = self._encode_open(build, site, both, opened.tolist())
        build.extend(outputs, *ends)
        sources = np.where(site.lower[decided] >= 0.0, decided, units + decided)
        after = both.replaced(decided, sources, opened, units)
        return after.fixed(numbers, self.slope * lower[numbers], upper[numbers])

    def _encode_open(
        self, build: ModelBuilder, site: Site, both: Affine, keys: list[int]
    ) -> tuple[list[object], tuple[Array, Array]]:
        """Add variables and rows of the units ``keys``; ``both`` holds ``z``, then ``a z``."""
        tag, units = site.tag, len(site.lower)
        lower, upper = widened(site.lower, site.upper)
        sizes = build.sizes(both)
        ends = self.slope * lower[keys], upper[keys]
        outputs = build.continuous(f"{tag}_y", keys, *ends, sizes[keys])
        active, leaking = build.binary(f"{tag}_a", keys), build.binary(f"{tag}_n", keys)
        rows: dict[str, dict[int, Row]] = {name: {} for name in ("above", "leak", "on", "off")}
        one: dict[int, Row] = {}
        for unit, y, s, t in zip(keys, outputs, active, leaking, strict=True):
            z, az = build.row(both, unit), build.row(both, units + unit)
            lost = big_m((self.slope - 1.0) * lower[unit], sizes[unit], tag, unit)
            gain = big_m((1.0 - self.slope) * upper[unit], sizes[unit], tag, unit)
            rows["above"][unit] = plus(z, (-1.0, y))
            rows["leak"][unit] = plus(az, (-1.0, y))
            rows["on"][unit] = plus(negative(z), (1.0, y), (-lost, t))
            rows["off"][unit] = plus(negative(az), (1.0, y), (-gain, s))
            one[unit] = Row([1.0, 1.0], [s, t], -1.0)
            build.piecewise(y, both, [unit, units + unit], [s, t], rest=None)
        for name, each in rows.items():
            build.below_zero(f"{tag}_{name}", each)
        build.below_zero(f"{tag}_one", one, True)
        return outputs, ends

    def joined_to_next(self, following: Op) -> Op | None:
        """A ReLU behind it leaves nothing of the leak."""
        return following if isinstance(following, Relu) else None

    def joined_to_previous(self, previous: Op) -> Op | None:
        """Behind a ReLU nothing is left to leak."""
        return previous if isinstance(previous, Relu) else None
