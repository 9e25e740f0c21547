"""Units of a value in another order and shape: chosen, repeated, left out, or 0.

Transposing, slicing, padding, splitting and joining are such choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from mlspec.errors import NetworkError
from mlspec.ops.affine_map import Affine, Ints
from mlspec.ops.encoding import ModelBuilder, Needed, Site
from mlspec.ops.flatten import Flatten
from mlspec.ops.op import Array, Op, Shape
from mlspec.ops.operation import (
    AffineOperation,
    Ends,
    LocalView,
    Relaxation,
    TensorOp,
    magnitude,
)
from mlspec.ops.window import Window
from mlspec.rounding import sum_error


class Unit(IntEnum):
    """Numbers that are no place in a value."""

    ZERO = -1
    """The unit that is always 0."""


ZERO: Final = Unit.ZERO


@dataclass(frozen=True, eq=False)
class Select(AffineOperation):
    """``y[i] = z[index[i]]``: ``index`` has the output's shape and holds numbers of units in C
    order, or ``ZERO``."""

    index: Ints

    def shape_after(self, *shapes: Shape) -> Shape:
        """Return the shape of ``index``."""
        (shape,) = shapes
        units = int(np.prod(shape))
        if not self.index.size or self.index.min() < ZERO or self.index.max() >= units:
            raise NetworkError(f"Select takes units that an input of shape {shape} does not have")
        return self.index.shape

    def forward(self, *values: Array) -> Array:
        """Return the chosen units."""
        (value,) = values
        flat = value.reshape(len(value), -1)
        return np.where(self.index == ZERO, 0.0, flat[:, self.index])

    def run(self, item: TensorOp, values: Sequence[Tensor], softness: float) -> Tensor:
        """Return the chosen units."""
        (value,) = values
        flat = value.flatten(1)
        padded = torch.cat([flat, flat.new_zeros(len(flat), 1)], dim=1)
        chosen = padded[:, self._places(item, flat)]
        return chosen.reshape(len(flat), *self.index.shape)

    def interval(self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]) -> Ends:
        """Choose among the ends."""
        return self.run(item, lower, 0.0), self.run(item, upper, 0.0)

    def backward(
        self, item: TensorOp, rows: Tensor, relaxation: Relaxation | None
    ) -> tuple[Tensor, Tensor | None]:
        """Add up the coefficients of each unit."""
        units = int(np.prod(item.shape_in))
        flat = rows.flatten(2)
        back = flat.new_zeros(*flat.shape[:2], units + 1)
        back = back.index_add(2, self._places(item, rows), flat)
        return back[..., :units].reshape(*rows.shape[:2], *item.shape_in), None

    def backward_error(
        self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]
    ) -> Tensor | None:
        """Return ``gamma m`` where a unit is chosen several times: its coefficients add up."""
        chosen = self.index[self.index != ZERO]
        most = int(np.bincount(chosen).max()) if chosen.size else 0
        if most <= 1:
            return None
        largest = magnitude(lower[0], upper[0])
        return sum_error(most) * self.run(item, [largest], 0.0)

    def float32_error(
        self, item: TensorOp, ends: Sequence[Ends], errors: Sequence[Tensor]
    ) -> Tensor:
        """Choose among the errors."""
        return self.run(item, errors, 0.0)

    def window_before(self, item: TensorOp, window: Window) -> Window | None:
        """Return the same window where whole channels are chosen."""
        return window if self._channels(item.shape_in) is not None else None

    def backward_locally(
        self, item: TensorOp, patch: Tensor, view: LocalView
    ) -> tuple[Tensor, Tensor | None]:
        """Add up the coefficients of each channel."""
        channels = self._channels(item.shape_in)
        if channels is None:
            raise NetworkError("Select: rows through it stay local only where it takes channels")
        count = item.shape_in[0]
        numbers = torch.as_tensor(
            np.where(channels == ZERO, count, channels), device=patch.device, dtype=torch.long
        )
        wide = patch.expand(*patch.shape[:3], len(channels), *patch.shape[4:])
        back = patch.new_zeros(*patch.shape[:3], count + 1, *patch.shape[4:])
        return back.index_add(3, numbers, wide)[:, :, :, :count], None

    def needed(self, site: Site) -> Needed:
        """Return the units that a needed output is."""
        before = np.zeros(int(np.prod(site.shape)), dtype=bool)
        chosen = self.index.ravel()[site.needed]
        before[chosen[chosen != ZERO]] = True
        return before

    def encode(self, build: ModelBuilder, site: Site, values: Sequence[Affine]) -> Affine:
        """Choose among the maps."""
        (value,) = values
        flat = self.index.ravel()
        kept = np.flatnonzero(flat != ZERO)
        shape = len(flat), value.matrix.shape[0]
        choice = sparse.csr_array((np.ones(len(kept)), (kept, flat[kept])), shape=shape)
        return value.through(choice, np.zeros(len(flat)), np.asarray(choice @ value.error))

    def joined_to_previous(self, previous: Op) -> Op | None:
        """A choice of what was chosen is one choice."""
        match previous:
            case Select():
                return Select(composed(previous.index, self.index))
            case Flatten():
                return self
            case _:
                return None

    def joined_to_next(self, following: Op) -> Op | None:
        """A flattening behind it changes its shape alone."""
        return Select(self.index.ravel()) if isinstance(following, Flatten) else None

    def _places(self, item: TensorOp, like: Tensor) -> Tensor:
        """Return the flat index, in which the unit that is 0 comes last, where ``like`` is."""
        places = np.where(self.index == ZERO, np.prod(item.shape_in), self.index).ravel()
        return torch.as_tensor(places, device=like.device, dtype=torch.long)

    def _channels(self, shape: Shape) -> Ints | None:
        """Return the channel that each channel of the output is, if all are whole ones."""
        if len(shape) != 3 or self.index.ndim != 3 or self.index.shape[1:] != shape[1:]:
            return None
        area = shape[1] * shape[2]
        first = self.index.reshape(len(self.index), -1)[:, :1]
        whole = np.where(first == ZERO, ZERO, first + np.arange(area))
        fits = (self.index.reshape(whole.shape) == whole).all()
        aligned = ((first == ZERO) | (first % area == 0)).all()
        return np.where(first == ZERO, ZERO, first // area).ravel() if fits and aligned else None


def composed(first: Ints, second: Ints) -> Ints:
    """Return the index that chooses by ``second`` of what is chosen by ``first``."""
    return np.asarray(np.where(second == ZERO, ZERO, first.ravel()[second]))
