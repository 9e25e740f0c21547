"""What the reader of an ONNX node is given: the node with its inputs.

The node is plain data here; ``problem`` makes it from an ONNX file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlspec.errors import NetworkError
from mlspec.ops.graph import Graph, Value
from mlspec.ops.op import Array, Pair

Pads = tuple[Pair, Pair]
"""Rows before and after, columns before and after."""


@dataclass(frozen=True, eq=False)
class Node:
    """One node of an ONNX graph, and what its inputs are."""

    kind: str
    """Its op type."""
    name: str
    inputs: tuple[str, ...]
    """Names; an empty one is an input that is left out."""
    attributes: Mapping[str, Any]
    constants: Mapping[str, Any]
    """Arrays as the file holds them."""
    values: Mapping[str, Value]
    """What is computed from the image."""

    def __str__(self) -> str:
        return f"{self.kind} node '{self.name}'"

    def has(self, position: int) -> bool:
        """Say whether there is an input at ``position``."""
        return position < len(self.inputs) and bool(self.inputs[position])

    def is_constant(self, position: int) -> bool:
        """Say whether the input at ``position`` is a constant."""
        return self.inputs[position] in self.constants

    def constant(self, position: int) -> Array:
        """Return the constant input at ``position``, in float64."""
        if not self.has(position):
            raise NetworkError(f"input {position} is missing")
        name = self.inputs[position]
        if name not in self.constants:
            raise NetworkError(f"input '{name}' is not a constant")
        try:
            return np.asarray(self.constants[name], dtype=np.float64)
        except (TypeError, ValueError):
            raise NetworkError(f"constant '{name}' holds no numbers") from None

    def value(self, position: int = 0) -> Value:
        """Return the computed input at ``position``."""
        name = self.inputs[position]
        if name not in self.values:
            raise NetworkError(f"input '{name}' is not computed from the image")
        return self.values[name]

    def computed(self) -> list[Value]:
        """Return the computed inputs, in their order."""
        return [self.values[name] for name in self.inputs if name in self.values]

    def expect(self, name: str, value: object) -> None:
        """Refuse any other value of an attribute whose default is ``value``."""
        found = self.attributes.get(name, value)
        found = list(found) if isinstance(value, list) else found
        if found != value:
            raise NetworkError(f"{name}={found} is not supported, only {value}")

    def axes(self, position: int = 1) -> list[int] | None:
        """Return the axes that an attribute names, or since some opset an input; None: all."""
        if self.has(position):
            return [int(axis) for axis in self.constant(position)]
        axes = self.attributes.get("axes")
        return None if axes is None else [int(axis) for axis in axes]

    def pair(self, name: str, default: Sequence[int] | None = None) -> Pair:
        """Return an attribute of height and width."""
        found = list(self.attributes.get(name, default) or [])
        if len(found) != 2:
            raise NetworkError(f"{name}={found} is not of height and width")
        if min(found) < 1:
            raise NetworkError(f"{name}={found} is less than 1")
        return int(found[0]), int(found[1])

    def padding(self, size: Pair, kernel: Pair, stride: Pair) -> Pads:
        """Return the padding of an input of ``size`` for a kernel, its dilation included."""
        auto = self.attributes.get("auto_pad", "NOTSET")
        match auto:
            case "NOTSET" | "":
                top, left, bottom, right = self._pads()
                return (top, bottom), (left, right)
            case "VALID":
                return (0, 0), (0, 0)
            case "SAME_UPPER" | "SAME_LOWER":
                rows, columns = (
                    max((-(-length // step) - 1) * step + reach - length, 0)
                    for length, step, reach in zip(size, stride, kernel, strict=True)
                )
                less, more = (rows // 2, columns // 2), (rows - rows // 2, columns - columns // 2)
                before, after = (less, more) if auto == "SAME_UPPER" else (more, less)
                return (before[0], after[0]), (before[1], after[1])
            case _:
                raise NetworkError(f"auto_pad={auto} is not known")

    def _pads(self) -> list[int]:
        pads = [int(each) for each in self.attributes.get("pads", [0, 0, 0, 0])]
        if len(pads) != 4:
            raise NetworkError(f"pads={pads} is not of height and width")
        if min(pads) < 0:
            raise NetworkError(f"pads={pads} are negative")
        return pads


Reader = Callable[[Node, Graph], Value]
"""Adds what a node computes to the graph and returns its value."""


def lined_up(constant: Array, rank: int) -> Array:
    """Return a constant with axes of length 1 in front, so that it has ``rank`` of them."""
    return constant.reshape([1] * (rank - constant.ndim) + list(constant.shape))
