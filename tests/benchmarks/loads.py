"""How long a model takes on its way into HiGHS: Pyomo, arrays, solver."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from scipy import sparse

from benchmarks.cases import Case
from benchmarks.queries import Query, compiled, queries_at
from mlspec.backends.highs import HIGHS
from mlspec.backends.program import Layout, LinearProgram, arrays_of
from mlspec.milp.model import MilpModel

HALVINGS = 12


@dataclass(frozen=True, eq=False)
class Load:
    """One model inside HiGHS, and the seconds of each step."""

    model: MilpModel
    program: LinearProgram
    layout: Layout
    build: float
    """Network, box and bounds to Pyomo."""
    arrays: float
    """Pyomo to arrays."""
    hand_over: float
    """Arrays to HiGHS."""
    processor: float
    """Of all steps, by the clock of this process: what else runs does not count."""

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return self.build + self.arrays + self.hand_over

    @property
    def cells(self) -> list[str]:
        """Size and seconds, for a table."""
        program = self.program
        sizes = program.rows, program.columns, self.model.binaries, program.matrix.nnz
        steps = self.build, self.arrays, self.hand_over, self.seconds, self.processor
        return [*(f"{size:,}" for size in sizes), *(f"{step:.3f}" for step in steps)]


def loaded(
    build: Callable[[], MilpModel],
    arrays: Callable[[MilpModel], tuple[LinearProgram, Layout]] = arrays_of,
) -> Load:
    """Build a model and load it."""
    began, clock = time.perf_counter(), time.process_time()
    model = build()
    built = time.perf_counter()
    program, layout = arrays(model)
    arrayed = time.perf_counter()
    HIGHS.load(program, {}, model.decision)
    seconds = built - began, arrayed - built, time.perf_counter() - arrayed
    return Load(model, program, layout, *seconds, time.process_time() - clock)


def by_pyomo(model: MilpModel) -> tuple[LinearProgram, Layout]:
    """Return ``model`` as arrays by Pyomo's own compiler, which takes rows of any kind."""
    form = LinearStandardFormCompiler().write(model.pyomo, mixed_form=True)
    program = LinearProgram(
        cost=np.asarray(form.c.todense(), dtype=float).ravel(),
        lower=np.array([-np.inf if v.lb is None else v.lb for v in form.columns], dtype=float),
        upper=np.array([np.inf if v.ub is None else v.ub for v in form.columns], dtype=float),
        integer=np.array([v.is_integer() for v in form.columns], dtype=bool),
        matrix=sparse.csr_array(form.A),
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


def median_load(query: Query, times: int) -> Load:
    """Load our model of a query several times and return the one of median duration."""
    every = [loaded(lambda: compiled(query)) for _ in range(times)]
    return sorted(every, key=lambda load: load.seconds)[times // 2]


def of_size(case: Case, rows: int) -> Query:
    """Return the weakest query of a case along its direction, at the radius where our model has
    about ``rows`` rows."""
    low, high = 0.0, 1.0
    found = None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        asked = queries_at(case, middle * case.direction, 1)
        size = arrays_of(compiled(asked[0]))[0].rows if asked else 0
        if size > rows:
            high = middle
        else:
            low = middle
        if asked and (found is None or abs(size - rows) < abs(found[0] - rows)):
            found = size, asked[0]
    if found is None:
        raise ValueError(f"bounds leave nothing open along {case.label} of {case.name}")
    return found[1]
