"""Laws of every strategy under every objective, against a verifier known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from closed_form import Floats, LinearVerifier
from hypothesis import strategies as st
from law import law
from search_cases import STRATEGIES, TOLERANCE, ByGradient, maximised, new_search
from test_search_strategies import cases

from mlspec.core.events import Event
from mlspec.core.objective import OBJECTIVES, Objective
from mlspec.core.trace import Block, Move, StopReason, Trace
from mlspec.core.verdict import Outcome, WeakestPoints
from mlspec.search.ascent import AscentStrategy
from mlspec.search.exact import ExactStrategy
from mlspec.search.optimizer import Optimizer
from mlspec.search.search import Strategy
from mlspec.search.shrink import POLICIES
from mlspec.search.slp import SequentialLinearProgramming

GAP = 0.05
OTHERS = tuple(name for name in OBJECTIVES if name != "weighted_sum")


def search(
    verifier: LinearVerifier,
    objective: Objective,
    strategy: Strategy,
    floor: float = 0.25,
    watched: list[float] | None = None,
) -> Trace:
    def watch(trace: Trace, event: Event) -> None:
        if watched is not None:
            watched.append(float(objective.values(trace.best)))

    return maximised(new_search(objective, verifier, watch=watch), strategy, floor)


def optimum(verifier: LinearVerifier, objective: Objective, floor: Floats) -> float:
    """Return the largest value among radii in ``[floor, 1]`` with ``slopes @ eps <= margin``.

    All lie on one increasing path: that of the objective's own proportions.
    """
    if objective.name == "weighted_sum":
        inside = LinearVerifier(verifier.left(floor), verifier.slopes)
        room = 1.0 - floor
        left, gained = inside.margin, 0.0
        for layer in np.argsort(-objective.weights / verifier.slopes):
            step = min(room[layer], left / verifier.slopes[layer])
            gained += objective.weights[layer] * step
            left -= verifier.slopes[layer] * step
        return float(objective.weights @ floor) + gained
    per_slope = 1.0 if objective.name == "max_min" else verifier.slopes
    way = objective.weights / per_slope
    low, high = 0.0, 1.0 / float(way.min())
    for _ in range(200):
        middle = (low + high) / 2
        fits = verifier.left(np.clip(middle * way, floor, 1.0)) >= 0.0
        low, high = (middle, high) if fits else (low, middle)
    return float(objective.values(np.clip(low * way, floor, 1.0)))


@law(
    cases(most=5),
    st.sampled_from(tuple(OBJECTIVES)),
    st.sampled_from(sorted(STRATEGIES)),
    st.sampled_from([0.0, 0.25]),
    quick=25,
    deep=2000,
)
def test_best_is_certified_worth_most_and_below_optimum_and_bound(
    case: tuple[LinearVerifier, Floats], name: str, strategy: str, floor: float
) -> None:
    verifier, weights = case
    objective, watched = OBJECTIVES[name](weights), []
    trace = search(verifier, objective, STRATEGIES[strategy], floor, watched)
    assert verifier.left(trace.best) > 0.0
    certified = [step.eps for step in trace.steps if step.outcome is Outcome.ROBUST]
    assert any(np.array_equal(eps, trace.best) for eps in certified)
    value = float(objective.values(trace.best))
    assert value == max(float(objective.values(eps)) for eps in certified)
    assert watched == sorted(watched)
    most = optimum(verifier, objective, trace.floor)
    assert value <= most * (1 + 1e-9)
    assert most <= trace.objective_bound * (1 + 1e-9)
    assert float(weights @ trace.best) <= trace.upper_bound * (1 + 1e-9)


@law(
    cases(most=5),
    st.sampled_from(OTHERS),
    st.sampled_from(["gradient uniform", "gradient fixed", "naive"]),
    quick=15,
    deep=1000,
)
def test_gradient_and_naive_come_near_the_optimum_that_can_be_decided(
    case: tuple[LinearVerifier, Floats], name: str, strategy: str
) -> None:
    verifier, weights = case
    objective = OBJECTIVES[name](weights)
    trace = search(verifier, objective, STRATEGIES[strategy])
    decided = LinearVerifier((1 - verifier.hard) * verifier.margin, verifier.slopes)
    most = optimum(decided, objective, trace.floor)
    # Naive gives what balance leaves to the heaviest layers, and never takes it back.
    share = 0.6 if verifier.hard > 0.1 or (strategy == "naive" and name == "log_volume") else 0.85
    assert float(objective.values(trace.best)) >= share * most


@law(cases(most=2), st.sampled_from(OTHERS), quick=4, deep=200)
def test_exact_closes_the_gap_of_every_objective(
    case: tuple[LinearVerifier, Floats], name: str
) -> None:
    verifier, weights = case
    verifier.hard = 0.0
    objective = OBJECTIVES[name](weights)
    trace = search(verifier, objective, ExactStrategy(GAP))
    assert trace.stop is StopReason.OPTIMAL
    value = float(objective.values(trace.best))
    assert trace.objective_bound <= (1.0 + GAP) * value
    most = optimum(verifier, objective, trace.floor)
    assert value <= most * (1 + 1e-9) <= trace.objective_bound * (1 + 2e-9)


@law(cases(most=6), quick=5, deep=200)
def test_one_witness_brings_the_bound_of_max_min_near_whatever_the_strategy(
    case: tuple[LinearVerifier, Floats],
) -> None:
    verifier, weights = case
    verifier.hard = 0.0
    objective = OBJECTIVES["max_min"](weights)
    trace = search(verifier, objective, STRATEGIES["gradient uniform"])
    most = optimum(verifier, objective, trace.floor)
    assert most <= trace.objective_bound <= 1.05 * most


def test_max_min_still_ends_at_a_maximal_neighborhood() -> None:
    verifier = LinearVerifier(1.0, np.array([4.0, 0.0, 2.0]), bounded=0.5)
    objective = OBJECTIVES["max_min"](np.array([1.0, 0.1, 0.5]))
    trace = search(verifier, objective, STRATEGIES["gradient uniform"])
    assert trace.stop is StopReason.MAXIMAL
    assert [trace.block_of(layer)[0] for layer in range(3)] == [
        Block.WITNESS,
        Block.CAP,
        Block.WITNESS,
    ]


def test_uniform_weights_make_max_min_the_smallest_epsilon() -> None:
    verifier = LinearVerifier(1.0, np.array([4.0, 0.5, 0.5]))
    trace = search(verifier, OBJECTIVES["max_min"](np.ones(3)), STRATEGIES["gradient uniform"])
    assert trace.best.min() == pytest.approx(0.2, rel=0.03)
    trace = search(verifier, OBJECTIVES["weighted_sum"](np.ones(3)), STRATEGIES["gradient uniform"])
    assert trace.best.min() < 0.1


# Layers that were kept from growing, and may again.


def test_a_blocked_layer_grows_again_when_a_linear_program_shrinks_another() -> None:
    """At the boundary no layer can grow; what layer 0 gives up, layer 1 gains."""
    verifier = LinearVerifier(1.0, np.array([5.0, 1.0]))
    search = new_search(np.ones(2), verifier)
    touching = np.array([0.19, 0.04])
    grown = Optimizer().expand(search, touching)
    assert grown.sum() < touching.sum() + 0.02
    improved = SequentialLinearProgramming().improve(search, grown, floor=np.full(2, 0.01))
    assert improved[0] < 0.1
    assert improved[1] > 0.4
    assert verifier.left(improved) > 0.0


def test_what_blocks_a_layer_is_forgotten_as_soon_as_another_layer_shrinks() -> None:
    verifier = LinearVerifier(1.0, np.array([5.0, 1.0]), bounded=1.0)
    search = new_search(np.ones(2), verifier)
    blocked, prove = search.trace.blocked, search.verifier.prove
    assert prove(np.array([0.1, 0.1]), Move.CEGIS).robust
    blocked[0] = Block.WITNESS, None
    assert prove(np.array([0.1, 0.2]), Move.GROUP, (1,)).robust
    assert 0 in blocked
    assert prove(np.array([0.05, 0.6]), Move.CEGIS).robust
    assert not blocked


@law(cases(most=4), st.sampled_from(sorted(POLICIES)), quick=8, deep=400)
def test_no_layer_stays_frozen_that_could_grow(
    case: tuple[LinearVerifier, Floats], policy: str
) -> None:
    """Whatever refused or left out a layer on the way, in the end it is blocked or at its cap."""
    verifier, weights = case
    verifier.hard = 0.0
    trace = search(verifier, OBJECTIVES["weighted_sum"](weights), STRATEGIES[f"gradient {policy}"])
    assert trace.stop is StopReason.MAXIMAL
    for layer in range(len(weights)):
        grown = trace.best.copy()
        grown[layer] = min(grown[layer] + max(TOLERANCE * grown[layer], 1e-4), 1.0)
        assert trace.best[layer] == 1.0 or verifier.left(grown) <= 1e-9


# Weights that are estimated again on the way.


@law(
    cases(most=4),
    st.integers(0, 1000),
    st.sampled_from(tuple(OBJECTIVES)),
    st.sampled_from(["gradient", "ascent"]),
    quick=10,
    deep=500,
)
def test_steering_moves_the_search_but_neither_the_objective_nor_what_is_certified(
    case: tuple[LinearVerifier, Floats], seed: int, name: str, strategy: str
) -> None:
    verifier, weights = case

    def steered() -> tuple[Trace, list[float]]:
        rng = np.random.default_rng(seed)

        def steer(points: WeakestPoints) -> Floats:
            assert points.images.shape[-1] == len(weights)
            return rng.random(len(weights)) * (rng.random(len(weights)) < 0.8)

        optimizer, watched = Optimizer(steer=steer), []
        moved = (
            AscentStrategy(optimizer) if strategy == "ascent" else ByGradient("uniform", optimizer)
        )
        return search(verifier, OBJECTIVES[name](weights), moved, watched=watched), watched

    trace, watched = steered()
    objective = OBJECTIVES[name](weights)
    assert verifier.left(trace.best) > 0.0
    assert watched == sorted(watched)
    certified = [step.eps for step in trace.steps if step.outcome is Outcome.ROBUST]
    value = float(objective.values(trace.best))
    assert value == max(float(objective.values(eps)) for eps in certified)
    assert optimum(verifier, objective, trace.floor) <= trace.objective_bound * (1 + 1e-9)
    assert np.array_equal(steered()[0].best, trace.best)
