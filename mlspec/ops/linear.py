"""Affine map of a vector: ``y = W z + b``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor

from mlspec.errors import NetworkError
from mlspec.ops.op import Array, Op, Shape
from mlspec.ops.operation import Relaxation, TensorOp
from mlspec.ops.scale import Scale
from mlspec.ops.weighted import Terms, Weighted, joined_error


@dataclass(frozen=True, eq=False)
class Linear(Weighted):
    """Affine map of a flat vector: ``weight`` is ``(O, N)``, ``bias`` is ``(O,)``."""

    def shape_after(self, *shapes: Shape) -> Shape:
        """Return ``(O,)`` for an input ``(N,)``."""
        (shape,) = shapes
        if shape != (self.weight.shape[1],):
            raise NetworkError(
                f"Linear expects a vector of {self.weight.shape[1]} values, its input is {shape}"
            )
        return (self.weight.shape[0],)

    def forward(self, *values: Array) -> Array:
        """Return the outputs."""
        (value,) = values
        return np.asarray(value @ self.weight.T + self.bias)

    def terms(self, item: TensorOp) -> Terms:
        """Return the numbers of inputs and outputs."""
        outputs, inputs = self.weight.shape
        return Terms(inputs + 1, outputs, outputs)

    def apply(self, value: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the outputs."""
        return F.linear(value, weight, bias)

    def backward(
        self, item: TensorOp, rows: Tensor, relaxation: Relaxation | None
    ) -> tuple[Tensor, Tensor | None]:
        """Substitute."""
        weight, bias = item.parameters
        return rows @ weight, rows @ bias

    def matrix(self, shape: Shape) -> tuple[sparse.csr_array, Array]:
        """Return weight and bias."""
        return sparse.csr_array(self.weight), self.bias

    def joined_to_next(self, following: Op) -> Op | None:
        """Factors and shifts go into weight and bias."""
        if not isinstance(following, Scale):
            return None
        weight, bias = (np.broadcast_to(each, self.bias.shape) for each in following.parameters)
        gains = np.abs(weight)
        error = joined_error(self, following, 2, gains * np.abs(self.bias) + np.abs(bias), gains)
        return Linear(self.weight * weight[:, None], self.bias * weight + bias, error=error)

    def joined_to_previous(self, previous: Op) -> Op | None:
        """Factors and shifts go into weight and bias."""
        if not isinstance(previous, Scale):
            return None
        inputs = self.weight.shape[1:]
        weight, bias = (np.broadcast_to(each, inputs) for each in previous.parameters)
        gains = np.abs(self.weight)
        sizes = np.abs(self.bias) + gains @ np.abs(bias)
        error = joined_error(previous, self, len(bias) + 1, sizes, gains.sum(1))
        return Linear(self.weight * weight, self.bias + self.weight @ bias, error=error)
