"""Intervals of every value inside a network, for all inputs of a box."""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.core.network import Array


@dataclass(frozen=True, eq=False)
class Bounds:
    """``lower[i] <= value i <= upper[i]`` for every value of a network, for one box.

    Entry 0 is the box itself, entry ``i + 1`` bounds the output of op ``i``, the last the scores.
    Each array has the shape of the value it bounds; all are finite float64.
    """

    lower: tuple[Array, ...]
    upper: tuple[Array, ...]
