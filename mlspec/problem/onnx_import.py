"""ONNX file to Network: conv, linear, ReLU, max-pool, flatten, in a chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from mlspec.core import forward
from mlspec.core.network import Array, Conv, Flatten, Linear, MaxPool, Network, Op, Relu, Shape
from mlspec.errors import NetworkError


def read_network(path: Path) -> Network:
    """Read the classifier at ``path``.

    A final Softmax or Sigmoid is monotone and dropped: the scores are logits. Raises NetworkError
    for an unreadable file and for anything that cannot be represented exactly.
    """
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as error:
        raise NetworkError(f"{path}: not a valid ONNX model ({_first_line(error)})") from error
    try:
        return _Reader(model.graph).network()
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from None


class _Reader:
    """Follows the single value that runs through the graph."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._constants: dict[str, Array] = {
            item.name: _numbers(item) for item in graph.initializer
        }
        self._ops: list[Op] = []

    def network(self) -> Network:
        inputs = [item for item in self._graph.input if item.name not in self._constants]
        if len(inputs) != 1 or len(self._graph.output) != 1:
            raise NetworkError("a classifier has one input and one output")
        current = inputs[0].name
        nodes = list(self._graph.node)
        for position, node in enumerate(nodes):
            if node.domain not in STANDARD:
                raise NetworkError(
                    f"{_name(node)} is of domain '{node.domain}'; only standard ops are supported"
                )
            if node.op_type == "Constant":
                self._constants[node.output[0]] = _constant_value(node)
                continue
            if current not in node.input:
                raise NetworkError(
                    f"{_name(node)} leaves the chain: only sequential networks are supported"
                )
            if node.op_type in MONOTONE and position == len(nodes) - 1:
                _expect_scores_axis(node)
                current = node.output[0]
                continue
            reader = READERS.get(node.op_type)
            if reader is None:
                raise NetworkError(
                    f"{_name(node)} is not supported; supported: {', '.join(sorted(READERS))}"
                )
            self._ops += reader(node, _attributes(node), self._constants)
            current = node.output[0]
        if current != self._graph.output[0].name:
            raise NetworkError(
                f"the graph's output '{self._graph.output[0].name}' is off the chain"
            )
        return _trusted(Network(tuple(self._ops), _input_shape(inputs[0])))


def _trusted(network: Network) -> Network:
    """Return ``network`` if its values stay small enough for float64 bounds, and are numbers at
    all."""
    sizes = [
        replace(op, weight=np.abs(op.weight), bias=np.abs(op.bias))
        if isinstance(op, Conv | Linear)
        else op
        for op in network.ops
    ]
    with np.errstate(all="ignore"):
        images = np.ones((1, *network.input_shape))
        largest = float(forward.scores(Network(tuple(sizes), network.input_shape), images).max())
    if not largest <= MAX_VALUE:
        raise NetworkError(
            f"its parameters allow scores of up to {largest:g}: above {MAX_VALUE:g} rounding "
            "errors could hide a violation; rescale the last op"
        )
    return network


def _input_shape(value: Any) -> Shape:
    dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    if len(dims) != 4 or min(dims[1:]) < 1:
        raise NetworkError(
            f"input '{value.name}' has shape {dims}; a fixed image shape (batch, C, H, W) is needed"
        )
    return tuple(dims[1:])


STANDARD = {"", "ai.onnx"}
MONOTONE = {"Softmax", "Sigmoid"}
MAX_VALUE = 1e9
"""Float64 errors grow with the largest value: at this one they come near the certified margin of
1e-6."""

Reader = Callable[[Any, dict[str, Any], dict[str, Array]], list[Op]]


def _conv(node: Any, attributes: dict[str, Any], constants: dict[str, Array]) -> list[Op]:
    weight = _constant(node, 1, constants)
    if weight.ndim != 4:
        raise NetworkError(f"{_name(node)}: only two-dimensional convolutions are supported")
    _expect(node, attributes, "group", 1)
    _expect(node, attributes, "dilations", [1, 1])
    _expect(node, attributes, "auto_pad", "NOTSET")
    pads = attributes.get("pads", [0, 0, 0, 0])
    if pads[:2] != pads[2:]:
        raise NetworkError(f"{_name(node)}: pads {pads} differ between the two sides")
    bias = _constant(node, 2, constants) if len(node.input) > 2 else np.zeros(len(weight))
    strides = _pair(node, "strides", attributes.get("strides", [1, 1]))
    return [Conv(weight, bias, strides, _pair(node, "pads", pads[:2]))]


def _gemm(node: Any, attributes: dict[str, Any], constants: dict[str, Array]) -> list[Op]:
    _expect(node, attributes, "transA", 0)
    weight = _constant(node, 1, constants) * attributes.get("alpha", 1.0)
    weight = weight if attributes.get("transB", 0) else weight.T
    bias = np.zeros(len(weight))
    if len(node.input) > 2:
        bias = bias + attributes.get("beta", 1.0) * _constant(node, 2, constants).ravel()
    return [Linear(np.ascontiguousarray(weight), bias)]


def _max_pool(node: Any, attributes: dict[str, Any], _: dict[str, Array]) -> list[Op]:
    _expect(node, attributes, "pads", [0, 0, 0, 0])
    _expect(node, attributes, "dilations", [1, 1])
    _expect(node, attributes, "ceil_mode", 0)
    _expect(node, attributes, "auto_pad", "NOTSET")
    kernel = _pair(node, "kernel_shape", attributes["kernel_shape"])
    return [MaxPool(kernel, _pair(node, "strides", attributes.get("strides", [1, 1])))]


def _flatten(node: Any, attributes: dict[str, Any], _: dict[str, Array]) -> list[Op]:
    _expect(node, attributes, "axis", 1)
    return [Flatten()]


def _relu(node: Any, attributes: dict[str, Any], _: dict[str, Array]) -> list[Op]:
    return [Relu()]


READERS: dict[str, Reader] = {
    "Conv": _conv,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "MaxPool": _max_pool,
    "Relu": _relu,
}


def _attributes(node: Any) -> dict[str, Any]:
    values = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in values.items()
    }


def _constant(node: Any, position: int, constants: dict[str, Array]) -> Array:
    name = node.input[position]
    if name not in constants:
        raise NetworkError(f"{_name(node)}: input '{name}' is not a constant")
    return constants[name]


def _expect(node: Any, attributes: dict[str, Any], name: str, value: object) -> None:
    found = attributes.get(name, value)
    found = list(found) if isinstance(value, list) else found
    if found != value:
        raise NetworkError(f"{_name(node)}: {name}={found} is not supported, only {value}")


def _pair(node: Any, name: str, values: Any) -> tuple[int, int]:
    if len(values) != 2:
        raise NetworkError(f"{_name(node)}: {name}={list(values)} is not of height and width")
    return int(values[0]), int(values[1])


def _constant_value(node: Any) -> Array:
    attributes = _attributes(node)
    if "value" not in attributes:
        raise NetworkError(
            f"{_name(node)}: only tensors are supported, not {', '.join(attributes)}"
        )
    return _numbers(attributes["value"])


def _numbers(tensor: Any) -> Array:
    try:
        return np.asarray(numpy_helper.to_array(tensor), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise NetworkError(
            f"constant '{tensor.name}' cannot be read ({_first_line(error)})"
        ) from error


def _expect_scores_axis(node: Any) -> None:
    axis = _attributes(node).get("axis", -1)
    if axis not in {1, -1}:
        raise NetworkError(
            f"{_name(node)}: axis={axis} mixes images, only the axis of scores may be"
        )


def _name(node: Any) -> str:
    return f"{node.op_type} node '{node.name or node.output[0]}'"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
