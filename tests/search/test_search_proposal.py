"""The loop of the proposal: its steps are those of its formulas, and it ends by itself."""

from __future__ import annotations

import numpy as np
import pytest
from closed_form import Floats, LinearVerifier
from search_cases import TOLERANCE, ByProposal, new_search, shrink

from mlspec.core.objective import MaxMin
from mlspec.core.trace import Ask, Iteration, Move, StopReason, Trace
from mlspec.core.verdict import Outcome
from mlspec.search.budget import SpentError
from mlspec.search.proposal import ProposalStrategy
from mlspec.search.shrink import POLICIES

SLOPES, WEIGHTS = np.array([4.0, 2.0, 1.0]), np.array([1.0, 0.25, 1.0 / 9.0])
START = np.full(3, 0.01)


def looped(
    policy: str = "fixed", weights: Floats = WEIGHTS, step: float = 0.1
) -> tuple[Trace, LinearVerifier]:
    verifier = LinearVerifier(1.0, SLOPES)
    search = new_search(weights, verifier)
    search.verifier.bounded(START)
    strategy = ProposalStrategy(shrink(policy, np.arange(1.0, 4.0)), step=step)
    assert strategy.run(search, START) is StopReason.STALLED
    return search.trace, verifier


def robust_before(trace: Trace, number: int) -> Floats:
    """Return the eps that was robust last before an iteration."""
    earlier = [each.eps for each in trace.iterations[:number] if each.outcome is Outcome.ROBUST]
    return earlier[-1] if earlier else START


@pytest.mark.parametrize("policy", POLICIES)
def test_every_iteration_follows_its_formula(policy: str) -> None:
    trace, verifier = looped(policy)
    cut = {"fixed": [2 / 3, 1 / 3, 0.0], "sensitivity": [4 / 9, 2 / 9, 0.0]}.get(policy, [0.5] * 3)
    assert {each.move for each in trace.iterations} == {Move.EXPANSION, Move.SHRINKAGE}
    previous: Iteration | None = None
    for number, each in enumerate(trace.iterations):
        robust = robust_before(trace, number)
        assert each.outcome is (Outcome.ROBUST if verifier.left(each.eps) > 0 else Outcome.VIOLATED)
        assert each.margin == pytest.approx(verifier.left(robust))
        assert each.gradient == pytest.approx(-SLOPES)
        if each.move is Move.EXPANSION:
            assert np.linalg.norm(each.weights) == pytest.approx(1.0)
            eta = max(0.1 * np.linalg.norm(robust), 1e-4)
            assert each.eps == pytest.approx(np.minimum(robust + eta * each.weights, 1.0))
        else:
            assert previous is not None
            grown = previous.eps > robust
            assert each.weights[grown] == pytest.approx(np.array(cut)[grown])
            expected = previous.eps * each.weights + robust * (1.0 - each.weights)
            assert each.eps == pytest.approx(expected)
        previous = each


def test_an_unfrozen_direction_is_that_of_the_relaxed_problem() -> None:
    trace, _ = looped()
    first = trace.iterations[0]
    assert first.lambda_ == 1.0
    pull = np.linalg.norm(WEIGHTS) / np.linalg.norm(SLOPES) * -SLOPES
    expected = np.maximum(0.0, WEIGHTS + pull)
    assert first.weights == pytest.approx(expected / np.linalg.norm(expected))


def test_lambda_only_falls_and_every_layer_freezes_in_the_end() -> None:
    trace, _ = looped()
    lambdas = [each.lambda_ for each in trace.iterations]
    assert lambdas == sorted(lambdas, reverse=True)
    assert lambdas[-1] == 0.0
    last = [each.weights for each in trace.iterations if each.move is Move.EXPANSION][-3:]
    assert [int((weights > 0.0).sum()) for weights in last] == [3, 2, 1]


@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_is_left_of_the_last_steps(policy: str) -> None:
    """Wherever a whole step would gain more than the tolerance it is taken, or what is left is."""
    trace, verifier = looped(policy)
    assert verifier.left(trace.best) > 0.0
    gained = WEIGHTS @ trace.best / (WEIGHTS @ START)
    assert gained > 5.0
    assert trace.complete_queries == len(trace.iterations)


def test_it_is_deterministic() -> None:
    first, second = looped("sensitivity")[0], looped("sensitivity")[0]
    assert len(first.iterations) == len(second.iterations)
    for one, other in zip(first.iterations, second.iterations, strict=True):
        assert np.array_equal(one.eps, other.eps)
        assert (one.move, one.outcome, one.lambda_) == (other.move, other.outcome, other.lambda_)


def test_policies_lead_to_different_ends() -> None:
    near = np.array([1.0, 0.6, 0.4])
    policies = ("fixed", "sensitivity", "uniform")
    ends = {policy: looped(policy, near, step=0.5)[0].best for policy in policies}
    assert not np.allclose(ends["fixed"], ends["uniform"], rtol=1e-3)
    assert not np.allclose(ends["fixed"], ends["sensitivity"], rtol=1e-3)


def test_weakest_points_are_asked_once_for_every_robust_neighborhood() -> None:
    trace, _ = looped()
    levels = sum(query.ask is Ask.LEVEL for query in trace.queries)
    assert levels == 1 + sum(each.outcome is Outcome.ROBUST for each in trace.iterations)


def test_where_layers_grow_in_proportion_the_gradient_has_no_say() -> None:
    search = new_search(MaxMin(WEIGHTS), LinearVerifier(1.0, SLOPES))
    search.verifier.bounded(START)
    policy = shrink("uniform", np.ones(3))
    assert ProposalStrategy(policy, tolerance=TOLERANCE).run(search, START) is StopReason.STALLED
    assert {each.lambda_ for each in search.trace.iterations} == {0.0}
    unit = WEIGHTS / WEIGHTS.max()
    best = float((search.best / unit).min())
    assert best == pytest.approx(1.0 / (SLOPES @ unit), rel=0.1)


def test_a_budget_of_queries_ends_it_with_what_is_robust() -> None:
    search = new_search(WEIGHTS, LinearVerifier(1.0, SLOPES), queries=4)
    search.verifier.bounded(START)
    with pytest.raises(SpentError):
        ByProposal("fixed").run(search, START)
    assert len(search.trace.iterations) == 4
    assert any(np.array_equal(search.best, each.eps) for each in search.trace.iterations)
