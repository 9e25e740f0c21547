"""Factor and shift of each unit: ``y = w z + b``, as in a batch normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from torch import Tensor

from mlspec.errors import NetworkError
from mlspec.ops.affine_map import Ints
from mlspec.ops.graph import Graph, Value, own_shape
from mlspec.ops.op import Array, Op, Shape
from mlspec.ops.operation import LocalView, Relaxation, TensorOp
from mlspec.ops.reading import Node, Reader, lined_up
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


def scaled(graph: Graph, value: Value, weight: Array, bias: Array) -> Value:
    """Append ``weight * value + bias``; the three broadcast, as arrays do."""
    shape = np.broadcast_shapes(value.shape, weight.shape, bias.shape)
    if shape[0] != value.shape[0] and len(shape) == len(value.shape):
        constant = weight.shape if weight.ndim > bias.ndim else bias.shape
        raise NetworkError(f"a constant of shape {constant} meets a value of shape {value.shape}")
    value = graph.settled(graph.expanded(value, shape))
    own = graph.shapes[value.number]
    if value.index is None and own_shape(shape) == own:
        arrays = [_of_one_image(each, len(own)) for each in (weight, bias)]
    else:
        places = graph.units(value).ravel()
        arrays = [_per_unit(np.broadcast_to(each, shape), places, own) for each in (weight, bias)]
    return graph.elementwise(Scale(*arrays), value)


def shifted(graph: Graph, value: Value, bias: Array) -> Value:
    """Append ``value + bias``."""
    return scaled(graph, value, np.ones([1] * bias.ndim), bias)


def negated(graph: Graph, value: Value) -> Value:
    """Append ``-value``."""
    return scaled(graph, value, np.array(-1.0), np.array(0.0))


def _of_one_image(constant: Array, rank: int) -> Array:
    """Return a constant that meets a batch of values, as it meets each of them."""
    return np.asarray(constant[0]) if constant.ndim > rank else lined_up(constant, rank)


def _per_unit(constant: Array, places: Ints, own: Shape) -> Array:
    """Return numbers that belong to the units ``places`` of a value of shape ``own``, with axes of
    length 1 where they are alike."""
    array = np.empty(int(np.prod(own)))
    array[places] = constant.ravel()
    array = array.reshape(own)
    for axis in range(array.ndim):
        first = array.take([0], axis)
        array = first if (array == first).all() else array
    return array


def read_arithmetic(node: Node, graph: Graph) -> Value:
    """Read an addition, subtraction, product or quotient of one computed value and one constant."""
    if len(node.inputs) != 2:
        raise NetworkError("only two inputs are supported where one is a constant")
    first = node.is_constant(0)
    if not first and not node.is_constant(1):
        raise NetworkError(
            f"the {_WORDS[node.kind]} of two values that depend on the image is not piecewise "
            "linear: it cannot be verified; a constant factor or divisor can"
        )
    value = node.value(1 if first else 0)
    constant = node.constant(0 if first else 1)
    one, none = np.ones([1] * constant.ndim), np.zeros([1] * constant.ndim)
    match node.kind:
        case "Add" | "Sum":
            return scaled(graph, value, one, constant)
        case "Sub":
            sign, shift = (-one, constant) if first else (one, -constant)
            return scaled(graph, value, sign, shift)
        case "Mul":
            return scaled(graph, value, constant, none)
        case "Div":
            if first or not constant.all():
                raise NetworkError("only the division by a constant other than 0 is supported")
            return scaled(graph, value, 1.0 / constant, none)
        case _:
            raise NetworkError(f"{node.kind} is no arithmetic with a constant")


_WORDS = {"Mul": "product", "Div": "quotient"}


def _neg(node: Node, graph: Graph) -> Value:
    return negated(graph, node.value())


def _batch_normalization(node: Node, graph: Graph) -> Value:
    node.expect("training_mode", 0)
    node.expect("spatial", 1)
    value = node.value()
    factor, shift, mean, variance = (node.constant(position) for position in range(1, 5))
    channels = value.shape[1:2]
    if any(each.shape != channels for each in (factor, shift, mean, variance)):
        raise NetworkError(f"its constants are not of shape {channels}: one number per channel")
    variance = variance + node.attributes.get("epsilon", 1e-5)
    if not (variance > 0.0).all():
        raise NetworkError("a variance is not positive")
    weight = factor / np.sqrt(variance)
    shape = (-1, *[1] * (len(value.shape) - 2))
    bias = shift - mean * weight
    return scaled(graph, value, weight.reshape(shape), bias.reshape(shape))


READERS: dict[str, Reader] = {
    "BatchNormalization": _batch_normalization,
    "Div": read_arithmetic,
    "Mul": read_arithmetic,
    "Neg": _neg,
}
