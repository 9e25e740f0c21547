"""ONNX nodes as plain data for the readers of operations, and what they give for constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from mlspec.errors import NetworkError
from mlspec.ops.graph import Value
from mlspec.ops.reading import Node
from mlspec.problem.onnx_file import first_line

Constant = NDArray[Any]
"""A tensor of a file, in its own dtype."""

RANDOM = {"Bernoulli", "Multinomial"}
"""With those whose names begin with Random: nodes that give something else each time."""


def node_of(proto: Any, constants: Mapping[str, Constant], values: Mapping[str, Value]) -> Node:
    """Return a node of an ONNX graph, given the constants and computed values before it."""
    attributes = {item.name: helper.get_attribute_value(item) for item in proto.attribute}
    return Node(
        proto.op_type,
        proto.name or next(iter(proto.output), ""),
        tuple(proto.input),
        {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in attributes.items()
        },
        constants,
        values,
    )


def tensor_of(tensor: Any) -> Constant:
    """Return an initializer of a graph."""
    try:
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except (TypeError, ValueError) as error:
        raise NetworkError(
            f"constant '{tensor.name}' cannot be read ({first_line(error)})"
        ) from error


def evaluated(proto: Any, opset: int, inputs: Sequence[Constant | None]) -> list[Constant]:
    """Return the outputs of a node whose inputs are known, by onnx's own implementation of it."""
    if proto.op_type in RANDOM or proto.op_type.startswith("Random"):
        raise NetworkError("its output is random: export the classifier for inference")
    feeds = {
        name: value
        for name, value in zip(proto.input, inputs, strict=True)
        if name and value is not None
    }
    found = _evaluator(proto, opset).run(None, feeds)
    return [np.asarray(each) for each in found]


def _evaluator(proto: Any, opset: int) -> Any:
    try:
        return ReferenceEvaluator(_alone(proto, opset))
    except RuntimeError:
        # Of a few operations onnx has the newest version alone; it does what the older ones did.
        return ReferenceEvaluator(_alone(proto, onnx.defs.onnx_opset_version()))


def _alone(proto: Any, opset: int) -> Any:
    """Return a model of one node."""
    inputs, outputs = (
        [helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(names) if name]
        for names in (proto.input, proto.output)
    )
    graph = helper.make_graph([proto], proto.op_type, inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
