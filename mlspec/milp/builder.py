"""Adds named variables and rows to a Pyomo model.

Names come from the op's place in the network and the unit's number, so that exported models are
reproducible: ``relu1_y[37]`` is the output of unit 37 of the ReLU at place 1.

Solvers judge rows and variables by absolute tolerances. A unit whose values are far from order one
is therefore written in a unit of its own, a power of two, and a row of small coefficients is
multiplied by one: otherwise badly scaled parameters would let a solver overlook a violation.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import mul
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr.numeric_expr import LinearExpression

from mlspec.core.network import Array
from mlspec.milp.piecewise import Piecewise, Structure
from mlspec.ops.affine_map import Affine
from mlspec.ops.encoding import Row
from mlspec.rounding import sum_error
from mlspec.tolerances import CRUMB, LEAST_SHARE, ORDER_ONE


class Builder:
    """A Pyomo model under construction; ``columns`` are the variables that affine maps run over."""

    def __init__(self) -> None:
        self.model: Any = pyo.ConcreteModel()
        self.columns: list[Any] = []
        self.magnitudes: list[float] = []
        """The largest absolute value of each column."""
        self.binaries = 0
        self.row_scales: dict[tuple[str, Any], float] = {}
        """What the rows that were multiplied were multiplied by."""
        self._units: dict[int, float] = {}
        self._pieces: list[Piecewise] = []

    def inputs(self, name: str, keys: Sequence[Any], lower: Array, upper: Array) -> list[Any]:
        """Add one bounded variable per key and return them; its value is that of the pixel."""
        bounds = dict(zip(keys, zip(lower.tolist(), upper.tolist(), strict=True), strict=True))
        variables = pyo.Var(list(keys), bounds=bounds)
        self.model.add_component(name, variables)
        return [variables[key] for key in keys]

    def continuous(
        self, name: str, keys: Sequence[Any], lower: Array, upper: Array, sizes: Array
    ) -> list[Any]:
        """Add one bounded variable per key and return them; the model holds each in its own unit.

        ``sizes`` are those of the sums that give the values: far below them there is only noise.
        """
        largest = np.maximum(np.abs(lower), np.abs(upper))
        units = _power_of_two(np.maximum(largest, LEAST_SHARE * sizes))
        variables = self.inputs(name, keys, lower / units, upper / units)
        self._units |= {
            id(variable): unit
            for variable, unit in zip(variables, units.tolist(), strict=True)
            if unit != 1.0
        }
        return variables

    def extend(self, columns: Sequence[Any], lower: Array, upper: Array) -> None:
        """Let affine maps run over further ``columns`` with these bounds."""
        self.columns += columns
        self.magnitudes += np.maximum(np.abs(lower), np.abs(upper)).tolist()

    def sizes(self, value: Affine) -> Array:
        """Return, for each unit of ``value``, how large the terms of its sum are, ``(units,)``."""
        terms = abs(value.matrix) @ np.array(self.magnitudes[: value.width], dtype=np.float64)
        return np.asarray(terms + np.abs(value.constant))

    def binary(self, name: str, keys: Sequence[Any]) -> list[Any]:
        """Add one binary variable per key and return them."""
        variables = pyo.Var(list(keys), domain=pyo.Binary)
        self.model.add_component(name, variables)
        self.binaries += len(keys)
        return [variables[key] for key in keys]

    def below_zero(self, name: str, rows: dict[Any, Row], equal: bool = False) -> Any:
        """Add the rows ``sum c v + constant <= 0`` (or ``= 0``), each relaxed by its slack, and
        return the constraint."""

        def rule(_: Any, *key: Any) -> Any:
            place = key if len(key) > 1 else key[0]
            row, scale = self._scaled(rows[place])
            if scale != 1.0:
                self.row_scales[name, place] = scale
            coefficients, variables, constant, slack = self._without_crumbs(row)
            if not variables:
                # Solvers cannot hold an empty row: its constant rides on a variable that is 1.
                coefficients, variables, constant = [constant], [self._one()], 0.0
            body = LinearExpression(constant=0.0, linear_coefs=coefficients, linear_vars=variables)
            if slack:
                slack += sum_error(1) * (abs(constant) + slack)
            return (-constant - slack if equal else None, body, -constant + slack)

        constraint = pyo.Constraint(list(rows), rule=rule)
        self.model.add_component(name, constraint)
        return constraint

    def piecewise(
        self,
        output: Any,
        before: Affine,
        units: Sequence[int],
        wins: Sequence[Any],
        rest: float | None,
    ) -> None:
        """Note that the column ``output`` is the largest of ``units`` of ``before``."""
        self._pieces.append(Piecewise(output, before, tuple(units), tuple(wins), rest))

    def structure(self) -> Structure:
        """Return what was noted."""
        scales = [self._units.get(id(variable), 1.0) for variable in self.columns]
        return Structure(self.columns, scales, self._pieces)

    def _in_units(self, row: Row) -> list[float]:
        coefficients, variables = row.coefficients, row.variables
        if not self._units:
            return coefficients
        # Maps of built-ins: a model has a hundred thousand of these terms.
        units = map(self._units.get, map(id, variables), repeat(1.0))
        return list(map(mul, coefficients, units))

    def _scaled(self, row: Row) -> tuple[Row, float]:
        """Return ``row`` in the units of its variables, multiplied if its coefficients are small,
        and by what."""
        _, variables, constant, slack = row
        coefficients = self._in_units(row)
        largest = max(map(abs, coefficients), default=0.0)
        factor = float(_power_of_two(np.array(largest))) if largest < 1.0 else 1.0
        if factor == 1.0:
            return Row(coefficients, variables, constant, slack), 1.0
        scaled = [c / factor for c in coefficients]
        return Row(scaled, variables, constant / factor, slack / factor), 1.0 / factor

    def _without_crumbs(self, row: Row) -> Row:
        """Return ``row`` without coefficients that solvers drop, or stumble over.

        What is left out counts at its middle, and half of its range as slack, so that no point is
        lost.
        """
        coefficients, variables, constant, slack = row
        if min(map(abs, coefficients), default=CRUMB) >= CRUMB:
            return row
        kept: list[tuple[float, Any]] = []
        for coefficient, variable in zip(coefficients, variables, strict=True):
            if abs(coefficient) >= CRUMB:
                kept.append((coefficient, variable))
            else:
                constant += coefficient * (variable.lb + variable.ub) / 2
                slack += abs(coefficient) * (variable.ub - variable.lb) / 2
                reach = abs(coefficient) * (abs(variable.lb) + abs(variable.ub))
                slack += sum_error(3) * (abs(constant) + slack + reach)
        return Row([c for c, _ in kept], [variable for _, variable in kept], constant, slack)

    def _one(self) -> Any:
        if self.model.component("one") is None:
            self.model.add_component("one", pyo.Var(bounds=(1.0, 1.0)))
        return self.model.one

    def row(self, value: Affine, unit: int) -> Row:
        """Return one value of an affine map, as the start of a row."""
        columns, coefficients, constant = value.row(unit)
        variables = [self.columns[column] for column in columns]
        return Row(coefficients, variables, constant, float(value.error[unit]))


def _power_of_two(size: Array) -> Array:
    """Return the power of two near each ``size``, but 1 where it is of order one (or zero)."""
    exponent = np.frexp(size)[1]
    return np.where((np.abs(exponent) <= ORDER_ONE) | (size == 0.0), 1.0, np.ldexp(1.0, exponent))
