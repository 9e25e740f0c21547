"""A network that grows as an ONNX graph is read, for a batch of one image.

What only moves numbers (reshaping, transposing, slicing, padding) is no operation until one needs
it: a value of the graph is a *view* of a value of the network. So a pair of transposings cancels
out, and every way to flatten is the same flattening.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np

from mlspec.errors import NetworkError
from mlspec.ops.affine_map import Ints
from mlspec.ops.flatten import Flatten
from mlspec.ops.op import Op, Shape
from mlspec.ops.select import ZERO, Select


@dataclass(frozen=True, eq=False)
class Value:
    """A value of an ONNX graph that is computed from the image."""

    number: int
    """Of the value of the network that it is a view of."""
    shape: Shape
    """As ONNX has it for a batch of one image: the axis of the batch is there, of length 1."""
    index: Ints | None = None
    """Of this shape: which unit of the network's value each of its numbers is, or ``ZERO``; None:
    all of them in order."""
    end: str = ""
    """The monotone function of all scores that it is the result of, if of any."""


@dataclass(eq=False)
class Graph:
    """A network under construction: value 0 is the image, value ``i + 1`` the output of op
    ``i``."""

    input_shape: Shape
    ops: list[Op] = field(default_factory=list)
    inputs: list[tuple[int, ...]] = field(default_factory=list)
    shapes: list[Shape] = field(init=False)
    _made: dict[tuple[int, Shape, bytes], int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.shapes = [self.input_shape]

    def add(self, op: Op, *inputs: int) -> Value:
        """Append ``op`` and return its output."""
        shape = op.shape_after(*(self.shapes[value] for value in inputs))
        self.shapes.append(shape)
        self.ops.append(op)
        self.inputs.append(inputs)
        return Value(len(self.ops), (1, *shape))

    def elementwise(self, op: Op, value: Value) -> Value:
        """Append an op that works unit by unit, on whatever ``value`` is a view of."""
        value = self.settled(value)
        return replace(value, number=self.add(op, value.number).number)

    def units(self, value: Value) -> Ints:
        """Return which unit of the network's value each number is, in the shape of ``value``."""
        if value.index is not None:
            return value.index
        return np.arange(_size(value.shape)).reshape(value.shape)

    def settled(self, value: Value) -> Value:
        """Return ``value`` as a view in which each unit of the network's value is there once."""
        if value.index is None:
            vector = len(own_shape(value.shape)) == 1 != len(self.shapes[value.number])
            return Value(self.number_of(value), value.shape) if vector else value
        flat = value.index.ravel()
        once = len(flat) == _size(self.shapes[value.number]) and flat.min() >= 0
        if once and len(np.unique(flat)) == len(flat):
            return value
        return Value(self.number_of(value), value.shape)

    def expanded(self, value: Value, shape: Shape) -> Value:
        """Return ``value`` repeated along axes, as arrays broadcast."""
        if value.shape == shape:
            return value
        if _size(shape) == _size(value.shape):
            return self.reshaped(value, shape)
        return Value(value.number, shape, np.broadcast_to(self.units(value), shape))

    def reshaped(self, value: Value, shape: Shape) -> Value:
        """Return the numbers of ``value`` in another shape, in C order."""
        index = None if value.index is None else value.index.reshape(shape)
        if _size(shape) != _size(value.shape):
            raise NetworkError(f"a value of shape {value.shape} does not fill {shape}")
        return Value(value.number, shape, index)

    def viewed(self, value: Value, index: Ints) -> Value:
        """Return the view ``index`` of what ``value`` is a view of."""
        plain = index.size == _size(self.shapes[value.number])
        if plain and (index.ravel() == np.arange(index.size)).all():
            return Value(value.number, index.shape)
        return Value(value.number, index.shape, index)

    def moved(self, value: Value, *axes: int) -> Value:
        """Return ``value`` with its axes in another order."""
        return self.viewed(value, np.transpose(self.units(value), axes))

    def number_of(self, value: Value) -> int:
        """Return the number of the network's value that is ``value``, batch left out."""
        shape = own_shape(value.shape)
        if value.index is None and self.shapes[value.number] == shape:
            return value.number
        content = b"" if value.index is None else hashlib.sha256(value.index.tobytes()).digest()
        key = value.number, shape, content
        if key not in self._made:
            flat = value.index is None and len(shape) == 1
            op = Flatten() if flat else Select(self.units(value).reshape(shape))
            self._made[key] = self.add(op, value.number).number
        return self._made[key]

    def feature_map(self, value: Value) -> int:
        """Return the number of ``value`` if it is a feature map; raises NetworkError."""
        self.expect_feature_map(value)
        return self.number_of(value)

    def expect_feature_map(self, value: Value) -> None:
        """Raise NetworkError where ``value`` is no feature map ``(C, H, W)``."""
        if len(value.shape) != 4 or value.shape[0] != 1:
            raise NetworkError(
                f"its input is {own_shape(value.shape)}, not a feature map (C, H, W)"
            )

    def vector(self, value: Value) -> int:
        """Return the number of the numbers of ``value`` as one vector."""
        return self.number_of(self.reshaped(value, (1, _size(value.shape))))

    def unpadded(self, value: Value) -> tuple[Value, tuple[int, int, int, int]]:
        """Return a feature map without its rim of zeros, and the rows and columns of the rim: top,
        bottom, left, right."""
        index, whole = value.index, Value(value.number, (1, *self.shapes[value.number]))
        if index is None or len(whole.shape) != 4 or index.ndim != 4 or not (index >= 0).any():
            return value, (0, 0, 0, 0)
        height, width = whole.shape[2:]
        _, _, top, left = (int(each[0]) for each in np.nonzero(index != ZERO))
        bottom, right = index.shape[2] - height - top, index.shape[3] - width - left
        if bottom < 0 or right < 0:
            return value, (0, 0, 0, 0)
        pads = (0, 0), (0, 0), (top, bottom), (left, right)
        padded = np.pad(self.units(whole), pads, constant_values=ZERO)
        if padded.shape != index.shape or (padded != index).any():
            return value, (0, 0, 0, 0)
        return whole, (top, bottom, left, right)

    def pruned(self, value: Value) -> tuple[tuple[Op, ...], tuple[tuple[int, ...], ...]]:
        """Return the ops, and what they read, that ``value`` depends on, as one vector."""
        last = self.vector(value)
        kept, wanted = set[int](), [last]
        while wanted:
            number = wanted.pop()
            if number and number not in kept:
                kept.add(number)
                wanted += self.inputs[number - 1]
        numbers = {0: 0, **{old: new for new, old in enumerate(sorted(kept), start=1)}}
        ops = tuple(self.ops[old - 1] for old in sorted(kept))
        inputs = (self.inputs[old - 1] for old in sorted(kept))
        return ops, tuple(tuple(numbers[each] for each in read) for read in inputs)


def own_shape(shape: Shape) -> Shape:
    """Return a shape without the batch; of a single number, that of a vector of one."""
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape or (1,)


def _size(shape: Shape) -> int:
    return int(np.prod(shape))
