"""A trained classifier as a directed acyclic graph of ops with float64 parameters.

Values are numbered: value 0 is the image, value ``i + 1`` the output of op ``i``, the last one the
scores. Axes: ``B`` batch, ``C`` channels, ``H`` height, ``W`` width, ``M`` labels. Shapes leave the
batch out: ``(C, H, W)`` for images and feature maps, ``(N,)`` for flat vectors.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, fields, is_dataclass

import numpy as np

from mlspec.errors import NetworkError
from mlspec.ops.op import Array, Op, Pair, Shape
from mlspec.rounding import EXACT

__all__ = ["Array", "Network", "Op", "Pair", "Shape"]

LATER_FIELDS = (("groups", 1), ("error", EXACT))
"""Fields that are younger than digests, which leave them out where they are as they were before."""


@dataclass(frozen=True, eq=False)
class Network:
    """Ops in topological order, from an image ``(C, H, W)`` in [0, 1] to scores ``(M,)`` (logits).

    Raises NetworkError where ops do not fit each other, or where nothing reads an op's output.
    """

    ops: tuple[Op, ...]
    input_shape: Shape
    inputs: tuple[tuple[int, ...], ...] = ()
    """The numbers of the values that each op reads; none given: a chain."""
    shapes: tuple[Shape, ...] = field(init=False)
    """Output shape of each op."""

    def __post_init__(self) -> None:
        if not self.inputs:
            object.__setattr__(self, "inputs", tuple((number,) for number in range(len(self.ops))))
        shapes = [self.input_shape]
        for position, (op, inputs) in enumerate(zip(self.ops, self.inputs, strict=True)):
            if not all(0 <= value <= position for value in inputs):
                raise NetworkError(f"op {position} reads {inputs}: not all are computed before it")
            _expect_op(op, position)
            if len(inputs) != 1 and not op.reads_several:
                raise NetworkError(
                    f"op {position} ({type(op).__name__}) reads {len(inputs)} values"
                )
            try:
                shape = op.shape_after(*(shapes[value] for value in inputs))
            except NetworkError as error:
                raise NetworkError(f"op {position}: {error}") from None
            shapes.append(shape)
        if len(shapes[-1]) != 1:
            raise NetworkError(
                f"the last op gives {shapes[-1]}; a classifier ends in a vector of scores"
            )
        object.__setattr__(self, "shapes", tuple(shapes[1:]))
        for position in range(len(self.ops) - 1):
            if not self.users(position + 1):
                name = type(self.ops[position]).__name__
                raise NetworkError(f"op {position} ({name}): nothing reads its output")

    @property
    def operations(self) -> float:
        """Floating-point operations of one forward pass, about: two for each weight that an output
        reads, and a few for an output that reads none."""
        total, few = 0.0, 4
        for op, shape in zip(self.ops, self.shapes, strict=True):
            reads = sum(each.size // len(each) for each in op.parameters if each.ndim > 1)
            total += 2.0 * math.prod(shape) * (reads or few)
        return total

    @property
    def labels(self) -> int:
        """Number of scores ``M``."""
        return self.shapes[-1][0]

    def shape_of(self, value: int) -> Shape:
        """Return the shape of the value of this number."""
        return self.shapes[value - 1] if value else self.input_shape

    def shape_before(self, position: int) -> Shape:
        """Return the shape of the (first) input of the op at ``position``."""
        return self.shape_of(self.inputs[position][0])

    def users(self, value: int) -> list[int]:
        """Return the positions of the ops that read the value of this number."""
        return [position for position, inputs in enumerate(self.inputs) if value in inputs]

    @property
    def digest(self) -> str:
        """SHA-256 of structure and parameters, hexadecimal."""
        sha = hashlib.sha256(repr(self.input_shape).encode())
        for position, (op, inputs) in enumerate(zip(self.ops, self.inputs, strict=True)):
            sha.update(type(op).__name__.encode())
            if inputs != (position,):
                sha.update(repr(inputs).encode())
            for name, value in _fields(op):
                if isinstance(value, np.ndarray):
                    sha.update(repr(value.shape).encode() + np.ascontiguousarray(value).tobytes())
                elif (name, value) not in LATER_FIELDS:
                    sha.update(repr(value).encode())
        return sha.hexdigest()


def _fields(op: object) -> list[tuple[str, object]]:
    return [(item.name, getattr(op, item.name)) for item in fields(op)] if is_dataclass(op) else []


def _expect_op(op: object, position: int) -> None:
    if not isinstance(op, Op) or not is_dataclass(op):
        raise NetworkError(f"op {position}: {type(op).__name__} is no operation of a network")
