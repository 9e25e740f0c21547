"""What an operation needs of a model to write itself as its rows.

Rows are ``sum c v + constant <= 0`` or ``= 0``. Names come from the operation's place in the
network and the unit's number: ``relu1_y[37]`` is the output of unit 37 of the ReLU at place 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mlspec.errors import SolverError
from mlspec.ops.affine_map import Affine
from mlspec.ops.op import Array, Shape
from mlspec.rounding import sum_error
from mlspec.tolerances import BOUND_ROUNDING, LEAST_SHARE

Needed = NDArray[np.bool_]


class Row(NamedTuple):
    """``sum c v + constant``, but for rounding."""

    coefficients: list[float]
    variables: list[Any]
    constant: float = 0.0
    slack: float = 0.0
    """How far it may be from what it stands for: constraints are relaxed by it."""


@dataclass(frozen=True, eq=False)
class Site:
    """An operation's place in a model."""

    tag: str
    """What the names of its variables and rows begin with."""
    shape: Shape
    """The shape of its (first) input."""
    lower: Array
    """``(units,)``: bounds of its (first) input."""
    upper: Array
    needed: Needed
    """``(units,)``: which of its outputs can influence the scores."""

    def where_still(self, value: Affine, units: Needed) -> Site:
        """Return the site with narrower bounds of those ``units`` of its input ``value`` that
        depend on no variable: branches that cancel leave a constant, which intervals do not see."""
        wide = self.upper - self.lower > BOUND_ROUNDING * np.maximum(abs(self.lower), self.upper)
        chosen = value.still & units & wide
        if not chosen.any():
            return self
        error = value.error + sum_error(2) * (np.abs(value.constant) + value.error)
        lower = np.where(chosen, np.maximum(self.lower, value.constant - error), self.lower)
        upper = np.where(chosen, np.minimum(self.upper, value.constant + error), self.upper)
        return replace(self, lower=lower, upper=upper)


class ModelBuilder(Protocol):
    """A model under construction; ``columns`` are the variables that affine maps run over."""

    @property
    def columns(self) -> Sequence[Any]:
        """The variables, in the order of the columns of affine maps."""
        ...

    def sizes(self, value: Affine) -> Array:
        """Return, for each unit of ``value``, how large the terms of its sum are, ``(units,)``."""
        ...

    def continuous(
        self, name: str, keys: Sequence[Any], lower: Array, upper: Array, sizes: Array
    ) -> list[Any]:
        """Add one bounded variable per key; ``sizes`` are those of the sums that give the
        values."""
        ...

    def binary(self, name: str, keys: Sequence[Any]) -> list[Any]:
        """Add one binary variable per key."""
        ...

    def extend(self, columns: Sequence[Any], lower: Array, upper: Array) -> None:
        """Let affine maps run over further ``columns`` with these bounds."""
        ...

    def row(self, value: Affine, unit: int) -> Row:
        """Return one value of an affine map, as the start of a row."""
        ...

    def below_zero(self, name: str, rows: dict[Any, Row], equal: bool = False) -> Any:
        """Add the rows ``sum c v + constant <= 0`` (or ``= 0``), each relaxed by its slack."""
        ...

    def piecewise(
        self,
        output: Any,
        before: Affine,
        units: Sequence[int],
        wins: Sequence[Any],
        rest: float | None,
    ) -> None:
        """Note that the column ``output`` is the largest of ``units`` of ``before``, and of the
        constant ``rest`` if there is one; ``wins`` holds the binary of each unit."""
        ...


def negative(row: Row) -> Row:
    """Return ``-row``."""
    coefficients, variables, constant, slack = row
    return Row([-coefficient for coefficient in coefficients], variables, -constant, slack)


def plus(row: Row, *terms: tuple[float, Any], constant: float = 0.0, slack: float = 0.0) -> Row:
    """Return ``row`` with further ``(coefficient, variable)`` terms, a constant and its slack
    added."""
    total = row.constant + constant
    return Row(
        row.coefficients + [coefficient for coefficient, _ in terms],
        row.variables + [variable for _, variable in terms],
        total,
        row.slack + slack + (sum_error(1) * abs(total) if constant else 0.0),
    )


def widened(lower: Array, upper: Array) -> tuple[Array, Array]:
    """Return the bounds of an op's values, moved apart by what rounding may have moved them.

    The rows of a model are summed in another order than the bounds: of a value that hardly moves,
    the two could exclude each other.
    """
    slack = BOUND_ROUNDING * max(np.abs(lower).max(), np.abs(upper).max())
    return np.minimum(lower, upper) - slack, np.maximum(lower, upper) + slack


def is_number(least: Array, most: Array, sizes: Array, still: Needed) -> Needed:
    """Say where ``least`` and ``most`` enclose what is one number but for rounding, as in a uniform
    background: it is encoded as a constant with an error.

    ``sizes`` are those of the sums, and ``still`` are those of no variable.
    """
    return np.asarray(still | (most - least <= BOUND_ROUNDING * sizes))


def big_m(value: float, size: float, tag: str, unit: int) -> float:
    """Return a big-M of at least ``value`` for a row of ``size``; a missing one is an error.

    A large one makes a solver's tolerances worth more than the margin: its answers are proved by
    bounds that do not depend on them, or count for nothing.
    """
    if not np.isfinite(value):
        raise SolverError(f"{tag} unit {unit} would need a big-M of {value:g}: a bound is missing")
    return max(float(value), LEAST_SHARE * size)
