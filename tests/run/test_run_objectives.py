"""Whole searches under other objectives, with weights that are estimated again on the way."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from run_cases import assert_certified, small

import mlspec
import mlspec.run
from mlspec.results import value_of


def assert_honoured(result: xr.Dataset, name: str) -> None:
    """The result is the certified step of the largest value by its objective."""
    problem = mlspec.run.problem_of(result)
    assert result.attrs["objective"] == problem.aim == name
    value, bound = value_of(result)
    assert value == float(problem.objective.values(result["epsilon"].values))
    certified = result["step_objective"].values[result["step_verdict"].values == "robust"]
    assert value == pytest.approx(certified.max(), rel=1e-12)  # sums of many rows round otherwise
    assert value <= bound
    assert float(result["size"]) <= float(result["upper_bound"])


def test_sensitivity_is_estimated_again_but_size_and_objective_stay() -> None:
    changes = {"search__objective": "log_volume", "search__strategy": "ascent"}
    spec = small(**changes, weights="sensitivity")
    result = mlspec.solve(spec)
    assert_honoured(result, "log_volume")
    weights = mlspec.run.prepare(spec).problem.weights
    np.testing.assert_array_equal(result["weight"], weights)
    assert float(result["size"]) == float(weights @ result["epsilon"].values)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["gradient", "naive", "ascent", "exact"])
@pytest.mark.parametrize("name", ["weighted_sum", "max_min", "log_volume"])
@pytest.mark.parametrize("weights", ["inverse_square", "sensitivity"])
def test_every_strategy_honours_every_objective(strategy: str, name: str, weights: str) -> None:
    changes: dict[str, object] = {
        **{"search__strategy": strategy, "search__objective": name, "weights": weights},
        **{"budget__work": 20.0, "budget__seconds": 600.0},
    }
    result = mlspec.solve(small(**changes))
    assert_honoured(result, name)
    assert_certified(result)
    again = mlspec.solve(small(**changes))
    np.testing.assert_array_equal(again["step_epsilon"], result["step_epsilon"])
