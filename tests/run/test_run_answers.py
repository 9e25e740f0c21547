"""Returned neighborhoods hold: done-criterion of the whole project."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from run_cases import assert_certified, assert_consistent, samples, small, violations

import mlspec
from mlspec.search.shrink import POLICIES

STRATEGIES = {
    "gradient": {},
    "naive": {"search__strategy": "naive", "budget__queries": 12, "verifier__milp__seconds": 3},
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_in_a_returned_neighborhood_is_violating(strategy: str) -> None:
    result = mlspec.solve(small(**STRATEGIES[strategy]))
    assert_consistent(result)
    assert_certified(result)


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_no_shrink_policy_returns_a_violating_neighborhood(policy: str) -> None:
    result = mlspec.solve(small(shrink__policy=policy, budget__queries=4, budget__seconds=20))
    assert_consistent(result)
    assert_certified(result)


@pytest.mark.slow
@pytest.mark.parametrize("training", ["none", "l0", "pgd"])
@pytest.mark.parametrize("policy", ["fixed", "sensitivity"])
def test_the_answers_on_image_3_hold(training: str, policy: str) -> None:
    changes = {"budget.seconds": 25, "shrink.policy": policy}
    result = mlspec.solve(mlspec.load_spec(f"specs/{training}_img3.yaml", changes))
    assert_consistent(result)
    assert_certified(result)


@pytest.mark.slow
def test_no_strategy_refutes_what_another_certifies() -> None:
    results = [
        mlspec.solve(small(search__strategy=name, budget__queries=8, budget__seconds=40))
        for name in ("gradient", "naive", "ascent", "exact")
    ]
    for one, other in permutations(results, 2):
        epsilon = one["epsilon"].values
        assert not np.any(np.all(other["cut_extents"].values <= epsilon, axis=1))
        assert float(one["size"]) <= float(other["upper_bound"])
        for witness in other["witness_image"].values:
            inside = np.abs(witness - one["image"].values) <= one["epsilon_map"].values
            assert not inside.all()


def test_the_samples_would_find_a_violation() -> None:
    """The check above is no empty one: it fails a box that is too large."""
    result = mlspec.solve(small(search__strategy="naive"))
    result["epsilon_map"].values[:] = 0.9
    assert violations(result, next(samples(result, seed=1))) > 0
