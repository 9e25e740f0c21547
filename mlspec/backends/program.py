"""A compiled model as plain arrays, which every solver understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from scipy import sparse

from mlspec.core.network import Array
from mlspec.milp.model import MilpModel


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
class Layout:
    """Where the parts of a model stand in its program."""

    inputs: tuple[int | None, ...]
    """The column of each input variable; None for one that no row mentions."""
    margins: Mapping[int, int]
    """Row of the claim to the row ``margin <= level`` of the program."""


def arrays_of(model: MilpModel) -> tuple[LinearProgram, Layout]:
    """Return ``model`` with all its margins as arrays, by Pyomo's standard form."""
    form = LinearStandardFormCompiler().write(model.pyomo, mixed_form=True)
    program = LinearProgram(
        cost=np.asarray(form.c.todense(), dtype=float).ravel(),
        lower=np.array([-np.inf if v.lb is None else v.lb for v in form.columns], dtype=float),
        upper=np.array([np.inf if v.ub is None else v.ub for v in form.columns], dtype=float),
        integer=np.array([v.is_integer() for v in form.columns], dtype=bool),
        matrix=sparse.csr_array(form.A),
        # A row's bound type in mixed form is the kind; a range of Pyomo's comes as two rows.
        kind=np.array([entry.bound_type for entry in form.rows], dtype=int),
        rhs=np.array(form.rhs, dtype=float),
    )
    columns = {id(variable): number for number, variable in enumerate(form.columns)}
    margins = {id(constraint): row for row, constraint in model.margins.items()}
    rows = {
        margins[id(entry.constraint)]: number
        for number, entry in enumerate(form.rows)
        if id(entry.constraint) in margins
    }
    return program, Layout(tuple(columns.get(id(v)) for v in model.inputs), rows)
