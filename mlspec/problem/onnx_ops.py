"""ONNX nodes to ops of a Network, one reader per op type.

What a node computes is written in the ops there are: an average pool is a convolution of equal
weights within each channel, a batch normalisation or an addition of constants is a scale, a dilated
kernel one with zeros between its weights.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlspec.core import forward
from mlspec.core.network import (
    Add,
    Array,
    Conv,
    Flatten,
    Linear,
    MaxPool,
    Pair,
    Relu,
    Scale,
    Shape,
)
from mlspec.errors import NetworkError
from mlspec.problem.onnx_node import Graph, Node


def _conv(node: Node, graph: Graph) -> int:
    weight = node.constant(1)
    if weight.ndim != 4:
        raise NetworkError("only two-dimensional convolutions are supported")
    if "kernel_shape" in node.attributes and node.pair("kernel_shape") != weight.shape[2:]:
        raise NetworkError(f"kernel_shape {node.pair('kernel_shape')}, but weights {weight.shape}")
    rows, columns = node.pair("dilations", [1, 1])
    if (rows, columns) != (1, 1):
        dense = np.zeros(
            (
                *weight.shape[:2],
                (weight.shape[2] - 1) * rows + 1,
                (weight.shape[3] - 1) * columns + 1,
            )
        )
        dense[:, :, ::rows, ::columns] = weight
        weight = dense
    bias = node.constant(2) if node.has(2) else np.zeros(len(weight))
    if bias.shape != weight.shape[:1]:
        raise NetworkError(f"its bias has shape {bias.shape}, not one number per filter")
    groups = int(node.attributes.get("group", 1))
    conv = Conv(weight, bias, node.pair("strides", [1, 1]), node.padding(), groups)
    return graph.add(conv, node.value())


def _gemm(node: Node, graph: Graph) -> int:
    node.expect("transA", 0)
    weight = _matrix(node) * node.attributes.get("alpha", 1.0)
    weight = weight if node.attributes.get("transB", 0) else weight.T
    bias = np.zeros(len(weight))
    if node.has(2):
        constant = _of_one_image(node.constant(2), bias.shape)
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


def _max_pool(node: Node, graph: Graph) -> int:
    node.expect("pads", [0, 0, 0, 0])
    node.expect("dilations", [1, 1])
    node.expect("ceil_mode", 0)
    node.expect("auto_pad", "NOTSET")
    pool = MaxPool(node.pair("kernel_shape"), node.pair("strides", [1, 1]))
    return graph.add(pool, node.value())


def _average_pool(node: Node, graph: Graph) -> int:
    node.expect("dilations", [1, 1])
    node.expect("ceil_mode", 0)
    kernel, padding = node.pair("kernel_shape"), node.padding()
    if padding[0] >= kernel[0] or padding[1] >= kernel[1]:
        raise NetworkError(f"pads {padding} are as large as the kernel {kernel}")
    pool = _average(graph.shapes[node.value()], kernel, node.pair("strides", [1, 1]), padding)
    pooled = graph.add(pool, node.value())
    if padding == (0, 0) or node.attributes.get("count_include_pad", 0):
        return pooled
    # Where a window reaches into the padding, the mean is that of what lies inside.
    inside = forward.apply(pool, np.ones((1, *graph.shapes[node.value()])))[0, :1]
    return graph.add(Scale(1.0 / inside, np.zeros((1, 1, 1))), pooled)


def _global_average_pool(node: Node, graph: Graph) -> int:
    shape = graph.shapes[node.value()]
    if len(shape) != 3:
        raise NetworkError(f"its input is {shape}, not a feature map (C, H, W)")
    return graph.add(_average(shape, (shape[1], shape[2])), node.value())


def _reduce_mean(node: Node, graph: Graph) -> int:
    axes = node.constant(1).tolist() if node.has(1) else node.attributes.get("axes", [])
    if sorted(int(axis) % 4 for axis in axes) != [2, 3] or max(map(abs, axes)) > 4:
        raise NetworkError(f"axes={list(axes)} is not supported, only height and width: [2, 3]")
    pooled = _global_average_pool(node, graph)
    return pooled if node.attributes.get("keepdims", 1) else graph.add(Flatten(), pooled)


def _average(shape: Shape, kernel: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0)) -> Conv:
    """Return the mean over windows, pads included, of a feature map of ``shape``."""
    weight = np.full((shape[0], 1, *kernel), 1.0 / (kernel[0] * kernel[1]))
    return Conv(weight, np.zeros(shape[0]), stride, padding, groups=shape[0])


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


def _sum(node: Node, graph: Graph) -> int:
    if any(node.is_constant(position) for position in range(len(node.proto.input))):
        return _arithmetic(node, graph)
    return _added(graph, *(node.value(position) for position in range(len(node.proto.input))))


def _sub(node: Node, graph: Graph) -> int:
    if node.is_constant(0) or node.is_constant(1):
        return _arithmetic(node, graph)
    ones = [1] * len(graph.shapes[node.value(1)])
    negative = graph.add(Scale(np.full(ones, -1.0), np.zeros(ones)), node.value(1))
    return _added(graph, node.value(0), negative)


def _added(graph: Graph, *values: int) -> int:
    return graph.add(Add(), *values) if len(values) > 1 else values[0]


def _arithmetic(node: Node, graph: Graph) -> int:
    """Read an operation between one computed value and one constant."""
    if len(node.proto.input) != 2:
        raise NetworkError("only two inputs are supported where one is a constant")
    first = node.is_constant(0)
    value = node.value(1 if first else 0)
    constant = _of_one_image(node.constant(0 if first else 1), graph.shapes[value])
    one, none = np.ones([1] * constant.ndim), np.zeros([1] * constant.ndim)
    match node.proto.op_type:
        case "Add" | "Sum":
            scale = Scale(one, constant)
        case "Sub":
            scale = Scale(-one, constant) if first else Scale(one, -constant)
        case "Mul":
            scale = Scale(constant, none)
        case _:
            if first or not constant.all():
                raise NetworkError("only the division by a constant other than 0 is supported")
            scale = Scale(1.0 / constant, none)
    return graph.add(scale, value)


def _of_one_image(constant: Array, shape: Shape) -> Array:
    """Return a constant that meets a batch of values of ``shape``, as it meets each of them."""
    if constant.ndim == len(shape) + 1 and constant.shape[0] == 1:
        return np.asarray(constant[0])
    if constant.ndim > len(shape):
        raise NetworkError(f"a constant of shape {constant.shape} meets a value of shape {shape}")
    return constant.reshape([1] * (len(shape) - constant.ndim) + list(constant.shape))


def _flatten(node: Node, graph: Graph) -> int:
    node.expect("axis", 1)
    return graph.add(Flatten(), node.value())


def _reshape(node: Node, graph: Graph) -> int:
    node.expect("allowzero", 0)
    target = [int(size) for size in node.constant(1)]
    units = int(np.prod(graph.shapes[node.value()]))
    if target not in ([0, -1], [1, -1], [-1, units], [0, units], [1, units]):
        raise NetworkError(f"shape {target} is not supported, only (batch, {units}): a flattening")
    return graph.add(Flatten(), node.value())


def _relu(node: Node, graph: Graph) -> int:
    return graph.add(Relu(), node.value())


def _dropout(node: Node, graph: Graph) -> int:
    if node.has(2) and node.constant(2).any():
        raise NetworkError("it is in training mode: export the classifier for inference")
    return node.value()


READERS: dict[str, Callable[[Node, Graph], int]] = {
    "Add": _sum,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Conv": _conv,
    "Div": _arithmetic,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "Identity": lambda node, graph: node.value(),
    "MatMul": _mat_mul,
    "MaxPool": _max_pool,
    "Mul": _arithmetic,
    "ReduceMean": _reduce_mean,
    "Relu": _relu,
    "Reshape": _reshape,
    "Sub": _sub,
    "Sum": _sum,
}
"""Each adds what its node computes to the graph and returns the number of the value."""
