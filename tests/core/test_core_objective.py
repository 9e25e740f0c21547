"""Laws of the objectives: what the search, its upper bound and its linear programs rest on."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from mlspec.core.objective import OBJECTIVES, LogVolume, MaxMin, Objective, WeightedSum
from mlspec.spec.search import ObjectiveName

Floats = np.ndarray

any_objective = pytest.mark.parametrize("name", OBJECTIVES)
seeds = st.integers(0, 10_000)


def weights_of(rng: np.random.Generator) -> Floats:
    """Return weights of one to five layers; some may be 0, but not all."""
    weights = rng.random(int(rng.integers(1, 6))) * rng.choice([1.0, 30.0])
    weights[rng.random(len(weights)) < 0.2] = 0.0
    weights[0] += 0.1
    return weights


def case(name: str, seed: int) -> tuple[np.random.Generator, Objective]:
    rng = np.random.default_rng(seed)
    return rng, OBJECTIVES[name](weights_of(rng))


def test_objectives_are_those_of_the_spec() -> None:
    assert set(OBJECTIVES) == set(get_args(ObjectiveName))


@any_objective
@given(seed=seeds)
def test_values_are_monotone_concave_and_in_proportion(name: str, seed: int) -> None:
    rng, objective = case(name, seed)
    count = len(objective.weights)
    low, other = rng.random(count) * (rng.random(count) < 0.8), rng.random(count)
    high = np.maximum(low, other)
    values = objective.values(np.stack([low, high, np.zeros(count)]))
    assert np.all(np.isfinite(values))
    assert np.all(values >= 0.0)
    assert values[0] <= values[1]
    assert values[2] == 0.0
    np.testing.assert_allclose(objective.values(3.0 * high), 3.0 * values[1], rtol=1e-12)
    middle = objective.values((low + other) / 2)
    assert middle >= (values[0] + objective.values(other)) / 2 - 1e-12


@any_objective
@given(seed=seeds, share=st.floats(0.05, 0.95))
def test_lowering_one_layer_costs_the_share_of_the_value_asked_for(
    name: str, seed: int, share: float
) -> None:
    rng, objective = case(name, seed)
    eps = rng.random(len(objective.weights)) + 0.01
    lowered = objective.lowered(eps, share)
    for layer in np.flatnonzero(objective.weights > 1e-3 * objective.weights.sum()):
        changed = eps.copy()
        changed[layer] = lowered[layer]
        if changed[layer] > 1e-100:  # a power of a small share rounds to 0
            value = float(objective.values(changed))
            assert value == pytest.approx(share * float(objective.values(eps)), rel=1e-9)


@any_objective
@given(seed=seeds, share=st.sampled_from([0.0, 0.03, 0.5]))
def test_a_trimmed_eps_lies_between_and_keeps_its_share_of_the_value(
    name: str, seed: int, share: float
) -> None:
    rng, objective = case(name, seed)
    count = len(objective.weights)
    robust = rng.random(count) * 0.5 + 0.01
    eps = robust + rng.random(count) * (rng.random(count) < 0.7)
    lean = objective.trimmed(eps, robust, share)
    assert np.all(robust <= lean)
    assert np.all(lean <= eps)
    base, whole, kept = (float(objective.values(each)) for each in (robust, eps, lean))
    if share == 0.0:
        assert kept == pytest.approx(whole, rel=1e-9)
    if name == "weighted_sum":
        assert kept - base >= (1.0 - share) * (whole - base) - 1e-9
    if name == "log_volume":
        assert np.log(kept / base) >= (1.0 - share) * np.log(whole / base) - 1e-9


@any_objective
@settings(max_examples=40)
@given(seed=seeds)
def test_the_pieces_lead_a_linear_program_to_the_largest_value(name: str, seed: int) -> None:
    rng, objective = case(name, seed)
    count = len(objective.weights)
    low, slopes = rng.random(count) * 0.1, rng.random(count) + 0.05
    high = low + rng.random(count)
    budget = slopes @ (low + rng.random() * (high - low))
    pieces = objective.linear_pieces(low, high)
    rows = np.zeros((len(pieces.limits) + 1, len(pieces.cost)))
    rows[pieces.rows, pieces.columns] = pieces.entries
    rows[-1, :count] = slopes
    further = [(None, None)] * (len(pieces.cost) - count)
    box = [*zip(low, high, strict=True), *further]
    answer = linprog(-pieces.cost, rows, np.append(pieces.limits, budget), bounds=box)
    assert answer.success
    found = float(objective.values(np.clip(answer.x[:count], low, high)))
    for share in rng.random((300, count)):
        tried = low + share * (high - low)
        over = slopes @ tried - budget
        if over > 0.0:
            tried = low + (tried - low) * (budget - slopes @ low) / (slopes @ (tried - low))
        # The logarithm lies up to a few percent below its six tangents.
        assert float(objective.values(tried)) <= found * (1.08 if name == "log_volume" else 1.0001)


@any_objective
@given(seed=seeds)
def test_the_value_grows_along_the_ascent(name: str, seed: int) -> None:
    rng, objective = case(name, seed)
    eps = rng.random(len(objective.weights)) * 0.1 + 0.01
    direction = objective.direction(eps, objective.weights)
    assert np.all(direction >= 0.0)
    step = 0.01 / float(np.abs(direction).max())
    assert objective.values(eps + step * direction) > objective.values(eps)


def test_values_are_what_their_definitions_say() -> None:
    weights, eps = np.array([1.0, 2.0, 0.0]), np.array([0.1, 0.4, 0.0])
    assert float(WeightedSum(weights).values(eps)) == pytest.approx(0.9)
    assert float(MaxMin(weights).values(eps)) == pytest.approx(min(0.1 / 0.5, 0.4))
    volume = np.exp((np.log(0.1) + 2.0 * np.log(0.4)) / 3.0)
    assert float(LogVolume(weights).values(eps)) == pytest.approx(volume)
    uniform = MaxMin(np.full(3, 7.0))
    assert float(uniform.values(np.array([0.3, 0.2, 0.5]))) == pytest.approx(0.2)
