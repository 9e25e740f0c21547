"""An operation as a function of arrays: what the rest of ``core`` needs to know of it.

Shapes leave the batch out: ``(C, H, W)`` for images and feature maps, ``(N,)`` for flat vectors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mlspec.errors import NetworkError

Array = NDArray[np.float64]
Shape = tuple[int, ...]
Pair = tuple[int, int]
"""Rows and columns."""


class Op(ABC):
    """One operation of a network: a frozen dataclass whose fields are its parameters."""

    reads_several: ClassVar[bool] = False
    """Whether it may read more than one value."""

    @property
    def parameters(self) -> tuple[Array, ...]:
        """The arrays among its fields that were trained, or take part in the computation."""
        return ()

    @abstractmethod
    def shape_after(self, *shapes: Shape) -> Shape:
        """Return the output shape for inputs of ``shapes``; raises NetworkError if they do not
        fit."""
        raise undefined(self, "shape rule")

    @abstractmethod
    def forward(self, *values: Array) -> Array:
        """Return its outputs for a batch of each input, in float64."""
        raise undefined(self, "forward pass in numpy")

    def magnitude(self, *magnitudes: Array) -> Array:
        """Return an upper bound of ``|output|`` for inputs within ``[-magnitude, magnitude]``.

        As it stands it holds for operations that are monotone in every input.
        """
        low, up = self.forward(*(-each for each in magnitudes)), self.forward(*magnitudes)
        return np.maximum(np.abs(low), np.abs(up))

    def joined_to_previous(self, previous: Op) -> Op | None:
        """Return one operation that computes ``previous`` and then this one, None if there is
        none."""
        return None

    def joined_to_next(self, following: Op) -> Op | None:
        """Return one operation that computes this one and then ``following``, None if there is
        none."""
        return None


def undefined(op: Op, what: str) -> NetworkError:
    """Return the error of an operation that lacks what a stage asks it for."""
    return NetworkError(f"{type(op).__name__} has no {what}")


def as_feature_map(op: Op, shape: Shape) -> tuple[int, int, int]:
    """Return ``(C, H, W)`` if ``shape`` is one; raises NetworkError."""
    if len(shape) != 3:
        raise NetworkError(
            f"{type(op).__name__} expects a feature map (C, H, W), its input is {shape}"
        )
    return shape[0], shape[1], shape[2]


def windows_of(value: Array, kernel: Pair, stride: Pair) -> Array:
    """Return the windows ``(B, C, H', W', kh, kw)`` of ``value`` ``(B, C, H, W)``, as a view."""
    view = np.lib.stride_tricks.sliding_window_view(value, kernel, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1]]
