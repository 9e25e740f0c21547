"""Piecewise-linear functions of each unit: clips, slopes on both sides of 0, maxima.

One limit for all units is a clip. Whatever else bends is a ReLU of an affine map, and an affine
map: ``max(z, c) = c + max(0, z - c)``, and ``a z + (b - a) max(0, z)`` has the slope ``a`` below 0
and ``b`` above.
"""

from __future__ import annotations

import numpy as np

from mlspec.errors import NetworkError
from mlspec.ops.add import added
from mlspec.ops.clip import clip_of
from mlspec.ops.graph import Graph, Value
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.op import Array
from mlspec.ops.reading import Node, Reader
from mlspec.ops.relu import Relu
from mlspec.ops.scale import negated, scaled, shifted
from mlspec.ops.select import ZERO


def bent(graph: Graph, value: Value, below: Array, above: float = 1.0) -> Value:
    """Append the function of slope ``below`` under 0 and ``above`` over it."""
    if above == 1.0 and below.size and below.min() == below.max() and 0.0 <= below.min() < 1.0:
        slope = float(below.min())
        return graph.elementwise(LeakyRelu(slope) if slope else Relu(), value)
    none = np.zeros([1] * below.ndim)
    positive = scaled(graph, graph.elementwise(Relu(), value), above - below, none)
    return added(graph, positive, scaled(graph, value, below, none))


def clipped(graph: Graph, value: Value, low: float, high: float) -> Value:
    """Append a clip to these ends."""
    # What lies beyond float32 is written for an end that is missing.
    largest = float(np.finfo(np.float32).max)
    low, high = (-np.inf if low <= -largest else low), (np.inf if high >= largest else high)
    if (low, high) == (-np.inf, np.inf):
        return value
    return graph.elementwise(clip_of(low, high), value)


def at_least(graph: Graph, value: Value, limits: Array) -> Value:
    """Append the maximum with ``limits``, which broadcast."""
    if not limits.size or np.isnan(limits).any():
        raise NetworkError("a limit is no number")
    if limits.min() == limits.max():
        shape = np.broadcast_shapes(value.shape, limits.shape)
        return clipped(graph, graph.expanded(value, shape), float(limits.min()), np.inf)
    return shifted(graph, graph.elementwise(Relu(), shifted(graph, value, -limits)), limits)


def largest(graph: Graph, *values: Value) -> Value:
    """Append the maximum of several values: a pool over them, side by side."""
    if len(values) == 1:
        return values[0]
    shape = np.broadcast_shapes(*(value.shape for value in values))
    units, views = int(np.prod(shape)), []
    for row, value in enumerate(values):
        index = np.full((1, 1, len(values), units), ZERO)
        index[0, 0, row] = graph.units(graph.expanded(value, shape)).ravel()
        views.append(graph.viewed(value, index))
    window = len(values), 1
    pooled = graph.add(MaxPool(window, window), graph.number_of(added(graph, *views)))
    return graph.reshaped(pooled, shape)


def _max(node: Node, graph: Graph) -> Value:
    constants = [node.constant(i) for i in range(len(node.inputs)) if node.is_constant(i)]
    found = largest(graph, *node.computed())
    return at_least(graph, found, _highest(constants)) if constants else found


def _min(node: Node, graph: Graph) -> Value:
    constants = [-node.constant(i) for i in range(len(node.inputs)) if node.is_constant(i)]
    values = node.computed()
    if len(values) == 1 and constants and np.ptp(_highest(constants)) == 0.0:
        low = _highest(constants)
        shape = np.broadcast_shapes(values[0].shape, low.shape)
        return clipped(graph, graph.expanded(values[0], shape), -np.inf, -float(low.min()))
    found = largest(graph, *(negated(graph, value) for value in values))
    found = at_least(graph, found, _highest(constants)) if constants else found
    return negated(graph, found)


def _highest(constants: list[Array]) -> Array:
    highest, *others = constants
    for other in others:
        highest = np.maximum(highest, other)
    return highest


def _clip(node: Node, graph: Graph) -> Value:
    ends = node.attributes.get("min", -np.inf), node.attributes.get("max", np.inf)
    low, high = (
        _number(node.constant(place)) if node.has(place) else float(end)
        for place, end in enumerate(ends, 1)
    )
    return clipped(graph, node.value(), low, high)


def _number(constant: Array) -> float:
    if constant.size != 1 or np.isnan(constant).any():
        raise NetworkError("only one limit for all units is supported")
    return float(constant.item())


def _hard_sigmoid(node: Node, graph: Graph) -> Value:
    slope, shift = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    line = scaled(graph, node.value(), np.array(slope), np.array(shift))
    return clipped(graph, line, 0.0, 1.0)


def _leaky_relu(node: Node, graph: Graph) -> Value:
    return bent(graph, node.value(), np.array(node.attributes.get("alpha", 0.01)))


def _p_relu(node: Node, graph: Graph) -> Value:
    return bent(graph, node.value(), node.constant(1))


def _abs(node: Node, graph: Graph) -> Value:
    return bent(graph, node.value(), np.array(-1.0))


READERS: dict[str, Reader] = {
    "Abs": _abs,
    "Clip": _clip,
    "HardSigmoid": _hard_sigmoid,
    "LeakyRelu": _leaky_relu,
    "Max": _max,
    "Min": _min,
    "PRelu": _p_relu,
}
