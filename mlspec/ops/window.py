"""Rows that stay local: what a unit of a feature map sees of the values before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from mlspec.ops.op import Pair

Gather = Callable[[Tensor], Tensor]
"""Windows ``(B, 1, P, C, kh, kw)`` of a value ``(B, C, H, W)``, zero outside of it; ``P`` counts
the units' positions."""


@dataclass(frozen=True)
class Window:
    """What a unit at ``(i, j)`` sees of a value: ``size`` rows and columns from ``i * stride -
    padding`` on."""

    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    size: Pair = (1, 1)

    def through(self, kernel: Pair, stride: Pair, padding: Pair) -> Window:
        """Return what the unit sees of a convolution's input, given its window of the output."""
        rim = self.size[0] - 1, self.size[1] - 1
        return Window(
            _along(self.stride, stride, (0, 0)),
            _along(self.padding, stride, padding),
            _along(rim, stride, kernel),
        )

    def joined(self, other: Window) -> Window:
        """Return the least window around two of the same stride."""
        padding = _larger(self.padding, other.padding)
        ends = _larger(self._ends, other._ends)
        return Window(self.stride, padding, (padding[0] + ends[0], padding[1] + ends[1]))

    @property
    def _ends(self) -> Pair:
        return self.size[0] - self.padding[0], self.size[1] - self.padding[1]


def _along(value: Pair, scale: Pair, shift: Pair) -> Pair:
    return value[0] * scale[0] + shift[0], value[1] * scale[1] + shift[1]


def _larger(one: Pair, other: Pair) -> Pair:
    return max(one[0], other[0]), max(one[1], other[1])
