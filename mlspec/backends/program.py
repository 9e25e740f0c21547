"""A compiled model as plain arrays, which every solver understands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray
from pyomo.core.expr.numeric_expr import LinearExpression
from pyomo.repn import generate_standard_repn
from scipy import sparse

from mlspec.core.network import Array
from mlspec.errors import SolverError
from mlspec.milp.collector import collector_paused
from mlspec.milp.model import MilpModel
from mlspec.milp.piecewise import Structure

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class LinearProgram:
    """Minimise ``cost @ x`` where each row of ``matrix @ x`` is at most, equal to or at least its
    ``rhs``, and ``lower <= x <= upper``; ends of variables may be infinite."""

    cost: Array
    """``(n,)``."""
    lower: Array
    """``(n,)``."""
    upper: Array
    """``(n,)``."""
    integer: NDArray[np.bool_]
    """``(n,)``: which variables are integers."""
    matrix: sparse.csr_array
    """``(m, n)``."""
    kind: NDArray[np.int_]
    """``(m,)``: 1 for <=, 0 for =, -1 for >=."""
    rhs: Array
    """``(m,)``."""
    pieces: tuple[Piece, ...] = ()
    """What its integers stand for, each after those it reads; empty where it is not known."""
    names: tuple[str, ...] = ()
    """A name of each variable, the same in every program of one network; empty where there are
    none."""
    row_names: tuple[str, ...] = ()
    """The same of each row."""

    @property
    def columns(self) -> int:
        """Number of variables."""
        return len(self.cost)

    @property
    def rows(self) -> int:
        """Number of constraints."""
        return len(self.rhs)

    @property
    def size(self) -> str:
        """How large it is, in words."""
        return f"{self.columns:,} variables and {self.rows:,} constraints"

    def row(self, number: int) -> tuple[NDArray[np.int32], Array]:
        """Return the columns and the coefficients of one row."""
        start, end = self.matrix.indptr[number : number + 2]
        return self.matrix.indices[start:end], self.matrix.data[start:end]

    @classmethod
    def of_size(cls, columns: int, rows: int) -> LinearProgram:
        """Return a trivial program: every row says that the first variable is at most 1."""
        ones = sparse.csr_array(
            (np.ones(rows), (np.arange(rows), np.zeros(rows, dtype=np.int32))),
            shape=(rows, columns),
        )
        zeros = np.zeros(columns)
        integer, kind = np.zeros(columns, dtype=bool), np.ones(rows, dtype=int)
        return cls(zeros, zeros, np.ones(columns), integer, ones, kind, np.ones(rows))


@dataclass(frozen=True, eq=False)
class Piece:
    """``x[output]`` is at least each ``weights[k] @ x[inputs] + constants[k]``, and is that value
    where the integer ``wins[k]`` is 1; where all are 0 it is at most ``rest``."""

    output: int
    inputs: Indices
    """``(n,)``."""
    weights: Array
    """``(k, n)``."""
    constants: Array
    """``(k,)``."""
    wins: Indices
    """``(k,)``."""
    rest: float | None
    """None where one of ``wins`` always is 1."""
    error: float = 0.0
    """How far the network's candidates may be from these sums, by rounding."""

    def values(self, x: Array) -> Array:
        """Return the value of each candidate at ``x`` ``(n,)``, then ``rest`` if there is one."""
        values = self.weights @ x[self.inputs] + self.constants
        return values if self.rest is None else np.append(values, self.rest)


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the parts of a model stand in its program."""

    inputs: tuple[int | None, ...]
    """The column of each input variable; None for one that no row mentions."""
    margins: Mapping[int, int]
    """Row of the claim to the row ``margin <= level`` of the program."""


def arrays_of(model: MilpModel) -> tuple[LinearProgram, Layout]:
    """Return ``model`` with all its margins as arrays."""
    with collector_paused():
        return _arrays_of(model)


def _arrays_of(model: MilpModel) -> tuple[LinearProgram, Layout]:
    columns, rows = Columns(), Rows()
    (objective,) = model.pyomo.component_data_objects(pyo.Objective, active=True)
    costs, aims, _ = _terms(objective.expr)
    aimed = columns.numbers(aims)
    for constraint in model.pyomo.component_data_objects(pyo.Constraint, active=True):
        lower, body, upper = constraint.to_bounded_expression()
        factors, variables, constant = _terms(body)
        rows.add(constraint, factors, columns.numbers(variables), constant, lower, upper)
    matrix = rows.matrix(len(columns.variables))
    cost = np.zeros(len(columns.variables))
    np.add.at(cost, aimed, costs)
    # Pyomo's variables come in whole components, of which some have no part in any row.
    used = np.flatnonzero((np.bincount(matrix.indices, minlength=len(cost)) > 0) | (cost != 0.0))
    kept = [columns.variables[number] for number in used.tolist()]
    places = {id(variable): number for number, variable in enumerate(kept)}
    program = LinearProgram(
        cost=cost[used],
        lower=np.array([-np.inf if v.lb is None else v.lb for v in kept], dtype=float),
        upper=np.array([np.inf if v.ub is None else v.ub for v in kept], dtype=float),
        integer=np.array([v.is_integer() for v in kept], dtype=bool),
        matrix=sparse.csr_array(matrix[:, used]),
        kind=np.array(rows.kinds, dtype=int),
        rhs=np.array(rows.rhs, dtype=float),
        pieces=tuple(_pieces(model.structure, places)) if model.decision else (),
        names=tuple(variable.name for variable in kept) if model.decision else (),
        row_names=tuple(rows.names()) if model.decision else (),
    )
    margins = {id(constraint): row for row, constraint in model.margins.items()}
    return program, Layout(
        tuple(places.get(id(variable)) for variable in model.inputs),
        {
            margins[id(constraint)]: number
            for number, constraint in enumerate(rows.constraints)
            if id(constraint) in margins
        },
    )


def _pieces(structure: Structure, places: Mapping[int, int]) -> Iterator[Piece]:
    """Yield the pieces in columns of the program, and in its units."""
    columns = np.array([places.get(id(variable), -1) for variable in structure.columns])
    scales = np.array(structure.scales)
    scale_of = {id(v): scale for v, scale in zip(structure.columns, structure.scales, strict=True)}
    for piece in structure.pieces:
        inputs, weights = piece.before.dense(piece.units)
        wins = [places.get(id(variable), -1) for variable in piece.wins]
        output = places.get(id(piece.output), -1)
        if min(output, *wins, *columns[inputs], 0) < 0:
            continue  # the program has no use for one of its variables
        scale = scale_of[id(piece.output)]
        yield Piece(
            output,
            columns[inputs],
            weights * scales[inputs] / scale,
            piece.before.constant[list(piece.units)] / scale,
            np.array(wins, dtype=np.intp),
            None if piece.rest is None else piece.rest / scale,
            float(piece.before.error[list(piece.units)].max()) / scale,
        )


def _terms(body: Any) -> tuple[Sequence[float], Sequence[Any], float]:
    """Return coefficients, variables and constant of a linear expression."""
    # The rows of our own models are read as they are; for any other kind Pyomo takes it apart.
    if body.__class__ is LinearExpression and {*map(type, body.linear_coefs)} <= {float}:
        return body.linear_coefs, body.linear_vars, float(body.constant)
    parts = generate_standard_repn(body)
    if not parts.is_linear():
        raise SolverError("the model has a row or an objective that is not linear")
    return parts.linear_coefs, parts.linear_vars, float(parts.constant)


class Columns:
    """Numbers for variables, a whole component of the model at a time."""

    def __init__(self) -> None:
        self.variables: list[Any] = []
        self._numbers: dict[int, int] = {}

    def numbers(self, variables: Sequence[Any]) -> list[int]:
        """Return the number of each variable."""
        try:
            return [self._numbers[id(variable)] for variable in variables]
        except KeyError:
            for variable in variables:
                if id(variable) not in self._numbers:
                    self._add(variable.parent_component())
            return [self._numbers[id(variable)] for variable in variables]

    def _add(self, component: Any) -> None:
        fresh = list(component.values())
        start = len(self.variables)
        self._numbers |= {id(variable): number for number, variable in enumerate(fresh, start)}
        self.variables += fresh


class Rows:
    """Rows under construction; one with two ends that differ becomes two."""

    def __init__(self) -> None:
        self.constraints: list[Any] = []
        """The constraint of the model behind each row."""
        self.kinds: list[int] = []
        self.rhs: list[float] = []
        self._factors: list[float] = []
        self._columns: list[int] = []
        self._starts = [0]

    def add(
        self,
        constraint: Any,
        factors: Sequence[float],
        columns: Sequence[int],
        constant: float,
        lower: float | None,
        upper: float | None,
    ) -> None:
        """Add ``lower <= factors @ columns + constant <= upper``."""
        ends = {0: upper} if lower == upper else {1: upper, -1: lower}
        for kind, end in ends.items():
            if end is None:
                continue
            self.constraints.append(constraint)
            self.kinds.append(kind)
            self.rhs.append(end - constant)
            self._factors += factors
            self._columns += columns
            self._starts.append(len(self._columns))

    def names(self) -> Iterator[str]:
        """Yield a name for each row."""
        for constraint, kind in zip(self.constraints, self.kinds, strict=True):
            yield f"{constraint.name} {kind}"

    def matrix(self, width: int) -> sparse.csr_array:
        """Return the rows over ``width`` columns, without zeros."""
        data = np.array(self._factors, dtype=float)
        columns, starts = (np.array(each, dtype=np.int32) for each in (self._columns, self._starts))
        matrix = sparse.csr_array((data, columns, starts), shape=(len(self.rhs), width))
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        return matrix
