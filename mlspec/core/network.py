"""A trained classifier as a directed acyclic graph of ops with float64 parameters.

Values are numbered: value 0 is the image, value ``i + 1`` the output of op ``i``, the last one the
scores. Axes: ``B`` batch, ``C`` channels, ``H`` height, ``W`` width, ``M`` labels. Shapes leave the
batch out: ``(C, H, W)`` for images and feature maps, ``(N,)`` for flat vectors.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from mlspec.errors import NetworkError

Array = NDArray[np.float64]
Shape = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Conv:
    """Two-dimensional cross-correlation with zero padding.

    ``weight`` is ``(O, C / groups, kh, kw)``, ``bias`` is ``(O,)``; ``padding`` is added on both
    sides. Output channels and input channels are split into ``groups`` alike, and each part sees
    its own only.
    """

    weight: Array
    bias: Array
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1

    def shape_after(self, shape: Shape) -> Shape:
        """Return the output shape ``(O, H', W')`` for an input of ``shape``."""
        channels, height, width = _as_image(self, shape)
        expected = self.weight.shape[1] * self.groups
        if channels != expected:
            raise NetworkError(f"Conv expects {expected} channels, its input has {channels}")
        if self.weight.shape[0] % self.groups:
            raise NetworkError(
                f"Conv has {self.weight.shape[0]} filters for {self.groups} groups: "
                "they do not share them out evenly"
            )
        kernel = (self.weight.shape[2], self.weight.shape[3])
        out = tuple(
            (size + 2 * p - k) // s + 1
            for size, p, k, s in zip(
                (height, width), self.padding, kernel, self.stride, strict=True
            )
        )
        if min(out) < 1:
            raise NetworkError(f"Conv leaves nothing: a kernel {kernel} on an input {shape}")
        return (self.weight.shape[0], *out)


@dataclass(frozen=True, eq=False)
class Linear:
    """Affine map of a flat vector: ``weight`` is ``(O, N)``, ``bias`` is ``(O,)``."""

    weight: Array
    bias: Array

    def shape_after(self, shape: Shape) -> Shape:
        """Return ``(O,)`` for an input of shape ``(N,)``."""
        if shape != (self.weight.shape[1],):
            raise NetworkError(
                f"Linear expects a vector of {self.weight.shape[1]} values, its input is {shape}"
            )
        return (self.weight.shape[0],)


@dataclass(frozen=True, eq=False)
class Scale:
    """``weight * z + bias``, unit by unit: both broadcast to the shape of ``z``.

    ``(C, 1, 1)`` is one factor per channel, as in a batch normalisation.
    """

    weight: Array
    bias: Array

    def shape_after(self, shape: Shape) -> Shape:
        """Return ``shape``."""
        for array in (self.weight, self.bias):
            sizes = zip(reversed(array.shape), reversed(shape), strict=False)
            if array.ndim > len(shape) or any(own not in {1, size} for own, size in sizes):
                raise NetworkError(f"Scale has parameters {array.shape}, its input is {shape}")
        return shape


@dataclass(frozen=True, eq=False)
class Add:
    """Sum of two or more values of one shape: the end of a residual branch."""

    def shape_after(self, *shapes: Shape) -> Shape:
        """Return the one shape."""
        if len(shapes) < 2 or len(set(shapes)) > 1:
            raise NetworkError(f"Add takes values of one shape, its inputs are {list(shapes)}")
        return shapes[0]


@dataclass(frozen=True, eq=False)
class Relu:
    """``max(0, z)``, unit by unit."""

    def shape_after(self, shape: Shape) -> Shape:
        """Return ``shape``."""
        return shape


@dataclass(frozen=True, eq=False)
class MaxPool:
    """Maximum over windows without padding.

    With ``relu`` the maximum also runs over the constant 0: a ReLU before (or after) the pool,
    fused.
    """

    kernel: Pair
    stride: Pair
    relu: bool = False

    def shape_after(self, shape: Shape) -> Shape:
        """Return the output shape ``(C, H', W')`` for an input of ``shape``."""
        channels, height, width = _as_image(self, shape)
        if height < self.kernel[0] or width < self.kernel[1]:
            raise NetworkError(f"MaxPool window {self.kernel} is larger than its input {shape}")
        return (
            channels,
            (height - self.kernel[0]) // self.stride[0] + 1,
            (width - self.kernel[1]) // self.stride[1] + 1,
        )


@dataclass(frozen=True, eq=False)
class Flatten:
    """Feature map to vector, in C order."""

    def shape_after(self, shape: Shape) -> Shape:
        """Return ``(N,)``."""
        return (int(np.prod(shape)),)


AffineOp = Conv | Linear | Scale
"""Ops of one input with a weight and a bias."""
Op = AffineOp | Add | Relu | MaxPool | Flatten


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
            if len(inputs) != 1 and not isinstance(op, Add):
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
            for item in fields(op):
                value = getattr(op, item.name)
                if isinstance(value, np.ndarray):
                    sha.update(repr(value.shape).encode() + np.ascontiguousarray(value).tobytes())
                elif (item.name, value) != ("groups", 1):  # Digests are older than groups.
                    sha.update(repr(value).encode())
        return sha.hexdigest()


def _as_image(op: Op, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise NetworkError(
            f"{type(op).__name__} expects a feature map (C, H, W), its input is {shape}"
        )
    return shape[0], shape[1], shape[2]
