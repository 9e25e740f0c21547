"""What a reader of an ONNX node sees: the node with its constants, and the network that grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from mlspec.core.network import Array, Network, Op, Pair, Shape
from mlspec.errors import NetworkError


@dataclass(eq=False)
class Graph:
    """A network under construction: value 0 is the image, value ``i + 1`` the output of op
    ``i``."""

    input_shape: Shape
    ops: list[Op] = field(default_factory=list)
    inputs: list[tuple[int, ...]] = field(default_factory=list)
    shapes: list[Shape] = field(init=False)

    def __post_init__(self) -> None:
        self.shapes = [self.input_shape]

    def add(self, op: Op, *inputs: int) -> int:
        """Append ``op`` and return the number of its output."""
        self.shapes.append(op.shape_after(*(self.shapes[value] for value in inputs)))
        self.ops.append(op)
        self.inputs.append(inputs)
        return len(self.ops)

    def network(self) -> Network:
        """Return the network that ends in the last op."""
        return Network(tuple(self.ops), self.input_shape, tuple(self.inputs))


@dataclass(frozen=True, eq=False)
class Node:
    """One node of an ONNX graph, and what its inputs are."""

    proto: Any
    constants: Mapping[str, Array]
    values: Mapping[str, int]
    """The numbers of the values that are computed from the image."""

    def __str__(self) -> str:
        return f"{self.proto.op_type} node '{self.proto.name or self.proto.output[0]}'"

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The attributes by name."""
        values = {item.name: onnx.helper.get_attribute_value(item) for item in self.proto.attribute}
        return {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in values.items()
        }

    def has(self, position: int) -> bool:
        """Say whether there is an input at ``position``."""
        return position < len(self.proto.input) and bool(self.proto.input[position])

    def is_constant(self, position: int) -> bool:
        """Say whether the input at ``position`` is a constant."""
        return self.proto.input[position] in self.constants

    def constant(self, position: int) -> Array:
        """Return the constant input at ``position``."""
        if not self.has(position):
            raise NetworkError(f"input {position} is missing")
        if not self.is_constant(position):
            raise NetworkError(f"input '{self.proto.input[position]}' is not a constant")
        return self.constants[self.proto.input[position]]

    def value(self, position: int = 0) -> int:
        """Return the number of the computed input at ``position``."""
        name = self.proto.input[position]
        if name not in self.values:
            raise NetworkError(f"input '{name}' is not computed from the image")
        return self.values[name]

    def expect(self, name: str, value: object) -> None:
        """Refuse any other value of an attribute whose default is ``value``."""
        found = self.attributes.get(name, value)
        found = list(found) if isinstance(value, list) else found
        if found != value:
            raise NetworkError(f"{name}={found} is not supported, only {value}")

    def pair(self, name: str, default: list[int] | None = None) -> Pair:
        """Return an attribute of height and width."""
        found = list(self.attributes.get(name, default) or [])
        if len(found) != 2:
            raise NetworkError(f"{name}={found} is not of height and width")
        if min(found) < 1:
            raise NetworkError(f"{name}={found} is less than 1")
        return int(found[0]), int(found[1])

    def padding(self) -> Pair:
        """Return the padding of height and width, on both sides alike."""
        self.expect("auto_pad", "NOTSET")
        pads = list(self.attributes.get("pads", [0, 0, 0, 0]))
        if len(pads) != 4:
            raise NetworkError(f"pads={pads} is not of height and width")
        if min(pads) < 0:
            raise NetworkError(f"pads={pads} are negative")
        if pads[:2] != pads[2:]:
            raise NetworkError(f"pads {pads} differ between the two sides")
        return int(pads[0]), int(pads[1])


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
