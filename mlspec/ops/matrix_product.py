"""Products with constant matrices, read as linear operations; those of several rows as
convolutions."""

from __future__ import annotations

import numpy as np

from mlspec.errors import NetworkError
from mlspec.ops.conv import Conv
from mlspec.ops.graph import Graph, Value
from mlspec.ops.linear import Linear
from mlspec.ops.op import Array, Shape
from mlspec.ops.reading import Node, Reader
from mlspec.ops.scale import shifted


def _gemm(node: Node, graph: Graph) -> Value:
    left, right = (_operand(node, place, graph) for place in (0, 1))
    alpha = float(node.attributes.get("alpha", 1.0))
    bias = node.attributes.get("beta", 1.0) * node.constant(2) if node.has(2) else np.zeros(1)
    shape = left.shape[0], right.shape[1]
    if not _fits(bias.shape, shape):
        raise NetworkError(f"its bias has shape {bias.shape}, its product {shape}")
    if not isinstance(left, Value) or isinstance(right, Value):
        return shifted(graph, _times(graph, left, right, alpha), bias)
    if bias.size == 1 or (bias.size == shape[1] and bias.shape[-1] != 1):
        return product(graph, left, alpha * right, np.zeros(shape[1]) + bias.ravel())
    return shifted(graph, product(graph, left, alpha * right), bias)


def _operand(node: Node, place: int, graph: Graph) -> Array | Value:
    """Return a matrix that is an input of a Gemm, transposed where it says so."""
    turned = node.attributes.get(("transA", "transB")[place], 0)
    if node.is_constant(place):
        matrix = node.constant(place)
        if matrix.ndim != 2:
            raise NetworkError(f"its constant has shape {matrix.shape}, only matrices are known")
        return np.ascontiguousarray(matrix.T) if turned else matrix
    value = node.value(place)
    if len(value.shape) != 2:
        raise NetworkError(f"its input is {value.shape}, not one vector: flatten it first")
    return graph.moved(value, 1, 0) if turned else value


def _fits(shape: Shape, target: Shape) -> bool:
    sizes = zip(reversed(shape), reversed(target), strict=False)
    return len(shape) <= len(target) and all(own in {1, size} for own, size in sizes)


def _mat_mul(node: Node, graph: Graph) -> Value:
    left, right = (
        node.constant(place) if node.is_constant(place) else node.value(place) for place in (0, 1)
    )
    lines = len(left.shape) == 1, len(right.shape) == 1
    shape = (*left.shape[:-1], *right.shape[:-2], *right.shape[-1:][lines[1] :])
    left = _reshaped(graph, left, (1, *left.shape)) if lines[0] else left
    right = _reshaped(graph, right, (*right.shape, 1)) if lines[1] else right
    found = _times(graph, left, right, 1.0)
    return graph.reshaped(found, shape) if any(lines) else found


def _reshaped(graph: Graph, operand: Array | Value, shape: Shape) -> Array | Value:
    return graph.reshaped(operand, shape) if isinstance(operand, Value) else operand.reshape(shape)


def _times(graph: Graph, left: Array | Value, right: Array | Value, factor: float) -> Value:
    """Append the product of a computed value and a constant, whichever comes first."""
    if isinstance(left, Value):
        if isinstance(right, Value):
            raise NetworkError(
                "the product of two values that depend on the image is not piecewise linear"
            )
        return product(graph, left, factor * right)
    if not isinstance(right, Value):
        raise NetworkError("both its inputs are constants")
    turned = product(graph, _turned(graph, right), factor * np.swapaxes(left, -1, -2))
    return _turned(graph, turned)


def _turned(graph: Graph, value: Value) -> Value:
    """Return ``value`` with its last two axes swapped."""
    *others, row, column = range(len(value.shape))
    return graph.moved(value, *others, column, row)


def product(graph: Graph, value: Value, matrix: Array, bias: Array | None = None) -> Value:
    """Append ``value @ matrix + bias``; both have two axes or more, those before them broadcast."""
    groups = np.broadcast_shapes(value.shape[:-2], matrix.shape[:-2])
    rows, inner, outer = value.shape[-2], value.shape[-1], matrix.shape[-1]
    if matrix.shape[-2] != inner:
        raise NetworkError(
            f"its constant has {matrix.shape[-2]} rows for a vector of {inner} values"
        )
    bias = np.zeros(outer) if bias is None else bias
    shape = (*groups, rows, outer)
    if shape[:-1] == (1,) * len(shape[:-1]):
        weight = np.ascontiguousarray(matrix.reshape(inner, outer).T)
        return graph.reshaped(graph.add(Linear(weight, bias), graph.vector(value)), shape)
    value = graph.expanded(value, (*groups, rows, inner))
    if matrix.size == inner * outer:
        matrices = matrix.reshape(1, inner, outer)
    else:
        matrices = np.broadcast_to(matrix, (*groups, inner, outer)).reshape(-1, inner, outer)
    return graph.reshaped(_by_convolution(graph, value, matrices, bias), shape)


def _by_convolution(graph: Graph, value: Value, matrices: Array, bias: Array) -> Value:
    """Append the products with ``matrices`` ``(G, inner, outer)``, of the ``G``-th part of the rows
    each, as a convolution of kernel 1 × 1 in ``G`` groups."""
    count, inner, outer = matrices.shape
    rows = int(np.prod(value.shape[:-1])) // count
    kernel = np.ascontiguousarray(np.swapaxes(matrices, 1, 2)).reshape(-1, inner, 1, 1)
    conv = Conv(kernel, np.tile(bias, count), groups=count)
    each = graph.moved(graph.reshaped(value, (count, rows, inner)), 0, 2, 1)
    columns = graph.number_of(graph.reshaped(each, (1, count * inner, rows, 1)))
    found = graph.reshaped(graph.add(conv, columns), (count, outer, rows))
    return graph.moved(found, 0, 2, 1)


READERS: dict[str, Reader] = {"Gemm": _gemm, "MatMul": _mat_mul}
