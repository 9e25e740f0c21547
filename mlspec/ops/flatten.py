"""Feature map to vector, in C order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from mlspec.ops.affine_map import Affine
from mlspec.ops.encoding import ModelBuilder, Needed, Site
from mlspec.ops.op import Array, Shape
from mlspec.ops.operation import AffineOperation, Ends, Relaxation, TensorOp


@dataclass(frozen=True, eq=False)
class Flatten(AffineOperation):
    """Feature map to vector, in C order."""

    def shape_after(self, *shapes: Shape) -> Shape:
        """Return ``(N,)``."""
        (shape,) = shapes
        return (int(np.prod(shape)),)

    def forward(self, *values: Array) -> Array:
        """Return the vectors."""
        (value,) = values
        return value.reshape(value.shape[0], -1)

    def run(self, item: TensorOp, values: Sequence[Tensor], softness: float) -> Tensor:
        """Return the vectors."""
        (value,) = values
        return value.flatten(1)

    def interval(self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]) -> Ends:
        """Flatten the ends."""
        return lower[0].flatten(1), upper[0].flatten(1)

    def backward(
        self, item: TensorOp, rows: Tensor, relaxation: Relaxation | None
    ) -> tuple[Tensor, Tensor | None]:
        """Give the rows the input's shape."""
        return rows.reshape(*rows.shape[:2], *item.shape_in), None

    def backward_error(
        self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]
    ) -> Tensor | None:
        """Return None: nothing is computed."""
        return None

    def float32_error(
        self, item: TensorOp, ends: Sequence[Ends], errors: Sequence[Tensor]
    ) -> Tensor:
        """Flatten the errors."""
        return errors[0].flatten(1)

    def needed(self, site: Site) -> Needed:
        """Return the same units."""
        return site.needed

    def encode(self, build: ModelBuilder, site: Site, values: Sequence[Affine]) -> Affine:
        """Return the same map: units are numbered in C order."""
        (value,) = values
        return value
