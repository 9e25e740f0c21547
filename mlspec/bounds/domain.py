"""Sets of images that bounds hold over, and the least value of a linear function on them.

Axes: ``B`` sets, ``S`` rows, then what a row runs over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from torch import Tensor

from mlspec.ops.operation import magnitude
from mlspec.rounding import sum_error

Seen = Callable[[Tensor], Tensor]
"""Images ``(B, C, H, W)`` as rows see them, with an axis of length 1 for ``S``."""


class Domain(Protocol):
    """Sets of images."""

    affine_is_exact: bool
    """Whether interval arithmetic through one affine op loses nothing."""

    @property
    def lower(self) -> Tensor:
        """The least values ``(B, C, H, W)``."""
        ...

    @property
    def upper(self) -> Tensor:
        """The largest values ``(B, C, H, W)``."""
        ...

    def least(self, rows: Tensor, seen: Seen, axes: tuple[int, ...]) -> Tensor:
        """Return the minima of ``rows . x``, summed over ``axes``: lower bounds of them in exact
        arithmetic."""
        ...


@dataclass(frozen=True, eq=False)
class Boxes:
    """``lower <= x <= upper``, both ``(B, C, H, W)``: ``min a . x = a . centre - |a| . radius``."""

    lower: Tensor
    upper: Tensor
    affine_is_exact = True

    def least(self, rows: Tensor, seen: Seen, axes: tuple[int, ...]) -> Tensor:
        """Return the minima of ``rows . x``, summed over ``axes``."""
        centre, radius = (self.lower + self.upper) / 2, (self.upper - self.lower) / 2
        # Of every product, rounding is worth its share of |row| max(|lower|, |upper|).
        radius = radius + _share(rows, axes) * magnitude(self.lower, self.upper)
        return (rows * seen(centre) - rows.abs() * seen(radius)).sum(axes)


@dataclass(frozen=True, eq=False)
class Hull:
    """The convex combinations of ``points`` ``(N, C, H, W)``, one set: a linear function is least
    at one of them."""

    points: Tensor
    affine_is_exact = False

    @cached_property
    def lower(self) -> Tensor:
        """The least values ``(1, C, H, W)``."""
        return self.points.amin(0, keepdim=True)

    @cached_property
    def upper(self) -> Tensor:
        """The largest values ``(1, C, H, W)``."""
        return self.points.amax(0, keepdim=True)

    def least(self, rows: Tensor, seen: Seen, axes: tuple[int, ...]) -> Tensor:
        """Return the minima of ``rows . x``, summed over ``axes``."""
        first, *others = ((rows * seen(point[None])).sum(axes) for point in self.points)
        for value in others:
            first = first.minimum(value)
        sizes = (rows.abs() * seen(magnitude(self.lower, self.upper))).sum(axes)
        return first - _share(rows, axes) * sizes


def _share(rows: Tensor, axes: tuple[int, ...]) -> float:
    """Return the share of a sum over ``axes`` that its terms and the domain's numbers may lose."""
    return sum_error(math.prod(rows.shape[axis] for axis in axes) + 4)
