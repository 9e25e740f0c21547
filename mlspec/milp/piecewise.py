"""Where a model's binaries come from: the ReLUs and pools whose winner is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlspec.ops.affine_map import Affine


@dataclass(frozen=True, eq=False)
class Piecewise:
    """A ReLU, or a max-pool window: its ``output`` is the value of the candidate that wins."""

    output: Any
    """Its variable."""
    before: Affine
    """The values, over the first of ``Structure.columns``."""
    units: tuple[int, ...]
    """The candidates among them."""
    wins: tuple[Any, ...]
    """The binary of each candidate."""
    rest: float | None
    """The output is at most this where no candidate wins; None where one always does."""


@dataclass(frozen=True, eq=False)
class Structure:
    """All of a model, each after those whose outputs it reads."""

    columns: Sequence[Any] = ()
    """The variables that affine maps run over."""
    scales: Sequence[float] = ()
    """What one unit of each of them stands for."""
    pieces: Sequence[Piecewise] = ()
