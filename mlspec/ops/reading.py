"""What the reader of an ONNX node is given: the node with its constants, and the network that
grows.

The node is plain data here; ``problem`` makes it from an ONNX file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlspec.errors import NetworkError
from mlspec.ops.op import Array, Op, Pair, Shape


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


@dataclass(frozen=True, eq=False)
class Node:
    """One node of an ONNX graph, and what its inputs are."""

    kind: str
    """Its op type."""
    name: str
    inputs: tuple[str, ...]
    """Names; an empty one is an input that is left out."""
    attributes: Mapping[str, Any]
    constants: Mapping[str, Array]
    values: Mapping[str, int]
    """The numbers of the values that are computed from the image."""

    def __str__(self) -> str:
        return f"{self.kind} node '{self.name}'"

    def has(self, position: int) -> bool:
        """Say whether there is an input at ``position``."""
        return position < len(self.inputs) and bool(self.inputs[position])

    def is_constant(self, position: int) -> bool:
        """Say whether the input at ``position`` is a constant."""
        return self.inputs[position] in self.constants

    def constant(self, position: int) -> Array:
        """Return the constant input at ``position``."""
        if not self.has(position):
            raise NetworkError(f"input {position} is missing")
        if not self.is_constant(position):
            raise NetworkError(f"input '{self.inputs[position]}' is not a constant")
        return self.constants[self.inputs[position]]

    def value(self, position: int = 0) -> int:
        """Return the number of the computed input at ``position``."""
        name = self.inputs[position]
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


Reader = Callable[[Node, Graph], int]
"""Adds what a node computes to the graph and returns the number of the value."""


def of_one_image(constant: Array, shape: Shape) -> Array:
    """Return a constant that meets a batch of values of ``shape``, as it meets each of them."""
    if constant.ndim == len(shape) + 1 and constant.shape[0] == 1:
        return np.asarray(constant[0])
    if constant.ndim > len(shape):
        raise NetworkError(f"a constant of shape {constant.shape} meets a value of shape {shape}")
    return constant.reshape([1] * (len(shape) - constant.ndim) + list(constant.shape))
