"""Clipping: ``y = min(max(z, a), b)``, as in a ReLU6; either end may be missing.

Over ``[l, u]`` with ``l < a < u``, the lines through ``(a, a)`` with slopes from 0 to 1 lie below,
or to ``(b - a) / (u - a)`` where ``u > b`` too. With ``l < b < u``, the lines through ``(b, b)``
with slopes from 0 to 1 lie above, or to ``(b - a) / (b - l)`` where ``l < a`` too. Where only one
end is cut, the chord bounds the other side.

Encoded as two ReLUs: ``p = a + max(0, z - a)``, then ``y = b - max(0, b - p)``. Where both ends are
cut, the row ``y <= a + (b - a) / (b - l) * (z - l)`` makes the relaxation the convex hull.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mlspec.errors import NetworkError
from mlspec.ops.affine_map import Affine
from mlspec.ops.big_m import encode_relu
from mlspec.ops.elementwise import ElementwiseOperation, Fan, Sides
from mlspec.ops.encoding import ModelBuilder, Needed, Row, Site, plus, widened
from mlspec.ops.op import Array, Op
from mlspec.ops.operation import Free, TensorOp
from mlspec.ops.relu import Relu
from mlspec.rounding import sum_error
from mlspec.tolerances import BOUND_ROUNDING


@dataclass(frozen=True, eq=False)
class Clip(ElementwiseOperation):
    """``min(max(z, low), high)``, unit by unit; raises NetworkError for limits that leave less than
    an interval, or are no limits."""

    low: float = -np.inf
    high: float = np.inf
    exact: ClassVar[bool] = True
    roundings: ClassVar[int] = 12
    """A slope goes through 3, at most twice the size away from its point, a bias through 2 more."""

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise NetworkError(f"Clip to [{self.low:g}, {self.high:g}]: the ends are no interval")
        if not (np.isfinite(self.low) or np.isfinite(self.high)):
            raise NetworkError("Clip without limits")

    def forward(self, *values: Array) -> Array:
        """Return the outputs."""
        (value,) = values
        return np.clip(value, self.low, self.high)

    def run(self, item: TensorOp, values: Sequence[Tensor], softness: float) -> Tensor:
        """Return the outputs."""
        (value,) = values
        return value.clamp(self.low, self.high)

    def sides(self, lower: Tensor, upper: Tensor) -> Sides:
        """Return the fans of lines through ``(a, a)`` and ``(b, b)``, or what takes their place."""
        # An end that is missing is never cut: any number may stand for it.
        a, b = (end if np.isfinite(end) else 0.0 for end in (self.low, self.high))
        at_low, at_high = self._cut(lower, upper)
        both, is_open = at_low & at_high, at_low | at_high
        below_all, above_all = upper <= self.low, lower >= self.high
        slope = (~(below_all | above_all)).to(lower.dtype)
        zero, one = torch.zeros_like(slope), torch.ones_like(slope)
        # Of two numbers torch.where would make float32.
        constant = torch.where(below_all, a, torch.where(above_all, b, zero))
        width = torch.where(is_open, upper - lower, 1.0)

        def fan(here: Tensor, there: Tensor, point: float, most: Tensor, chord: Fan) -> Fan:
            """Lines through ``point`` if its end is cut ``here``, the chord if only the other end
            is cut ``there``, else the function itself."""
            assert chord.point is not None
            x, y = chord.point
            return Fan(
                torch.where(here, zero, torch.where(there, chord.least, slope)),
                torch.where(here, most, torch.where(there, chord.most, slope)),
                (
                    torch.where(here, point, torch.where(there, x, zero)),
                    torch.where(here, point, torch.where(there, y, constant)),
                ),
            )

        rising = torch.where(at_low, upper - a, b - lower) / width
        below_chord = Fan(rising, rising, (lower, lower))
        above_chord = Fan(rising, rising, (lower, torch.full_like(lower, a)))
        most_below = torch.where(both, (b - a) / torch.where(both, upper - a, 1.0), one)
        most_above = torch.where(both, (b - a) / torch.where(both, b - lower, 1.0), one)
        return Sides(
            fan(at_low, at_high, a, most_below, below_chord),
            fan(at_high, at_low, b, most_above, above_chord),
        )

    def first_slopes(self, lower: Tensor, upper: Tensor) -> Free:
        """Return the slopes of least area: the steepest where more of the interval lies on the
        side that rises."""
        below = (upper - self.low > self.low - lower).to(lower.dtype)
        above = (self.high - lower > upper - self.high).to(lower.dtype)
        return below, above

    def is_open(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Say where an end lies inside the interval."""
        at_low, at_high = self._cut(lower, upper)
        return at_low | at_high

    def _cut(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Say where the low end lies inside the interval, and where the high end does."""
        low, high = ((lower < end) & (upper > end) for end in (self.low, self.high))
        return low, high

    def needed(self, site: Site) -> Needed:
        """Return the units that are not at one end throughout."""
        return np.asarray(site.needed & (site.upper > self.low) & (site.lower < self.high))

    def encode(self, build: ModelBuilder, site: Site, values: Sequence[Affine]) -> Affine:
        """Encode one ReLU for each end, and the row that joins them."""
        (before,) = values
        value, lower, upper, a, b = before, site.lower, site.upper, self.low, self.high
        if np.isfinite(a):
            units = np.flatnonzero(site.needed & (lower < b))
            shifted = value.scaled(build.sizes(value), 1.0, -a)
            value = encode_relu(build, f"{site.tag}_low", shifted, lower - a, upper - a, units)
            value = value.scaled(build.sizes(value), 1.0, a)
            lower, upper = np.maximum(lower, a), np.maximum(upper, a)
        if np.isfinite(b):
            units = np.flatnonzero(site.needed)
            left = value.scaled(build.sizes(value), -1.0, b)
            rest = encode_relu(build, f"{site.tag}_high", left, b - upper, b - lower, units)
            value = rest.scaled(build.sizes(rest), -1.0, b)
        self._join(build, site, before, value)
        return value

    def _join(self, build: ModelBuilder, site: Site, before: Affine, after: Affine) -> None:
        """Add the rows ``y <= a + (b - a) / (b - l) * (z - l)`` where both ends are cut."""
        a, b = self.low, self.high
        both = site.needed & (site.lower < a) & (site.upper > b)
        lower, _ = widened(site.lower, site.upper)
        sizes = build.sizes(before)
        rows: dict[int, Row] = {}
        for unit in np.flatnonzero(both).tolist():
            least = float(lower[unit])
            # A slope that is a little too steep is still above.
            slope = (b - a) / (b - least) * (1.0 + BOUND_ROUNDING)
            start = build.row(before, unit)
            size = abs(a) + abs(b) + slope * (abs(least) + sizes[unit])
            rows[unit] = plus(
                build.row(after, unit),
                *((-slope * c, v) for c, v in zip(*start[:2], strict=True)),
                constant=-a - slope * (start.constant - least),
                slack=slope * start.slack + sum_error(6) * size,
            )
        build.below_zero(f"{site.tag}_join", rows)

    def joined_to_previous(self, previous: Op) -> Op | None:
        """Two clips, or a ReLU and a clip, are one."""
        if isinstance(previous, Relu):
            previous = Clip(0.0)
        return _composed(previous, self) if isinstance(previous, Clip) else None

    def joined_to_next(self, following: Op) -> Op | None:
        """A clip and a ReLU are one."""
        return _composed(self, Clip(0.0)) if isinstance(following, Relu) else None


def _composed(first: Clip, second: Clip) -> Op | None:
    """Return one operation for both, None where their composition is constant."""
    low, high = np.clip([first.low, first.high], second.low, second.high).tolist()
    return clip_of(low, high) if low < high else None


def clip_of(low: float, high: float) -> Op:
    """Return the operation that clips to these ends: a ReLU, where it is one."""
    return Relu() if (low, high) == (0.0, np.inf) else Clip(low, high)
