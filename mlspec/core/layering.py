"""Pixels in layers around an object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlspec.core.network import Array

FIXED = -1
"""Layer number of a pixel that does not move."""


@dataclass(frozen=True, eq=False)
class Layering:
    """A partition of the pixels: ``index`` ``(H, W)`` holds each pixel's layer, or ``FIXED``.

    Layers count from 0 (the object itself) outwards to ``count - 1``.
    """

    index: NDArray[np.int16]
    count: int

    @cached_property
    def pixels(self) -> NDArray[np.int64]:
        """Number of pixels ``(K,)`` of each layer."""
        return np.bincount(self.index[self.index >= 0], minlength=self.count)

    def spread(self, eps: Array) -> Array:
        """Return the map ``(..., H, W)`` of each pixel's value of ``eps`` ``(..., K)``; 0 where
        fixed."""
        padded = np.concatenate([eps, np.zeros((*eps.shape[:-1], 1))], axis=-1)
        return np.asarray(padded[..., self.index])

    def total(self, values: Array) -> Array:
        """Sum ``values`` ``(B, C, H, W)`` over channels and the pixels of each layer: ``(B,
        K)``."""
        flat = values.sum(axis=1).reshape(len(values), -1)
        return np.asarray(flat @ self._members)

    def extents(self, change: Array) -> Array:
        """Return the largest ``|change|`` of each layer, ``(K,)``, for ``change`` ``(C, H, W)``."""
        extent = np.zeros(self.count)
        moved = np.abs(change).max(axis=0)
        inside = self.index >= 0
        np.maximum.at(extent, self.index[inside], moved[inside])
        return extent

    @cached_property
    def _members(self) -> Array:
        return np.asarray(self.index.ravel()[:, None] == np.arange(self.count), dtype=np.float64)
