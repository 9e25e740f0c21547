"""A trained classifier as a chain of ops with float64 parameters.

Axes: ``B`` batch, ``C`` channels, ``H`` height, ``W`` width, ``M`` labels. Shapes leave the batch
out: ``(C, H, W)`` for images and feature maps, ``(N,)`` for flat vectors.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from mlspec.errors import NetworkError

Array = NDArray[np.float64]
Shape = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Conv:
    """Two-dimensional cross-correlation with zero padding.

    ``weight`` is ``(O, C, kh, kw)``, ``bias`` is ``(O,)``; ``padding`` is added on both sides.
    """

    weight: Array
    bias: Array
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)

    def shape_after(self, shape: Shape) -> Shape:
        """Return the output shape ``(O, H', W')`` for an input of ``shape``."""
        channels, height, width = _as_image(self, shape)
        if channels != self.weight.shape[1]:
            raise NetworkError(
                f"Conv expects {self.weight.shape[1]} channels, its input has {channels}"
            )
        kernel = (self.weight.shape[2], self.weight.shape[3])
        out = tuple(
            (size + 2 * p - k) // s + 1
            for size, p, k, s in zip(
                (height, width), self.padding, kernel, self.stride, strict=True
            )
        )
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


Op = Conv | Linear | Relu | MaxPool | Flatten


@dataclass(frozen=True, eq=False)
class Network:
    """A chain of ops from an image ``(C, H, W)`` in [0, 1] to scores ``(M,)`` (logits)."""

    ops: tuple[Op, ...]
    input_shape: Shape
    shapes: tuple[Shape, ...] = field(init=False)
    """Output shape of each op."""

    def __post_init__(self) -> None:
        shapes: list[Shape] = []
        shape = self.input_shape
        for position, op in enumerate(self.ops):
            try:
                shape = op.shape_after(shape)
            except NetworkError as error:
                raise NetworkError(f"op {position}: {error}") from None
            if min(shape) < 1:
                raise NetworkError(
                    f"op {position} ({type(op).__name__}) leaves nothing: its output is {shape}"
                )
            shapes.append(shape)
        if len(shape) != 1:
            raise NetworkError(
                f"the last op gives {shape}; a classifier ends in a vector of scores"
            )
        object.__setattr__(self, "shapes", tuple(shapes))

    @property
    def labels(self) -> int:
        """Number of scores ``M``."""
        return self.shapes[-1][0]

    def shape_before(self, position: int) -> Shape:
        """Return the input shape of the op at ``position``."""
        return self.shapes[position - 1] if position else self.input_shape

    @property
    def digest(self) -> str:
        """SHA-256 of structure and parameters, hexadecimal."""
        sha = hashlib.sha256(repr(self.input_shape).encode())
        for op in self.ops:
            sha.update(type(op).__name__.encode())
            for item in fields(op):
                value = getattr(op, item.name)
                if isinstance(value, np.ndarray):
                    sha.update(repr(value.shape).encode() + np.ascontiguousarray(value).tobytes())
                else:
                    sha.update(repr(value).encode())
        return sha.hexdigest()

    def fused(self) -> Network:
        """Return the same function with every ReLU that touches a max-pool fused into it.

        ``max(0, .)`` commutes with ``max``, so the order of the two does not matter. Relaxations
        and encodings of the fused op are tighter and smaller than those of the pair.
        """
        ops: list[Op] = []
        for op in self.ops:
            previous = ops[-1] if ops else None
            if isinstance(op, MaxPool) and isinstance(previous, Relu):
                ops[-1] = replace(op, relu=True)
            elif isinstance(op, Relu) and isinstance(previous, MaxPool):
                ops[-1] = replace(previous, relu=True)
            elif isinstance(op, Relu) and isinstance(previous, Relu):
                continue
            else:
                ops.append(op)
        return Network(tuple(ops), self.input_shape)


def _as_image(op: Op, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise NetworkError(
            f"{type(op).__name__} expects a feature map (C, H, W), its input is {shape}"
        )
    return shape[0], shape[1], shape[2]
