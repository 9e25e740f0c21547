"""Sum of several values: the end of a residual branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from torch import Tensor

from mlspec.errors import NetworkError
from mlspec.ops.affine_map import Affine
from mlspec.ops.encoding import ModelBuilder, Needed, Site
from mlspec.ops.graph import Graph, Value
from mlspec.ops.op import Array, Shape
from mlspec.ops.operation import (
    AffineOperation,
    Ends,
    LocalView,
    Relaxation,
    TensorOp,
    magnitude,
    rounded_to_float32,
)
from mlspec.ops.reading import Node, Reader
from mlspec.ops.scale import negated, read_arithmetic, scaled, shifted
from mlspec.ops.window import Window
from mlspec.rounding import sum_error


@dataclass(frozen=True, eq=False)
class Add(AffineOperation):
    """Sum of two or more values of one shape."""

    reads_several: ClassVar[bool] = True

    def shape_after(self, *shapes: Shape) -> Shape:
        """Return the one shape."""
        if len(shapes) < 2 or len(set(shapes)) > 1:
            raise NetworkError(f"Add takes values of one shape, its inputs are {list(shapes)}")
        return shapes[0]

    def forward(self, *values: Array) -> Array:
        """Return the sum."""
        return np.asarray(sum(values[1:], start=values[0]))

    def run(self, item: TensorOp, values: Sequence[Tensor], softness: float) -> Tensor:
        """Return the sum."""
        return sum(values[1:], values[0])

    def interval(self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]) -> Ends:
        """Add the ends."""
        sizes = sum(map(magnitude, lower[1:], upper[1:]), magnitude(lower[0], upper[0]))
        error = sum_error(len(lower)) * sizes
        return sum(lower[1:], lower[0]) - error, sum(upper[1:], upper[0]) + error

    def backward_error(
        self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]
    ) -> Tensor | None:
        """Return None: rows pass as they are."""
        return None

    def float32_error(
        self, item: TensorOp, ends: Sequence[Ends], errors: Sequence[Tensor]
    ) -> Tensor:
        """Add the errors, and the rounding of the sum."""
        sizes = [magnitude(*each) for each in ends]
        carried = sum(errors[1:], errors[0])
        return rounded_to_float32(sum(sizes[1:], sizes[0]), carried, len(sizes))

    def backward(
        self, item: TensorOp, rows: Tensor, relaxation: Relaxation | None
    ) -> tuple[Tensor, Tensor | None]:
        """Give every branch the same rows."""
        return rows, None

    def window_before(self, item: TensorOp, window: Window) -> Window | None:
        """Return the same window, for each branch."""
        return window

    def backward_locally(
        self, item: TensorOp, patch: Tensor, view: LocalView
    ) -> tuple[Tensor, Tensor | None]:
        """Give every branch the same rows."""
        return patch, None

    def needed(self, site: Site) -> Needed:
        """Return the same units, of each branch."""
        return site.needed

    def encode(self, build: ModelBuilder, site: Site, values: Sequence[Affine]) -> Affine:
        """Add the maps."""
        value, *others = values
        for other in others:
            value = value.plus(other, build.sizes(value) + build.sizes(other))
        return value


def added(graph: Graph, *values: Value) -> Value:
    """Append the sum of ``values``, which broadcast as arrays do."""
    shape = np.broadcast_shapes(*(value.shape for value in values))
    first, *others = (graph.settled(graph.expanded(value, shape)) for value in values)
    if not others:
        return first
    if all(_same_view(graph, first, other) for other in others):
        numbers = [each.number for each in (first, *others)]
        return replace(first, number=graph.add(Add(), *numbers).number)
    numbers = [graph.number_of(each) for each in (first, *others)]
    return Value(graph.add(Add(), *numbers).number, shape)


def _same_view(graph: Graph, one: Value, other: Value) -> bool:
    if graph.shapes[one.number] != graph.shapes[other.number]:
        return False
    if one.index is None or other.index is None:
        return one.index is other.index
    return np.array_equal(one.index, other.index)


def _sum(node: Node, graph: Graph) -> Value:
    constants = [place for place in range(len(node.inputs)) if node.is_constant(place)]
    if len(constants) == 1 and len(node.inputs) == 2:
        return read_arithmetic(node, graph)
    values = [node.value(place) for place in range(len(node.inputs)) if place not in constants]
    total = added(graph, *values)
    for place in constants:
        total = shifted(graph, total, node.constant(place))
    return total


def _mean(node: Node, graph: Graph) -> Value:
    share = np.array(1.0 / len(node.inputs))
    return scaled(graph, _sum(node, graph), share, np.array(0.0))


def _sub(node: Node, graph: Graph) -> Value:
    if node.is_constant(0) or node.is_constant(1):
        return read_arithmetic(node, graph)
    return added(graph, node.value(0), negated(graph, node.value(1)))


READERS: dict[str, Reader] = {"Add": _sum, "Mean": _mean, "Sub": _sub, "Sum": _sum}
