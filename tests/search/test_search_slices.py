"""Slices of one value against a verifier whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from closed_form import Floats, LinearVerifier
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeded

from mlspec.core.objective import WeightedSum
from mlspec.core.protocols import Budget
from mlspec.errors import ContradictionError
from mlspec.search.effort import Effort
from mlspec.search.slices import refute_slice


def random_case(rng: np.random.Generator) -> tuple[LinearVerifier, Effort]:
    layers = int(rng.integers(1, 4))
    verifier = LinearVerifier(1.0, rng.uniform(0.5, 20.0, layers))
    verifier.wide = float(rng.choice([0.2, np.inf]))
    weights = rng.uniform(0.1, 1.0, layers) * (rng.random(layers) < 0.9)
    weights[int(rng.integers(layers))] = 1.0
    effort = Effort(WeightedSum(weights), verifier, Budget(60.0), lambda trace, doing: None)
    effort.keep(rng.uniform(0.0, 0.9, layers) * 0.2 / (layers * verifier.slopes))
    return verifier, effort


def largest(verifier: LinearVerifier, effort: Effort) -> float:
    """The largest value of a radius above the floor that is not broken."""
    floor, weights = effort.trace.floor, effort.weights
    left, value = verifier.left(floor), float(weights @ floor)
    for layer in np.argsort(-weights / verifier.slopes):
        step = min(1.0 - floor[layer], left / verifier.slopes[layer])
        value += float(weights[layer] * step)
        left -= verifier.slopes[layer] * step
    return value


@given(seeded(random_case), st.floats(1.01, 3.0))
def test_a_value_beyond_all_robust_radii_is_refuted(
    case: tuple[LinearVerifier, Effort], factor: float
) -> None:
    verifier, effort = case
    value = factor * largest(verifier, effort)
    assert refute_slice(effort, value).refuted
    assert effort.trace.objective_bound <= value
    assert effort.trace.upper_bound <= value


@given(seeded(random_case), st.floats(0.5, 0.999))
def test_a_value_that_a_robust_radius_has_is_not(
    case: tuple[LinearVerifier, Effort], factor: float
) -> None:
    verifier, effort = case
    floor = float(effort.weights @ effort.trace.floor)
    value = floor + factor * (largest(verifier, effort) - floor)
    found = refute_slice(effort, value)
    assert not found.refuted
    assert effort.trace.objective_bound >= value
    if found.suspect is not None:
        assert found.broken or verifier.left(found.suspect) > 0.0
        assert np.all(found.suspect >= effort.trace.floor - 1e-12)


@given(seeded(random_case), st.integers(0, 2**32 - 1))
def test_refuted_pieces_and_cuts_cover_the_slice(
    case: tuple[LinearVerifier, Effort], seed: int
) -> None:
    verifier, effort = case
    weights, floor = effort.weights, effort.trace.floor
    value = 1.1 * largest(verifier, effort)
    assert refute_slice(effort, value).refuted
    layers = np.flatnonzero(weights > 0.0)
    rng = np.random.default_rng(seed)
    for share in rng.dirichlet(np.ones(len(layers)), 50):
        eps = floor.copy()
        eps[layers] += share * (value - weights @ floor) / weights[layers]
        if np.any(eps > 1.0):
            continue
        inside = any(is_between(eps, piece) for piece in verifier.refuted)
        assert inside or effort.known_cut(eps) is not None


def is_between(eps: Floats, piece: Floats) -> bool:
    rows = np.vstack([piece.T, np.ones(len(piece))])
    shares, *_ = np.linalg.lstsq(rows, np.append(eps, 1.0), rcond=None)
    return bool(np.all(shares >= -1e-9) and np.allclose(rows @ shares, [*eps, 1.0], atol=1e-9))


def test_a_bound_below_what_is_certified_is_a_contradiction() -> None:
    verifier = LinearVerifier(1.0, np.array([1.0, 2.0]))
    effort = Effort(WeightedSum(np.ones(2)), verifier, Budget(60.0), lambda trace, doing: None)
    assert effort.prove(np.array([0.4, 0.2]), "test").robust
    with pytest.raises(ContradictionError, match="refute all radii"):
        effort.bound_by(0.5)
    with pytest.raises(ContradictionError, match="certified"):
        effort.prove(np.array([0.3, 0.3]), "test")
