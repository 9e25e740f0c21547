"""A model as arrays: the same as by Pyomo's own compiler, which is the slower one."""

from __future__ import annotations

import gc

import numpy as np
import pyomo.environ as pyo
import pytest
from benchmarks.loads import by_pyomo
from golden.models import MODELS
from pyomo.core.expr.numeric_expr import LinearExpression

from mlspec.backends.program import arrays_of
from mlspec.errors import SolverError
from mlspec.milp.collector import collector_paused
from mlspec.milp.model import MilpModel


@pytest.mark.parametrize("name", MODELS)
def test_arrays_are_those_of_pyomo(name: str) -> None:
    model = MODELS[name]()
    program, layout = arrays_of(model)
    expected, its_layout = by_pyomo(model)
    for part in ("cost", "lower", "upper", "integer", "kind", "rhs"):
        np.testing.assert_array_equal(getattr(program, part), getattr(expected, part))
    np.testing.assert_array_equal(program.matrix.toarray(), expected.matrix.toarray())
    assert program.matrix.has_sorted_indices
    assert layout.inputs == its_layout.inputs
    assert layout.margins == its_layout.margins


def of(block: pyo.ConcreteModel) -> MilpModel:
    return MilpModel(block, (0,), (block.x[0],), {}, True, np.zeros((1, 1, 1)), 0)


def test_rows_of_any_linear_kind_are_read() -> None:
    block = pyo.ConcreteModel()
    block.x = pyo.Var([0, 1, 2], bounds=(0.0, 1.0))
    block.factor = pyo.Param(initialize=3.0, mutable=True)
    block.rows = pyo.ConstraintList()
    block.rows.add(2.0 * (block.x[0] + 1.0) <= block.factor * block.x[2] + 5.0)
    factors, variables = [block.factor, 2.0], [block.x[0], block.x[2]]
    body = LinearExpression(constant=1.0, linear_coefs=factors, linear_vars=variables)
    block.rows.add(body == 2.0)
    block.rows.add(pyo.inequality(-1.0, block.x[0] - block.x[2], 0.5))
    block.objective = pyo.Objective(expr=block.x[2] + 1.0)
    program, layout = arrays_of(of(block))
    rows = [[2.0, -3.0], [3.0, 2.0], [1.0, -1.0], [1.0, -1.0]]
    np.testing.assert_array_equal(program.matrix.toarray(), rows)
    assert program.rhs.tolist() == [3.0, 1.0, 0.5, -1.0]
    assert program.kind.tolist() == [1, 0, 1, -1]
    assert program.cost.tolist() == [0.0, 1.0]
    assert layout.inputs == (0,)


def test_a_row_that_is_not_linear_is_refused() -> None:
    block = pyo.ConcreteModel()
    block.x = pyo.Var([0, 1])
    block.row = pyo.Constraint(expr=block.x[0] * block.x[1] <= 1.0)
    block.objective = pyo.Objective(expr=0.0)
    with pytest.raises(SolverError, match="not linear"):
        arrays_of(of(block))


@pytest.mark.parametrize("collecting", [True, False])
def test_the_collector_is_left_as_it_was(collecting: bool) -> None:
    before = gc.isenabled()
    (gc.enable if collecting else gc.disable)()
    try:
        with collector_paused():
            assert not gc.isenabled()
        assert gc.isenabled() is collecting
    finally:
        (gc.enable if before else gc.disable)()
