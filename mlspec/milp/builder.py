"""Adds named variables and rows to a Pyomo model.

Names come from the op's place in the network and the unit's number, so that exported models are
reproducible: ``relu1_y[37]`` is the output of unit 37 of the ReLU at place 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyomo.environ as pyo
from pyomo.core.expr.numeric_expr import LinearExpression

from mlspec.core.network import Array
from mlspec.errors import SolverError
from mlspec.milp.affine import Affine
from mlspec.tolerances import MAX_BIG_M

Row = tuple[list[float], list[Any], float]
"""Coefficients, variables and constant of ``sum c v + constant <= 0``."""


class Builder:
    """A Pyomo model under construction; ``columns`` are the variables that affine maps run over."""

    def __init__(self) -> None:
        self.model: Any = pyo.ConcreteModel()
        self.columns: list[Any] = []
        self.binaries = 0

    def continuous(self, name: str, keys: Sequence[int], lower: Array, upper: Array) -> list[Any]:
        """Add one bounded variable per key and return them."""
        bounds = dict(zip(keys, zip(lower.tolist(), upper.tolist(), strict=True), strict=True))
        variables = pyo.Var(list(keys), bounds=bounds)
        self.model.add_component(name, variables)
        return [variables[key] for key in keys]

    def binary(self, name: str, keys: Sequence[Any]) -> list[Any]:
        """Add one binary variable per key and return them."""
        variables = pyo.Var(list(keys), domain=pyo.Binary)
        self.model.add_component(name, variables)
        self.binaries += len(keys)
        return [variables[key] for key in keys]

    def below_zero(self, name: str, rows: dict[Any, Row], equal: bool = False) -> Any:
        """Add the rows ``sum c v + constant <= 0`` (or ``= 0``) and return the constraint."""

        def rule(_: Any, *key: Any) -> Any:
            coefficients, variables, constant = rows[key if len(key) > 1 else key[0]]
            if not variables:
                # Solvers cannot hold an empty row: its constant rides on a variable that is 1.
                coefficients, variables, constant = [constant], [self._one()], 0.0
            body = LinearExpression(
                constant=0.0, linear_coefs=coefficients, linear_vars=variables
            )
            return (-constant if equal else None, body, -constant)

        constraint = pyo.Constraint(list(rows), rule=rule)
        self.model.add_component(name, constraint)
        return constraint

    def _one(self) -> Any:
        if self.model.component("one") is None:
            self.model.add_component("one", pyo.Var(bounds=(1.0, 1.0)))
        return self.model.one

    def row(self, value: Affine, unit: int, scale: float = 1.0) -> Row:
        """Return ``scale *`` one value of an affine map, as the start of a row."""
        columns, coefficients, constant = value.row(unit)
        return (
            [scale * coefficient for coefficient in coefficients],
            [self.columns[column] for column in columns],
            scale * constant,
        )


def plus(row: Row, *terms: tuple[float, Any], constant: float = 0.0) -> Row:
    """Return ``row`` with further ``(coefficient, variable)`` terms and a constant added."""
    coefficients, variables, old = row
    return (
        coefficients + [coefficient for coefficient, _ in terms],
        variables + [variable for _, variable in terms],
        old + constant,
    )


def big_m(value: float, tag: str, unit: int) -> float:
    """Return ``value`` if it can serve as a big-M; a huge or missing one is an error."""
    if not abs(value) <= MAX_BIG_M:
        raise SolverError(
            f"{tag} unit {unit} would need a big-M of {value:g}, above the trusted {MAX_BIG_M:g}; "
            "use tighter bounds (verifier.bounds: alpha)"
        )
    return float(value)
