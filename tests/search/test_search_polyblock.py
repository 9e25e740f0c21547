"""The upper bound that cuts leave, against a mixed-integer program and against grids."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from mlspec.core.objective import OBJECTIVES, MaxMin, WeightedSum
from mlspec.search.polyblock import Polyblock, remaining

Floats = np.ndarray


def by_milp(weights: Floats, cuts: Floats) -> float:
    """Return ``max w . eps`` where each cut keeps some layer below its extent: one binary each."""
    count, layers = cuts.shape
    objective = np.concatenate([-weights, np.zeros(cuts.size)])
    below = np.hstack([np.tile(np.eye(layers), (count, 1)), np.diag(1.0 - cuts.ravel())])
    possible = np.kron(np.eye(count), np.ones(layers)) * (cuts.ravel() > 0.0)
    some = np.hstack([np.zeros((count, layers)), possible])
    rows = [LinearConstraint(below, -np.inf, 1.0), LinearConstraint(some, 1.0, np.inf)]
    whole = np.concatenate([np.zeros(layers), np.ones(cuts.size)])
    answer = milp(objective, constraints=rows, integrality=whole, bounds=Bounds(0.0, 1.0))
    return -float(answer.fun) if answer.x is not None else 0.0


@given(seed=st.integers(0, 10_000))
def test_the_bound_is_the_optimum_of_the_program_of_all_cuts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layers, count = int(rng.integers(1, 5)), int(rng.integers(1, 8))
    weights = rng.random(layers) + 0.05
    cuts = rng.random((count, layers)) * (rng.random((count, layers)) < 0.8)
    left = Polyblock(WeightedSum(weights), np.zeros(layers))
    for cut in cuts:
        left.add(cut)
    bound, vertex = left.largest()
    np.testing.assert_allclose(bound, by_milp(weights, cuts), atol=1e-6)
    np.testing.assert_allclose(weights @ vertex, bound)


@pytest.mark.parametrize("name", OBJECTIVES)
@given(seed=st.integers(0, 10_000), floor=st.sampled_from([0.0, 0.1, 0.3]))
def test_no_radius_of_a_grid_that_the_cuts_leave_is_worth_more(
    name: str, seed: int, floor: float
) -> None:
    rng = np.random.default_rng(seed)
    objective = OBJECTIVES[name](rng.random(3) * np.array([1.0, 1.0, seed % 3]))
    left = remaining(objective, np.full(3, floor))
    cuts = rng.random((12, 3))
    last = np.inf
    for number, cut in enumerate(cuts):
        left.add(cut)
        bound, vertex = left.largest()
        assert bound <= last + 1e-12
        assert float(objective.values(vertex)) == pytest.approx(bound)
        if np.any(vertex > floor):
            assert not (cuts[: number + 1] < vertex - 1e-12).all(axis=1).any()
        last = bound
    grid = np.linspace(floor, 1.0, 8)
    for eps in map(np.array, itertools.product(grid, grid, grid)):
        if not (cuts <= eps).all(axis=1).any():
            assert float(objective.values(eps)) <= last + 1e-12


@given(seed=st.integers(0, 10_000), floor=st.sampled_from([0.0, 0.1]))
def test_where_one_way_leads_up_no_vertices_are_needed(seed: int, floor: float) -> None:
    rng = np.random.default_rng(seed)
    layers = int(rng.integers(1, 5))
    objective = MaxMin(rng.random(layers) + 0.05)
    one_way, vertices = (
        remaining(objective, np.full(layers, floor)),
        Polyblock(objective, np.full(layers, floor)),
    )
    for cut in rng.random((6, layers)):
        one_way.add(cut)
        vertices.add(cut)
        assert one_way.largest()[0] == pytest.approx(vertices.largest()[0])


def test_a_layer_at_its_floor_but_for_rounding_cannot_stay_below_a_cut() -> None:
    floor = np.array([0.1, 0.1])
    for objective in (MaxMin(np.array([1.0, 0.01])), WeightedSum(np.array([1.0, 0.01]))):
        left = remaining(objective, floor)
        left.add(np.array([0.3, np.nextafter(0.1, 1.0)]))
        assert left.largest()[1][0] == pytest.approx(0.3)


def test_cuts_of_many_layers_never_cost_more_than_their_worth() -> None:
    rng = np.random.default_rng(0)
    weights = rng.random(400)
    left = Polyblock(WeightedSum(weights), np.zeros(400))
    for _ in range(20):
        left.add(rng.random(400))
    for layer in range(400):
        left.add(np.where(np.arange(400) == layer, 0.25, 0.0))
    np.testing.assert_allclose(left.largest()[0], 0.25 * weights.sum(), rtol=1e-12)
