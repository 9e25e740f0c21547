"""Factor and shift of each unit: ``y = w z + b``, as in a batch normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from torch import Tensor

from mlspec.errors import NetworkError
from mlspec.ops.op import Array, Op, Shape
from mlspec.ops.operation import LocalView, Relaxation, TensorOp
from mlspec.ops.reading import Graph, Node, Reader, of_one_image
from mlspec.ops.weighted import Terms, Weighted, joined_error
from mlspec.ops.window import Window


@dataclass(frozen=True, eq=False)
class Scale(Weighted):
    """``weight * z + bias``, unit by unit: both broadcast to the shape of ``z``.

    ``(C, 1, 1)`` is one factor per channel, as in a batch normalisation.
    """

    def shape_after(self, *shapes: Shape) -> Shape:
        """Return the input's shape."""
        (shape,) = shapes
        for array in (self.weight, self.bias):
            sizes = zip(reversed(array.shape), reversed(shape), strict=False)
            if array.ndim > len(shape) or any(own not in {1, size} for own, size in sizes):
                raise NetworkError(f"Scale has parameters {array.shape}, its input is {shape}")
        return shape

    def forward(self, *values: Array) -> Array:
        """Return the outputs."""
        (value,) = values
        return np.asarray(value * self.weight + self.bias)

    def terms(self, item: TensorOp) -> Terms:
        """Return one product and one bias, and for biases the number of units."""
        return Terms(2, 1, math.prod(item.shape_out) + 1)

    def apply(self, value: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the outputs."""
        return value * weight + bias

    def backward(
        self, item: TensorOp, rows: Tensor, relaxation: Relaxation | None
    ) -> tuple[Tensor, Tensor | None]:
        """Substitute."""
        weight, bias = item.parameters
        return rows * weight, (rows * bias).flatten(2).sum(-1)

    def window_before(self, item: TensorOp, window: Window) -> Window | None:
        """Return the same window."""
        return window

    def backward_locally(
        self, item: TensorOp, patch: Tensor, view: LocalView
    ) -> tuple[Tensor, Tensor | None]:
        """Substitute."""
        weight, bias = (view.gather(each.expand(1, *item.shape_out)) for each in item.parameters)
        return patch * weight, (patch * bias).sum((3, 4, 5))

    def matrix(self, shape: Shape) -> tuple[sparse.csr_array, Array]:
        """Return a diagonal matrix, and the bias of each unit."""
        weight, bias = (np.broadcast_to(each, shape).ravel() for each in self.parameters)
        return sparse.csr_array(sparse.diags_array(weight)), bias

    def joined_to_next(self, following: Op) -> Op | None:
        """Two in a row are one."""
        if not isinstance(following, Scale):
            return None
        bias = np.asarray(following.weight * self.bias + following.bias)
        gains = np.abs(following.weight)
        sizes = np.asarray(gains * np.abs(self.bias) + np.abs(following.bias))
        error = joined_error(self, following, 2, sizes, gains)
        return Scale(np.asarray(self.weight * following.weight), bias, error=error)


def per_channel(array: Array, channels: int) -> Array | None:
    """Return one number per channel of a feature map, None where rows or columns differ."""
    if array.size == 1:
        return np.full(channels, array.item())
    return array.ravel() if array.shape == (channels, 1, 1) else None


def read_arithmetic(node: Node, graph: Graph) -> int:
    """Read an addition, subtraction, product or quotient of one computed value and one constant."""
    if len(node.inputs) != 2:
        raise NetworkError("only two inputs are supported where one is a constant")
    first = node.is_constant(0)
    value = node.value(1 if first else 0)
    constant = of_one_image(node.constant(0 if first else 1), graph.shapes[value])
    one, none = np.ones([1] * constant.ndim), np.zeros([1] * constant.ndim)
    match node.kind:
        case "Add" | "Sum":
            scale = Scale(one, constant)
        case "Sub":
            scale = Scale(-one, constant) if first else Scale(one, -constant)
        case "Mul":
            scale = Scale(constant, none)
        case "Div":
            if first or not constant.all():
                raise NetworkError("only the division by a constant other than 0 is supported")
            scale = Scale(1.0 / constant, none)
        case _:
            raise NetworkError(f"{node.kind} is no arithmetic with a constant")
    return graph.add(scale, value)


def _batch_normalization(node: Node, graph: Graph) -> int:
    node.expect("training_mode", 0)
    node.expect("spatial", 1)
    factor, shift, mean, variance = (node.constant(position) for position in range(1, 5))
    channels = graph.shapes[node.value()][:1]
    if any(each.shape != channels for each in (factor, shift, mean, variance)):
        raise NetworkError(f"its constants are not of shape {channels}: one number per channel")
    variance = variance + node.attributes.get("epsilon", 1e-5)
    if not (variance > 0.0).all():
        raise NetworkError("a variance is not positive")
    weight = factor / np.sqrt(variance)
    shape = (-1, *[1] * (len(graph.shapes[node.value()]) - 1))
    bias = shift - mean * weight
    return graph.add(Scale(weight.reshape(shape), bias.reshape(shape)), node.value())


READERS: dict[str, Reader] = {
    "BatchNormalization": _batch_normalization,
    "Div": read_arithmetic,
    "Mul": read_arithmetic,
}
