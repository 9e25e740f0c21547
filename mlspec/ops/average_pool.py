"""Average pools are read as convolutions of equal weights within each channel."""

from __future__ import annotations

import numpy as np

from mlspec.errors import NetworkError
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.op import Pair, Shape
from mlspec.ops.reading import Graph, Node, Reader
from mlspec.ops.scale import Scale


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
    inside = pool.forward(np.ones((1, *graph.shapes[node.value()])))[0, :1]
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


READERS: dict[str, Reader] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    "ReduceMean": _reduce_mean,
}
