"""A query as a model of OMLT's, for the same solver.

OMLT's ONNX reader refuses such classifiers, so the network is put together from its layer classes,
with its big-M formulation of ReLUs and its formulation of max-pools. (Its other formulation of
ReLUs, by complementarity, is nonlinear: HiGHS cannot solve it.) Two of the layers are subclasses
that only say which units a kernel covers, because OMLT's convolutions know no padding and every
channel of its pools reads the first one. Nor have its convolutions a bias: the input gets a further
channel of ones, which each convolution passes on to the next and takes its bias from.

OMLT derives its bounds by intervals from the input. So that both models rest on the same, ours are
put in their place as soon as a layer has been written. Its Pyomo model is then wrapped as one of
ours: the hand-over, HiGHS and its options are those of mlspec.

This module needs OMLT; what imports it asks first whether that is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pyomo.environ as pyo
from omlt import OmltBlock
from omlt.neuralnet import FullSpaceNNFormulation, NetworkDefinition
from omlt.neuralnet.layer import ConvLayer2D, DenseLayer, IndexMapper, InputLayer, PoolingLayer2D
from omlt.neuralnet.layers.full_space import (
    full_space_conv2d_layer,
    full_space_dense_layer,
    full_space_maxpool2d_layer,
)

from benchmarks.queries import Query
from mlspec.core.network import Array, Pair, Shape
from mlspec.milp.model import MilpModel
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu
from mlspec.tolerances import MILP_MARGIN

Index = tuple[int, int, int]
Covered = Iterator[tuple[Index, Index]]
"""Places in a kernel with the units of the input that they meet."""


class InexpressibleError(Exception):
    """OMLT has no terms for a network."""


class PaddedConv(ConvLayer2D):
    """A convolution with zero padding, whose zero weights are no terms."""

    def __init__(
        self, before: Shape, after: Shape, strides: Pair, kernel: Array, padding: Pair, relu: bool
    ) -> None:
        activation = "relu" if relu else "linear"
        super().__init__(list(before), list(after), list(strides), kernel, activation=activation)
        self._padding = padding

    def kernel_index_with_input_indexes(self, out_d: int, out_r: int, out_c: int) -> Covered:
        """Yield what the kernel covers for one unit of the output."""
        (top, left), (down, right) = self._padding, self.strides
        for d, r, c in product(range(self.kernel_depth), *map(range, self.kernel_shape)):
            row, column = out_r * down - top + r, out_c * right - left + c
            if 0 <= row < self.input_size[1] and 0 <= column < self.input_size[2]:
                yield (d, r, c), (d, row, column)

    def kernel_with_input_indexes(
        self, out_d: int, out_r: int, out_c: int
    ) -> Iterator[tuple[float, Index]]:
        """Yield the weights with the units of the input that they belong to."""
        for weight, unit in super().kernel_with_input_indexes(out_d, out_r, out_c):
            if weight != 0.0:
                yield float(weight), unit


class ChannelPool(PoolingLayer2D):
    """A max-pool of each channel on its own."""

    def kernel_index_with_input_indexes(self, out_d: int, out_r: int, out_c: int) -> Covered:
        """Yield what the window covers for one unit of the output."""
        down, right = self.strides
        for r, c in product(*map(range, self.kernel_shape)):
            yield (0, r, c), (out_d, out_r * down + r, out_c * right + c)


@dataclass
class Definition:
    """A network of OMLT's under construction."""

    box: dict[Index, tuple[float, float]]
    net: Any
    last: Any
    """The layer that was added last."""
    known: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    """Our bounds of the affine values of a layer, by its ``id``."""

    def add(self, layer: Any, lower: Array | None = None, upper: Array | None = None) -> None:
        """Put a layer behind the last one."""
        self.net.add_layer(layer)
        self.net.add_edge(self.last, layer)
        self.last = layer
        if lower is not None and upper is not None:
            self.known[id(layer)] = lower, upper

    def bounded(self, write: Callable[..., None]) -> Callable[..., None]:
        """Return ``write``, which writes a layer's rows, with our bounds put in place at once."""

        def written(net_block: Any, net: Any, layer_block: Any, layer: Any) -> None:
            write(net_block, net, layer_block, layer)
            lower, upper = self.known[id(layer)]
            for unit in layer.output_indexes:
                layer_block.zhat[unit].setlb(float(lower[unit]))
                layer_block.zhat[unit].setub(float(upper[unit]))

        return written


def compiled(query: Query) -> MilpModel:
    """Return OMLT's model of a query."""
    definition = define(query)
    formulation = FullSpaceNNFormulation(
        definition.net,
        layer_constraints={
            PaddedConv: definition.bounded(full_space_conv2d_layer),
            DenseLayer: definition.bounded(full_space_dense_layer),
            ChannelPool: full_space_maxpool2d_layer,
        },
    )
    model: Any = pyo.ConcreteModel()
    model.net = OmltBlock()
    model.net.build_formulation(formulation)
    claim = query.item.claim

    def margin(block: Any, row: int) -> Any:
        terms = [(score, float(factor)) for score, factor in enumerate(claim.rows[row]) if factor]
        body = sum(factor * block.net.outputs[score] for score, factor in terms)
        return body + float(claim.offsets[row]) <= MILP_MARGIN

    model.margin = pyo.Constraint(list(query.subset), rule=margin)
    model.objective = pyo.Objective(expr=0.0)
    units = list(product(*map(range, query.problem.network.input_shape)))
    return MilpModel(
        pyomo=model,
        pixels=tuple(range(len(units))),
        inputs=tuple(model.net.inputs[unit] for unit in units),
        margins={row: model.margin[row] for row in query.subset},
        decision=True,
        centre=(query.box.lower + query.box.upper) / 2,
        binaries=sum(each.is_binary() for each in model.component_data_objects(pyo.Var)),
    )


def define(query: Query) -> Definition:
    """Return the network of a query, with its box and our bounds, in OMLT's terms.

    Raises InexpressibleError where there are none.
    """
    network, bounds = query.problem.relaxed, query.analysis.bounds()
    if any(inputs != (place,) for place, inputs in enumerate(network.inputs)):
        raise InexpressibleError("OMLT's full-space layers read one layer each: no branches")
    convs = [place for place, op in enumerate(network.ops) if isinstance(op, Conv)]
    definition = _start(query, with_ones=bool(convs))
    for place, op in enumerate(network.ops):
        after = network.ops[place + 1 : place + 2]
        lower, upper = bounds.lower[place + 1], bounds.upper[place + 1]
        relu = bool(after) and isinstance(after[0], Relu)
        match op:
            case Conv():
                passes = place != convs[-1]
                if passes:
                    one = np.ones((1, *lower.shape[1:]))
                    lower, upper = np.concatenate([lower, one]), np.concatenate([upper, one])
                before = tuple(definition.last.output_size)
                kernel = _kernel(op, passes)
                layer = PaddedConv(before, lower.shape, op.stride, kernel, op.padding, relu)
                definition.add(layer, lower, upper)
            case Linear():
                definition.add(_dense(op, definition.last, relu), lower, upper)
            case MaxPool():
                definition.add(_pool(op, definition.last, network.shapes[place]))
            case Relu() | Flatten():  # part of the layer before, and of the one after
                pass
            case _:
                raise InexpressibleError(f"OMLT has no layer for {type(op).__name__}")
    return definition


def _start(query: Query, with_ones: bool) -> Definition:
    lower, upper = query.box.lower, query.box.upper
    if with_ones:
        one = np.ones((1, *lower.shape[1:]))
        lower, upper = np.concatenate([lower, one]), np.concatenate([upper, one])
    units = list(product(*map(range, lower.shape)))
    box = {unit: (float(lower[unit]), float(upper[unit])) for unit in units}
    net, layer = NetworkDefinition(scaled_input_bounds=box), InputLayer(list(lower.shape))
    net.add_layer(layer)
    return Definition(box, net, layer)


def _kernel(op: Conv, passes: bool) -> Array:
    """Return the kernel with the bias as weight of the ones, and an output that passes them on."""
    outputs, inputs, height, width = op.weight.shape
    if op.groups != 1 or op.padding[0] >= height or op.padding[1] >= width:
        raise InexpressibleError(
            f"OMLT's convolutions know neither groups ({op.groups}) nor padding {op.padding} "
            f"beyond the kernel ({height}, {width})"
        )
    kernel = np.zeros((outputs + passes, inputs + 1, height, width))
    kernel[:outputs, :inputs] = op.weight
    # At this place of the kernel there is always a unit, never padding.
    kernel[:outputs, inputs, op.padding[0], op.padding[1]] = op.bias
    kernel[outputs:, inputs, op.padding[0], op.padding[1]] = 1.0
    return kernel


def _dense(op: Linear, last: Any, relu: bool) -> DenseLayer:
    outputs, inputs = op.weight.shape
    mapper = IndexMapper(last.output_size, [inputs])
    activation = "relu" if relu else "linear"
    weights = op.weight.T
    return DenseLayer(
        [inputs], [outputs], weights, op.bias, activation=activation, input_index_mapper=mapper
    )


def _pool(op: MaxPool, last: Any, shape: Shape) -> ChannelPool:
    return ChannelPool(
        list(last.output_size),
        list(shape),
        list(op.stride),
        "max",
        list(op.kernel),
        1,
        activation="relu" if op.relu else "linear",
    )
