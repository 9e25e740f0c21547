"""Sets of images that bounds hold over, and the least value of a linear function on them.

Axes: ``B`` sets, ``S`` rows, then what a row runs over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from torch import Tensor

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
        """Return the minima of ``rows . x``, summed over ``axes``."""
        ...


@dataclass(frozen=True, eq=False)
class Boxes:
    """``lower <= x <= upper``, both ``(B, C, H, W)``: ``min a . x = a . centre - |a| . radius``."""

    lower: Tensor
    upper: Tensor
    affine_is_exact = True

    def least(self, rows: Tensor, seen: Seen, axes: tuple[int, ...]) -> Tensor:
        """Return the minima of ``rows . x``, summed over ``axes``."""
        centre, radius = seen((self.lower + self.upper) / 2), seen((self.upper - self.lower) / 2)
        return (rows * centre - rows.abs() * radius).sum(axes)


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
        return first
