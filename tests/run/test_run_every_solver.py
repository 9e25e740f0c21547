"""The small spec, from its file to its answer, on every solver: the same certified size, to a
thousandth of it."""

from __future__ import annotations

import pytest
from run_cases import assert_certified, assert_consistent

import mlspec

SOLVERS = ("highs", "gurobi", "cplex", "scip", "glpk")
PATIENT = 300
"""Seconds: no search is cut off by its budget."""
SAME = 1e-3
"""Solvers find different violating images, which lead the search a little elsewhere; its own
tolerance is 5 %."""


@pytest.fixture(scope="module")
def sizes() -> dict[str, float]:
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("name", SOLVERS)
def test_the_small_spec_ends_with_the_same_size(name: str, sizes: dict[str, float]) -> None:
    changes = {"solver": name, "budget.seconds": PATIENT}
    result = mlspec.solve(mlspec.load_spec("specs/small.yaml", changes))
    assert result.attrs["solver"] == name
    assert result.attrs["stop_reason"] == "maximal"
    assert "milp" in result["query_stage"].values
    assert_consistent(result)
    if name == SOLVERS[0]:
        assert_certified(result)
    sizes[name] = float(result["size"])
    assert max(sizes.values()) <= (1.0 + SAME) * min(sizes.values()), sizes
