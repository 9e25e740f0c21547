"""Slices of one value against a verifier whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from closed_form import Floats, LinearVerifier
from hypothesis import given
from hypothesis import strategies as st
from search_cases import new_search
from strategies import seeded

from mlspec.core.events import RefutingSlice
from mlspec.core.trace import Move
from mlspec.core.verdict import Outcome, Proof
from mlspec.errors import ContradictionError
from mlspec.search.search import Search
from mlspec.search.slices import SliceRefutation


def random_case(rng: np.random.Generator) -> tuple[LinearVerifier, Search]:
    layers = int(rng.integers(1, 4))
    verifier = LinearVerifier(1.0, rng.uniform(0.5, 20.0, layers))
    verifier.wide = float(rng.choice([0.2, np.inf]))
    weights = rng.uniform(0.1, 1.0, layers) * (rng.random(layers) < 0.9)
    weights[int(rng.integers(layers))] = 1.0
    search = new_search(weights, verifier)
    search.record.keep_floor(rng.uniform(0.0, 0.9, layers) * 0.2 / (layers * verifier.slopes))
    return verifier, search


def largest(verifier: LinearVerifier, search: Search) -> float:
    """The largest value of a radius above the floor that is not broken."""
    floor, weights = search.trace.floor, search.weights
    left, value = verifier.left(floor), float(weights @ floor)
    for layer in np.argsort(-weights / verifier.slopes):
        step = min(1.0 - floor[layer], left / verifier.slopes[layer])
        value += float(weights[layer] * step)
        left -= verifier.slopes[layer] * step
    return value


@given(seeded(random_case), st.floats(1.01, 3.0))
def test_a_value_beyond_all_robust_radii_is_refuted(
    case: tuple[LinearVerifier, Search], factor: float
) -> None:
    verifier, search = case
    value = factor * largest(verifier, search)
    assert SliceRefutation().run(search, value).refuted
    assert search.trace.objective_bound <= value
    assert search.trace.upper_bound <= value


def test_what_bounds_refute_rests_on_bounds() -> None:
    search = new_search(np.ones(1), LinearVerifier(1.0, np.array([2.0])))
    refutation = search.verifier.refute(np.array([[0.9]]), RefutingSlice(0.9))
    assert refutation.throughout
    (query,) = search.trace.queries
    assert (query.outcome, query.basis) == (Outcome.VIOLATED, Proof.BOUNDS.value)


@given(seeded(random_case), st.floats(0.5, 0.999))
def test_a_value_that_a_robust_radius_has_is_not(
    case: tuple[LinearVerifier, Search], factor: float
) -> None:
    verifier, search = case
    floor = float(search.weights @ search.trace.floor)
    value = floor + factor * (largest(verifier, search) - floor)
    found = SliceRefutation().run(search, value)
    assert not found.refuted
    assert search.trace.objective_bound >= value
    if found.suspect is not None:
        assert found.broken or verifier.left(found.suspect) > 0.0
        assert np.all(found.suspect >= search.trace.floor - 1e-12)


@given(seeded(random_case), st.integers(0, 2**32 - 1))
def test_refuted_pieces_and_cuts_cover_the_slice(
    case: tuple[LinearVerifier, Search], seed: int
) -> None:
    verifier, search = case
    weights, floor = search.weights, search.trace.floor
    value = 1.1 * largest(verifier, search)
    assert SliceRefutation().run(search, value).refuted
    layers = np.flatnonzero(weights > 0.0)
    rng = np.random.default_rng(seed)
    for share in rng.dirichlet(np.ones(len(layers)), 50):
        eps = floor.copy()
        eps[layers] += share * (value - weights @ floor) / weights[layers]
        if np.any(eps > 1.0):
            continue
        inside = any(is_between(eps, piece) for piece in verifier.refuted)
        assert inside or search.trace.known_cut(eps) is not None


def is_between(eps: Floats, piece: Floats) -> bool:
    rows = np.vstack([piece.T, np.ones(len(piece))])
    shares, *_ = np.linalg.lstsq(rows, np.append(eps, 1.0), rcond=None)
    return bool(np.all(shares >= -1e-9) and np.allclose(rows @ shares, [*eps, 1.0], atol=1e-9))


def test_a_bound_below_what_is_certified_is_a_contradiction() -> None:
    verifier = LinearVerifier(1.0, np.array([1.0, 2.0]))
    search = new_search(np.ones(2), verifier)
    assert search.verifier.prove(np.array([0.4, 0.2]), Move.CEGIS).robust
    with pytest.raises(ContradictionError, match="refute every neighborhood"):
        search.record.refuted(0.5)
    with pytest.raises(ContradictionError, match="certified"):
        search.verifier.prove(np.array([0.3, 0.3]), Move.CEGIS)
