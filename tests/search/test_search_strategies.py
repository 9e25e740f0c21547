"""Laws of the strategies, against a verifier whose answers are known in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from closed_form import Floats, LinearVerifier
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from search_cases import STRATEGIES, TOLERANCE, ByGradient, maximised, new_search

from mlspec.core.deadline import Deadline
from mlspec.core.trace import Ask, Block, StopReason, Trace
from mlspec.core.verdict import Outcome, Verdict, WeakestPoints
from mlspec.search.exact import ExactStrategy
from mlspec.search.search import Strategy
from mlspec.search.shrink import POLICIES
from mlspec.search.start import CertifiedStart

GAP = 0.02


def search(
    verifier: LinearVerifier,
    weights: Floats,
    strategy: Strategy,
    queries: int | None = None,
    floor: float = 0.0,
) -> Trace:
    return maximised(new_search(weights, verifier, queries=queries), strategy, floor)


def positive(count: int) -> st.SearchStrategy[Floats]:
    return arrays(np.float64, count, elements=st.floats(0.05, 10.0))


@st.composite
def cases(draw: st.DrawFn, most: int = 6) -> tuple[LinearVerifier, Floats]:
    count = draw(st.integers(1, most))
    slopes, weights = draw(positive(count)), draw(positive(count))
    margin = draw(st.floats(0.05, 5.0))
    hard = draw(st.sampled_from([0.0, 0.05, 0.3]))
    return LinearVerifier(margin, slopes, hard, draw(st.floats(0.1, 0.65))), weights


@pytest.mark.parametrize("name", STRATEGIES)
@given(case=cases())
def test_best_is_certified_and_never_beyond_the_optimum(
    name: str, case: tuple[LinearVerifier, Floats]
) -> None:
    verifier, weights = case
    trace = search(verifier, weights, STRATEGIES[name])
    assert np.all((trace.best >= 0.0) & (trace.best <= 1.0))
    assert verifier.left(trace.best) > 0.0
    certified = [step for step in trace.steps if step.outcome is Outcome.ROBUST]
    assert any(np.array_equal(step.eps, trace.best) for step in certified)
    assert weights @ trace.best == max(step.size for step in certified)
    size = float(weights @ trace.best)
    assert size <= verifier.optimum(weights) * (1 + 1e-9)
    assert verifier.optimum(weights) <= trace.upper_bound * (1 + 1e-9)


@settings(max_examples=6)
@given(case=cases(most=2))
def test_exact_closes_the_gap_where_all_can_be_decided(case: tuple[LinearVerifier, Floats]) -> None:
    verifier, weights = case
    verifier.hard = 0.0
    trace = search(verifier, weights, ExactStrategy(GAP, ByGradient("uniform")))
    assert trace.stop in (StopReason.OPTIMAL, StopReason.MAXIMAL)
    assert trace.upper_bound <= (1.0 + GAP) * float(weights @ trace.best)
    assert verifier.left(trace.best) > 0.0
    assert float(weights @ trace.best) <= verifier.optimum(weights) * (1 + 1e-9)
    assert verifier.optimum(weights) <= trace.upper_bound * (1 + 1e-9)


@given(case=cases())
def test_ascent_asks_nothing_of_the_complete_verifier_but_the_certificate(
    case: tuple[LinearVerifier, Floats],
) -> None:
    verifier, weights = case
    trace = search(verifier, weights, STRATEGIES["ascent"])
    assert all(query.ask is not Ask.COMPLETE for query in trace.queries)


@given(case=cases(most=4), name=st.sampled_from(sorted(STRATEGIES)))
def test_brackets_hold_the_boundary_of_every_layer(
    case: tuple[LinearVerifier, Floats], name: str
) -> None:
    verifier, weights = case
    trace = search(verifier, weights, STRATEGIES[name])
    for layer, attacked in enumerate(trace.attacked()):
        if not np.isnan(attacked):
            beyond = trace.best.copy()
            beyond[layer] = attacked
            assert attacked > trace.best[layer]
            assert verifier.left(beyond) <= 1e-9
        elif trace.block_of(layer)[0] is Block.WITNESS:
            pytest.fail("the witness that blocks a layer is a bracket")


@given(case=cases(), policy=st.sampled_from(sorted(POLICIES)))
def test_gradient_comes_near_the_optimum_that_can_be_decided(
    case: tuple[LinearVerifier, Floats], policy: str
) -> None:
    verifier, weights = case
    reachable = LinearVerifier((1 - verifier.hard) * verifier.margin, verifier.slopes)
    trace = search(verifier, weights, ByGradient(policy))
    # Proofs move along segments, so a wide undecided band also holds back layers that could go on.
    share = 0.85 if verifier.hard < 0.1 else 0.6
    assert weights @ trace.best >= share * reachable.optimum(weights)


@given(case=cases())
def test_gradient_reaches_the_size_of_naive_with_fewer_complete_queries(
    case: tuple[LinearVerifier, Floats],
) -> None:
    verifier, weights = case
    assume(len(weights) >= 3)
    plain = search(verifier, weights, STRATEGIES["naive"])
    asked, verifier.complete = verifier.complete, 0
    trace = search(verifier, weights, ByGradient("uniform"))
    share = 0.95 if verifier.hard < 0.1 else 0.6
    assert weights @ trace.best >= share * float(weights @ plain.best)
    if not verifier.hard:
        assert verifier.complete < asked


@given(case=cases())
def test_blocked_layers_have_a_witness_just_beyond_their_epsilon(
    case: tuple[LinearVerifier, Floats],
) -> None:
    verifier, weights = case
    trace = search(verifier, weights, ByGradient("uniform"))
    for layer in range(len(weights)):
        block, cut = trace.block_of(layer)
        if block is Block.CAP:
            assert trace.best[layer] == 1.0
        elif block is Block.WITNESS:
            assert cut is not None
            beyond = trace.best.copy()
            beyond[layer] += max(TOLERANCE * beyond[layer], 1e-4)
            assert cut.rules_out(np.minimum(beyond, 1.0) + 1e-12)
            assert not cut.rules_out(trace.best)


class BlindAttack(LinearVerifier):
    """Only the complete stage finds witnesses; they leave the box by what rounding adds."""

    def verify(self, eps: Floats, deadline: Deadline) -> Verdict:
        verdict = super().verify(eps, deadline)
        if verdict.extents is None:
            return verdict
        return replace(verdict, extents=np.nextafter(verdict.extents, 2.0))

    def weakest(self, eps: Floats, deadline: Deadline, *, thorough: bool = False) -> WeakestPoints:
        points = super().weakest(eps, deadline, thorough=thorough)
        return replace(points, margins=np.maximum(points.margins, 1e-3))


def test_the_witness_of_a_complete_query_blocks_its_layer() -> None:
    verifier = BlindAttack(1.0, np.array([3.0, 5.0, 2.0]), bounded=0.5)
    trace = search(verifier, np.array([1.0, 2.0, 3.0]), STRATEGIES["naive"])
    assert trace.stop is StopReason.MAXIMAL
    assert {trace.block_of(layer)[0] for layer in range(3)} == {Block.WITNESS}


def test_without_queries_left_attacks_still_block_layers() -> None:
    verifier = LinearVerifier(1.0, np.array([0.1, 5.0, 3.0]), bounded=0.999)
    trace = maximised(
        new_search(np.ones(3), verifier, queries=0), STRATEGIES["naive"], tolerance=0.1
    )
    assert trace.stop is StopReason.QUERIES
    blocks = [trace.block_of(layer)[0] for layer in range(3)]
    assert blocks == [Block.BUDGET, Block.WITNESS, Block.WITNESS]


@pytest.mark.parametrize("name", ["naive", "gradient uniform"])
@given(case=cases(), queries=st.integers(1, 5))
def test_the_query_budget_is_kept(
    name: str, case: tuple[LinearVerifier, Floats], queries: int
) -> None:
    verifier, weights = case
    trace = search(verifier, weights, STRATEGIES[name], queries)
    asked = sum(query.ask in (Ask.COMPLETE, Ask.CERTIFICATE) for query in trace.queries)
    assert asked == verifier.complete <= queries


@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_interrupt_keeps_the_best(after: int) -> None:
    verifier = LinearVerifier(1.0, np.array([3.0, 5.0, 2.0]), bounded=0.5)
    verifier.interrupt_after = after
    trace = search(verifier, np.ones(3), ByGradient("uniform"))
    assert trace.stop is StopReason.INTERRUPTED
    assert trace.best.any()
    assert verifier.left(trace.best) > 0.0


def test_spent_seconds_end_the_search() -> None:
    verifier = LinearVerifier(1.0, np.array([3.0, 5.0]))
    trace = maximised(new_search(np.ones(2), verifier, seconds=1e-6), ByGradient("uniform"))
    assert trace.stop is StopReason.SECONDS
    assert not trace.best.any()


def test_a_problem_without_any_danger_ends_at_the_cap() -> None:
    verifier = LinearVerifier(10.0, np.array([1.0, 2.0]), bounded=1.0)
    trace = search(verifier, np.array([1.0, 0.5]), ByGradient("fixed"))
    np.testing.assert_array_equal(trace.best, [1.0, 1.0])
    assert trace.stop is StopReason.MAXIMAL
    assert {trace.block_of(layer)[0] for layer in range(2)} == {Block.CAP}


@pytest.mark.parametrize("name", ["naive", "gradient uniform"])
@given(case=cases(), floor=st.floats(0.0, 0.9))
def test_every_layer_keeps_the_floor(
    name: str, case: tuple[LinearVerifier, Floats], floor: float
) -> None:
    verifier, weights = case
    trace = search(verifier, weights, STRATEGIES[name], floor=floor)
    uniform = min(1.0, verifier.bounded * verifier.margin / float(verifier.slopes.sum()))
    assert np.all(trace.best >= floor * uniform / (1.0 + CertifiedStart().precision))


@pytest.mark.parametrize("name", ["gradient fixed", "ascent"])
def test_a_resumed_search_may_shrink_layers_of_the_earlier_result(name: str) -> None:
    """From a poor maximal radius, where every layer could only grow, there is no way up."""
    verifier, weights = LinearVerifier(1.0, np.array([1.0, 1.0]), bounded=0.9), np.array([3.0, 1.0])
    resumed = new_search(weights, verifier)
    verdict = resumed.resume([], np.array([0.0, 0.85]))
    assert verdict is not None
    assert verdict.robust
    trace = maximised(resumed, STRATEGIES[name], 0.1)
    assert weights @ trace.best >= 0.8 * verifier.optimum(weights)
