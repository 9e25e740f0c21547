"""Monotone piecewise-linear functions, unit by unit, relaxed by a line below and one above.

Over ``[l, u]`` a line below the function (or above it) either has no choice, or turns around one
point: any slope between two ends is valid (Zhang et al. 2018, CROWN; Xu et al. 2021, alpha-CROWN,
who optimise it).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mlspec.errors import NetworkError
from mlspec.ops.op import Shape, undefined
from mlspec.ops.operation import (
    Ends,
    Free,
    LocalView,
    PiecewiseOperation,
    Relaxation,
    TensorOp,
    magnitude,
    rounded_to_float32,
)
from mlspec.ops.window import Gather, Window
from mlspec.rounding import sum_error


@dataclass(frozen=True)
class Line:
    """``slope z + bias`` for each unit; None for a bias that is 0 everywhere."""

    slope: Tensor
    bias: Tensor | None = None

    @property
    def is_free(self) -> bool:
        """Whether its slope may be chosen."""
        return False

    def line(self, slope: Tensor | None) -> Line:
        """Return itself."""
        return self

    def project(self, slope: Tensor) -> None:
        """Leave a slope that does not count as it is."""

    def raised(self, distance: Tensor) -> Line:
        """Return the line with its bias raised by ``distance`` ``(B, ...)``."""
        if self.bias is None:
            return Line(self.slope, distance)
        return Line(self.slope, self.bias + _per_row(distance, self.bias.dim()))

    def windows(self, gather: Gather) -> Line:
        """Return the line as local rows see it."""
        return Line(gather(self.slope), None if self.bias is None else gather(self.bias))


@dataclass(frozen=True)
class Fan:
    """All lines through ``(point, value)`` with a slope from ``least`` to ``most``, for each unit;
    None for a point that is the origin everywhere."""

    least: Tensor
    most: Tensor
    point: tuple[Tensor, Tensor] | None = None

    @property
    def is_free(self) -> bool:
        """Whether its slope may be chosen."""
        return True

    def line(self, slope: Tensor | None) -> Line:
        """Return the line of the valid slope nearest to ``slope``."""
        slope = self.least if slope is None else slope.clamp(self.least, self.most)
        if self.point is None:
            return Line(slope)
        point, value = self.point
        return Line(slope, value - slope * point)

    def project(self, slope: Tensor) -> None:
        """Move ``slope`` in place to the nearest valid one."""
        slope.clamp_(self.least, self.most)

    def windows(self, gather: Gather) -> Fan:
        """Return the lines as local rows see them."""
        point = None if self.point is None else (gather(self.point[0]), gather(self.point[1]))
        return Fan(gather(self.least), gather(self.most), point)


Side = Line | Fan


@dataclass(frozen=True)
class Sides:
    """All relaxations of one operation: ``below <= y <= above``."""

    below: Side
    above: Side

    def lines(self, slopes: Free) -> UnitLines:
        """Return the relaxation with these slopes of its free sides, the lower one first."""
        left = iter(slopes)
        below, above = (
            side.line(next(left, None) if side.is_free else None)
            for side in (self.below, self.above)
        )
        return UnitLines(below, above, self)

    def project(self, slopes: Free) -> None:
        """Move slopes in place to the nearest valid ones."""
        free = [side for side in (self.below, self.above) if side.is_free]
        for side, slope in zip(free, slopes, strict=True):
            side.project(slope)

    def windows(self, gather: Gather) -> Sides:
        """Return the relaxations as local rows see them."""
        return Sides(self.below.windows(gather), self.above.windows(gather))


@dataclass(frozen=True)
class UnitLines(Relaxation):
    """``below(z) <= y <= above(z)``; tensors are ``(B, ...)`` or ``(B, S, ...)`` of the op's
    shape."""

    below: Line
    above: Line
    sides: Sides
    """What else they could have been."""

    @property
    def slopes(self) -> Free:
        """The slopes of the free sides."""
        both = (self.sides.below, self.below), (self.sides.above, self.above)
        return tuple(line.slope for side, line in both if side.is_free)

    def moved_apart(self, distance: Tensor | None) -> UnitLines:
        """Return the lower line lowered, and the upper one raised; what else they could have been
        stays as it is."""
        if distance is None:
            return self
        return UnitLines(self.below.raised(-distance), self.above.raised(distance), self.sides)

    def backward(self, item: TensorOp, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Take the lower line where a coefficient is positive, the upper one where it is not."""
        rows, bias = self._through(rows)
        return rows, bias.flatten(2).sum(-1)

    def backward_locally(self, patch: Tensor) -> tuple[Tensor, Tensor]:
        """Do the same for local rows."""
        patch, bias = self._through(patch)
        return patch, bias.sum((3, 4, 5))

    def _through(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``rows below + min(rows, 0) (above - below)``, of slopes and of biases."""
        negative, dims = rows.clamp_max(0.0), rows.dim()
        slope = _per_row(self.below.slope, dims)
        difference = _per_row(self.above.slope, dims) - slope
        after = (rows * slope).addcmul_(negative, difference)
        below, above = (_of_line(line, dims) for line in (self.below, self.above))
        if below is None:
            return after, rows.new_zeros(rows.shape) if above is None else negative * above
        difference = -below if above is None else above - below
        return after, (rows * below).addcmul_(negative, difference)

    def windows(self, gather: Gather) -> UnitLines:
        """Return the lines as local rows see them; what else they could have been stays as it
        is."""
        return UnitLines(self.below.windows(gather), self.above.windows(gather), self.sides)


def _per_row(line: Tensor, dims: int) -> Tensor:
    return line if line.dim() == dims else line[:, None]


def _of_line(line: Line, dims: int) -> Tensor | None:
    """Return the bias, as rows see it."""
    return None if line.bias is None else _per_row(line.bias, dims)


class ElementwiseOperation(PiecewiseOperation):
    """A monotone piecewise-linear function, unit by unit, of slopes up to 1."""

    roundings: ClassVar[int]
    """By so many unit roundoffs of the largest of ends, points and values there is, its lines may
    miss the function at most: how slopes and biases are computed."""
    exact: ClassVar[bool] = False
    """Whether its values are floats as they come: no product is rounded."""

    @abstractmethod
    def sides(self, lower: Tensor, upper: Tensor) -> Sides:
        """Return all relaxations over ``[lower, upper]``."""
        raise undefined(self, "relaxation")

    @abstractmethod
    def first_slopes(self, lower: Tensor, upper: Tensor) -> Free:
        """Return good first slopes of the free sides, valid or not."""
        raise undefined(self, "relaxation")

    @abstractmethod
    def is_open(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Say which units have more than one linear piece in ``[lower, upper]``."""
        raise undefined(self, "rule for what is open")

    def shape_after(self, *shapes: Shape) -> Shape:
        """Return the input's shape."""
        (shape,) = shapes
        return shape

    def interval(self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]) -> Ends:
        """Map the ends; a product is rounded once, and monotone."""
        low, up = self.run(item, lower, 0.0), self.run(item, upper, 0.0)
        if self.exact:
            return low, up
        share = sum_error(1)
        return low - share * low.detach().abs(), up + share * up.detach().abs()

    def backward_error(
        self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]
    ) -> Tensor | None:
        """Return ``gamma (m' + m)``, with ``m'`` the largest absolute value of the output, and of
        the input where more than one piece is open.

        Slopes are at most 1, so ``m' + m`` bounds both the product of slope and input, and the
        bias. Of biases there may be one for each unit in a sum.
        """
        (low,), (up,) = lower, upper
        reach = magnitude(*self.interval(item, lower, upper))
        reach = reach + torch.where(self.is_open(low, up), magnitude(low, up), 0.0)
        return sum_error(math.prod(item.shape_out) + self.roundings) * reach

    def float32_error(
        self, item: TensorOp, ends: Sequence[Ends], errors: Sequence[Tensor]
    ) -> Tensor:
        """Return them as they are, as slopes are at most 1, or the range of the function where that
        is smaller; and the rounding of a product."""
        low, up = (self.run(item, [end], 0.0) for end in ends[0])
        error = errors[0].minimum(up - low)
        return error if self.exact else rounded_to_float32(magnitude(*ends[0]), error, 2)

    def carried(self, item: TensorOp, lower: Tensor, upper: Tensor, error: Tensor) -> Tensor:
        """Return them as they are, as slopes are at most 1; none where the function is constant."""
        low, up = self.interval(item, (lower,), (upper,))
        return torch.where((low == up) & (lower < upper), 0.0, error)

    def start(self, item: TensorOp, lower: Tensor, upper: Tensor) -> Free:
        """Return good first slopes."""
        return self.first_slopes(lower, upper)

    def relax(self, item: TensorOp, lower: Tensor, upper: Tensor, free: Free) -> UnitLines:
        """Return the lines with the slopes ``free``."""
        return self.sides(lower, upper).lines(free)

    def project(self, item: TensorOp, lower: Tensor, upper: Tensor, free: Free) -> None:
        """Move the slopes to the nearest valid ones."""
        self.sides(lower, upper).project(free)

    def open_positions(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Say where some channel is open."""
        return self.is_open(lower, upper).flatten(2).any(1)

    def window_before(self, item: TensorOp, window: Window) -> Window | None:
        """Return the same window."""
        return window

    def backward_locally(
        self, item: TensorOp, patch: Tensor, view: LocalView
    ) -> tuple[Tensor, Tensor | None]:
        """Take the relaxation's step."""
        if not isinstance(view.relaxation, UnitLines):
            raise NetworkError(f"{type(self).__name__} has no relaxation to propagate rows through")
        return view.relaxation.backward_locally(patch)
