"""ONNX nodes and tensors as plain data for the readers of operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from mlspec.core.network import Array
from mlspec.errors import NetworkError
from mlspec.ops.reading import Node


def node_of(proto: Any, constants: Mapping[str, Array], values: Mapping[str, int]) -> Node:
    """Return a node of an ONNX graph, given the constants and computed values before it."""
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in proto.attribute}
    return Node(
        proto.op_type,
        proto.name or proto.output[0],
        tuple(proto.input),
        {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in attributes.items()
        },
        constants,
        values,
    )


def constant_value(node: Node) -> Array:
    """Return the value of a Constant node."""
    if "value" not in node.attributes:
        raise NetworkError(f"only tensors are supported, not {', '.join(node.attributes)}")
    return numbers(node.attributes["value"])


def numbers(tensor: Any) -> Array:
    """Return an ONNX tensor in float64."""
    try:
        return np.asarray(numpy_helper.to_array(tensor), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise NetworkError(
            f"constant '{tensor.name}' cannot be read ({first_line(error)})"
        ) from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
