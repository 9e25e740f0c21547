"""Pools and reductions: means and sums are read as convolutions of equal weights within each
channel, maxima as max-pools, which are piecewise linear.

A max-pool that is padded or dilated takes its windows out first; what would lie outside of the
input is replaced by something of the same window that lies inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mlspec.errors import NetworkError
from mlspec.ops.affine_map import Ints
from mlspec.ops.conv import Conv, append_padded
from mlspec.ops.graph import Graph, Value
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.op import Pair, Shape
from mlspec.ops.reading import Node, Reader
from mlspec.ops.relu import Relu
from mlspec.ops.scale import scaled


@dataclass(frozen=True)
class Along:
    """The windows of a pool along one axis."""

    size: int
    """Of its input."""
    kernel: int
    stride: int
    dilation: int
    before: int
    """Padding."""
    after: int
    ceil: bool
    """Whether the last window may reach beyond the padding."""
    most_places: ClassVar[int] = 2**24
    """Of all windows along one axis: a file of a few bytes may claim any number."""

    @property
    def windows(self) -> int:
        """Their number; a last one that begins behind input and padding is none."""
        left = self.size + self.before + self.after - (self.kernel - 1) * self.dilation - 1
        if left < 0:
            raise NetworkError(f"its window is larger than its input of {self.size}")
        whole = left // self.stride + 1
        more = self.ceil and left % self.stride and whole * self.stride < self.size + self.before
        return whole + bool(more)

    @property
    def places(self) -> Ints:
        """The places ``(windows, kernel)`` that each window sees; some lie outside."""
        if self.windows * self.kernel > self.most_places:
            raise NetworkError(f"{self.windows:,} windows of {self.kernel:,} places are too many")
        first = np.arange(self.windows) * self.stride - self.before
        return first[:, None] + np.arange(self.kernel) * self.dilation

    @property
    def inside(self) -> Ints:
        """The same, with the first place inside for those that lie outside."""
        places = self.places
        lies = (places >= 0) & (places < self.size)
        if not lies.any(1).all():
            raise NetworkError("a window sees nothing but padding")
        first = np.take_along_axis(places, lies.argmax(1)[:, None], 1)
        return np.where(lies, places, first)

    @property
    def is_plain(self) -> bool:
        """Whether all windows lie inside and are dense."""
        places = self.places
        return self.dilation == 1 and places.min() >= 0 and places.max() < self.size

    def counted(self, count_padding: bool) -> Ints:
        """Return how many places of each window count for a mean, ``(windows,)``."""
        start, end = (self.before, self.after) if count_padding else (0, 0)
        counts = (self.places >= -start) & (self.places < self.size + end)
        return np.asarray(counts.sum(1))


def _windows(node: Node, value: Value) -> tuple[Along, Along]:
    kernel, stride = node.pair("kernel_shape"), node.pair("strides", [1, 1])
    dilation, size = node.pair("dilations", [1, 1]), (value.shape[2], value.shape[3])
    reach = (kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1
    pads, ceil = node.padding(size, reach, stride), bool(node.attributes.get("ceil_mode", 0))
    rows, columns = (
        Along(size[i], kernel[i], stride[i], dilation[i], *pads[i], ceil) for i in (0, 1)
    )
    return rows, columns


def _max_pool(node: Node, graph: Graph) -> Value:
    value = node.value()
    graph.expect_feature_map(value)
    rows, columns = _windows(node, value)
    kernel = rows.kernel, columns.kernel
    if rows.is_plain and columns.is_plain:
        pool = MaxPool(kernel, (rows.stride, columns.stride))
        return graph.add(pool, graph.feature_map(value))
    return _of_windows(graph, value, rows, columns)


def _of_windows(graph: Graph, value: Value, rows: Along, columns: Along) -> Value:
    """Append the maxima of windows that are taken out of ``value`` first.

    A ReLU before them is put behind: there it is joined with the pool.
    """
    relu = value.number > 0 and isinstance(graph.ops[value.number - 1], Relu)
    if relu:
        index = graph.units(value)
        value = Value(graph.inputs[value.number - 1][0], value.shape, index)
    y, x = rows.inside, columns.inside
    index = graph.units(value)[:, :, y[:, :, None, None], x[None, None]]
    shape = 1, value.shape[1], y.size, x.size
    taken = graph.viewed(value, index.reshape(shape))
    kernel = rows.kernel, columns.kernel
    pooled = graph.add(MaxPool(kernel, kernel), graph.number_of(taken))
    return graph.elementwise(Relu(), pooled) if relu else pooled


def _average_pool(node: Node, graph: Graph) -> Value:
    value = node.value()
    graph.expect_feature_map(value)
    rows, columns = _windows(node, value)
    pads = tuple(
        (each.before, max(int(each.places.max()) - each.size + 1, 0)) for each in (rows, columns)
    )
    counted = bool(node.attributes.get("count_include_pad", 0))
    counts = rows.counted(counted)[:, None] * columns.counted(counted)
    if not counts.all():
        raise NetworkError("a window sees nothing but padding: its mean is none")
    area = rows.kernel * columns.kernel
    kernel = np.zeros([(each.kernel - 1) * each.dilation + 1 for each in (rows, columns)])
    kernel[:: rows.dilation, :: columns.dilation] = 1.0 / area
    weight = np.tile(kernel, (value.shape[1], 1, 1, 1))
    stride, channels = (rows.stride, columns.stride), value.shape[1]
    mean = Conv(weight, np.zeros(channels), stride, groups=channels)
    pooled = append_padded(graph, graph.feature_map(value), mean, (pads[0], pads[1]))
    # Where a window reaches into the padding, the mean is that of what counts.
    return pooled if (counts == area).all() else scaled(graph, pooled, area / counts, np.zeros(1))


def _global_average_pool(node: Node, graph: Graph) -> Value:
    graph.expect_feature_map(node.value())
    return _weighed(graph, node.value(), (2, 3), mean=True)


def _global_max_pool(node: Node, graph: Graph) -> Value:
    graph.expect_feature_map(node.value())
    return _highest(graph, node.value(), (2, 3))


def _weighed(graph: Graph, value: Value, axes: Shape, *, mean: bool) -> Value:
    """Append the mean, or the sum, over ``axes``, which stay with length 1."""
    shape = _kept(value.shape, axes)
    window = int(np.prod([value.shape[axis] for axis in axes]))
    stride: Pair = (1, 1)
    if axes == (2, 3) and len(value.shape) == 4 and value.shape[0] == 1:
        number, kernel = graph.feature_map(value), value.shape[2:]
    else:
        number, kernel, stride = (
            graph.number_of(_rows(graph, value, axes)),
            (1, window),
            (1, window),
        )
    channels = graph.shapes[number][0]
    weight = np.full((channels, 1, *kernel), 1.0 / window if mean else 1.0)
    conv = Conv(weight, np.zeros(channels), stride, groups=channels)
    return graph.reshaped(graph.add(conv, number), shape)


def _highest(graph: Graph, value: Value, axes: Shape) -> Value:
    """Append the maximum over ``axes``, which stay with length 1."""
    if axes == (2, 3) and len(value.shape) == 4 and value.shape[0] == 1:
        number, kernel = graph.feature_map(value), (value.shape[2], value.shape[3])
    else:
        rows = _rows(graph, value, axes)
        number, kernel = graph.number_of(rows), (1, rows.shape[3])
    return graph.reshaped(graph.add(MaxPool(kernel, kernel), number), _kept(value.shape, axes))


def _rows(graph: Graph, value: Value, axes: Shape) -> Value:
    """Return ``(1, 1, outputs, window)``: what is reduced to one number is one row."""
    others = [axis for axis in range(len(value.shape)) if axis not in axes]
    window = int(np.prod([value.shape[axis] for axis in axes]))
    units = np.transpose(graph.units(value), (*others, *axes))
    return graph.viewed(value, units.reshape(1, 1, -1, window))


def _kept(shape: Shape, axes: Shape) -> Shape:
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))


def _reduce(node: Node, graph: Graph) -> Value:
    value, rank = node.value(), len(node.value().shape)
    given = node.axes()
    if not given and node.attributes.get("noop_with_empty_axes", 0):
        return value
    given = given or list(range(rank))
    if any(not -rank <= axis < rank for axis in given):
        raise NetworkError(f"axes={given} for a value of {rank} axes")
    axes = tuple(sorted({axis % rank for axis in given}))
    match node.kind:
        case "ReduceMax":
            found = _highest(graph, value, axes)
        case "ReduceMean" | "ReduceSum":
            found = _weighed(graph, value, axes, mean=node.kind == "ReduceMean")
        case _:
            raise NetworkError(f"{node.kind} is not a reduction")
    if node.attributes.get("keepdims", 1):
        return found
    shape = tuple(size for axis, size in enumerate(found.shape) if axis not in axes)
    return graph.reshaped(found, shape)


READERS: dict[str, Reader] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    "GlobalMaxPool": _global_max_pool,
    "MaxPool": _max_pool,
    "ReduceMax": _reduce,
    "ReduceMean": _reduce,
    "ReduceSum": _reduce,
}
