"""Affine map of a vector: ``y = W z + b``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor

from mlspec.errors import NetworkError
from mlspec.ops.op import Array, Op, Shape
from mlspec.ops.operation import Ends, Relaxation, TensorOp, Weighted
from mlspec.ops.reading import Graph, Node, Reader, of_one_image
from mlspec.ops.scale import Scale


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

    def run(self, item: TensorOp, values: Sequence[Tensor], softness: float) -> Tensor:
        """Return the outputs."""
        (value,), (weight, bias) = values, item.parameters
        return F.linear(value, weight, bias)

    def interval(self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]) -> Ends:
        """Map centre ``c`` and radius ``r`` to ``W c + b`` and ``|W| r``."""
        weight, bias = item.parameters
        centre, radius = (lower[0] + upper[0]) / 2, (upper[0] - lower[0]) / 2
        centre, radius = F.linear(centre, weight, bias), F.linear(radius, weight.abs())
        return centre - radius, centre + radius

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
        return Linear(self.weight * weight[:, None], self.bias * weight + bias)

    def joined_to_previous(self, previous: Op) -> Op | None:
        """Factors and shifts go into weight and bias."""
        if not isinstance(previous, Scale):
            return None
        inputs = self.weight.shape[1:]
        weight, bias = (np.broadcast_to(each, inputs) for each in previous.parameters)
        return Linear(self.weight * weight, self.bias + self.weight @ bias)


def _gemm(node: Node, graph: Graph) -> int:
    node.expect("transA", 0)
    weight = _matrix(node) * node.attributes.get("alpha", 1.0)
    weight = weight if node.attributes.get("transB", 0) else weight.T
    bias = np.zeros(len(weight))
    if node.has(2):
        constant = of_one_image(node.constant(2), bias.shape)
        bias = bias + node.attributes.get("beta", 1.0) * np.broadcast_to(constant, bias.shape)
    return graph.add(Linear(np.ascontiguousarray(weight), bias), node.value())


def _mat_mul(node: Node, graph: Graph) -> int:
    weight = _matrix(node)
    linear = Linear(np.ascontiguousarray(weight.T), np.zeros(weight.shape[1]))
    return graph.add(linear, node.value())


def _matrix(node: Node) -> Array:
    weight = node.constant(1)
    if weight.ndim != 2:
        raise NetworkError(f"its constant has shape {weight.shape}, only matrices are supported")
    return weight


READERS: dict[str, Reader] = {"Gemm": _gemm, "MatMul": _mat_mul}
