"""A program that is kept as arrays between runs, for solvers that load it anew each time."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mlspec.backends.program import LinearProgram
from mlspec.core.network import Array


class HeldProgram:
    """The part of an engine that changes a program in memory, and notes that a run must end."""

    def __init__(self, program: LinearProgram) -> None:
        self._program = replace(
            program,
            cost=program.cost.copy(),
            lower=program.lower.copy(),
            upper=program.upper.copy(),
            rhs=program.rhs.copy(),
        )
        self._cancelled = threading.Event()

    def change_rows(self, rhs: Mapping[int, float]) -> None:
        """Set right-hand sides of rows of the kind <=."""
        for row, value in rhs.items():
            self._program.rhs[row] = value

    def change_columns(self, columns: Sequence[int], lower: Array, upper: Array) -> None:
        """Set the bounds of some variables."""
        self._program.lower[list(columns)] = lower
        self._program.upper[list(columns)] = upper

    def change_cost(self, cost: Array) -> None:
        """Set the whole objective."""
        self._program.cost[:] = cost

    def cancel(self) -> None:
        """Make ``run`` end soon."""
        self._cancelled.set()
