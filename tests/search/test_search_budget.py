"""The budget: deadlines, what is reserved, and when it is spent."""

from __future__ import annotations

import time

import numpy as np
import pytest
from closed_form import Floats, LinearVerifier
from search_cases import STRATEGIES, maximised, new_search

from mlspec.core.deadline import Deadline
from mlspec.core.events import Growing
from mlspec.core.trace import Move, StopReason
from mlspec.core.verdict import CertifiedMargin, Verdict, WeakestPoints
from mlspec.search.budget import SearchBudget, SpentError


def test_what_is_reserved_is_left_to_later() -> None:
    budget = SearchBudget(100.0, began=time.monotonic() - 60.0)
    budget.require_time()
    with budget.reserve(0.5):
        with pytest.raises(SpentError) as spent:
            budget.require_time()
        assert spent.value.reason is StopReason.SECONDS
        assert budget.unreserved.left == pytest.approx(-10.0, abs=1.0)
        assert budget.deadline.left == pytest.approx(40.0, abs=1.0)
    budget.require_time()


def test_reserves_are_taken_back_in_turn_and_after_errors() -> None:
    budget = SearchBudget(100.0)
    with pytest.raises(ZeroDivisionError), budget.reserve(0.25):  # noqa: PT012
        with budget.reserve(0.75):
            assert budget.unreserved.left == pytest.approx(25.0, abs=1.0)
        assert budget.unreserved.left == pytest.approx(75.0, abs=1.0)
        raise ZeroDivisionError
    assert budget.unreserved.left == pytest.approx(100.0, abs=1.0)


def test_queries_are_counted_by_what_was_asked() -> None:
    budget = SearchBudget(100.0, queries=2)
    budget.require_query(1)
    with pytest.raises(SpentError) as spent:
        budget.require_query(2)
    assert spent.value.reason is StopReason.QUERIES
    SearchBudget(100.0).require_query(10**9)


class Noting(LinearVerifier):
    """Remembers how much time each request has."""

    def __init__(self) -> None:
        super().__init__(1.0, np.array([3.0, 5.0]), bounded=0.5)
        self.left_of: dict[str, list[float]] = {}

    def noted(self, name: str, deadline: Deadline) -> None:
        self.left_of.setdefault(name, []).append(deadline.left)

    def verify(self, eps: Floats, deadline: Deadline) -> Verdict:
        self.noted("verify", deadline)
        return super().verify(eps, deadline)

    def bound(self, eps: Floats, deadline: Deadline) -> Verdict:
        self.noted("bound", deadline)
        return super().bound(eps, deadline)

    def certified(self, eps: Floats, deadline: Deadline) -> CertifiedMargin:
        self.noted("certified", deadline)
        return super().certified(eps, deadline)

    def weakest(self, eps: Floats, deadline: Deadline, *, thorough: bool = False) -> WeakestPoints:
        self.noted("weakest", deadline)
        return super().weakest(eps, deadline, thorough=thorough)


@pytest.mark.parametrize("name", ["gradient uniform", "naive", "ascent"])
def test_no_request_may_last_longer_than_the_budget(name: str) -> None:
    verifier = Noting()
    maximised(new_search(np.ones(2), verifier, seconds=50.0), STRATEGIES[name])
    left = [seconds for each in verifier.left_of.values() for seconds in each]
    assert left
    assert max(left) <= 50.0


def test_a_time_limit_of_a_query_counts_from_now() -> None:
    verifier = Noting()
    search = new_search(np.ones(2), verifier, seconds=50.0)
    search.verifier.prove(np.full(2, 0.01), Move.CEGIS, seconds=5.0)
    search.verifier.prove(np.full(2, 0.02), Move.CEGIS)
    first, second = verifier.left_of["verify"]
    assert first <= 5.0
    assert 45.0 < second <= 50.0


class Late(LinearVerifier):
    """Every request takes until its deadline, and ends without an answer, as the protocol says."""

    def bound(self, eps: Floats, deadline: Deadline) -> Verdict:
        time.sleep(max(deadline.left, 0.0))
        return super().bound(np.full_like(eps, np.inf), deadline)


def test_a_request_that_lasts_until_the_deadline_ends_the_search() -> None:
    verifier = Late(1.0, np.array([3.0, 5.0]))
    search = new_search(np.ones(2), verifier, seconds=0.3)
    began = time.monotonic()
    trace = maximised(search, STRATEGIES["naive"])
    assert trace.stop is StopReason.SECONDS
    assert time.monotonic() - began < 1.0
    assert not trace.best.any()
    assert verifier.complete == 0


def test_requests_without_time_are_refused_and_not_asked() -> None:
    verifier = Noting()
    search = new_search(np.ones(2), verifier, seconds=1e-9)
    eps = np.full(2, 0.01)
    for request in (
        lambda: search.verifier.prove(eps, Move.CEGIS),
        lambda: search.verifier.bounded(eps),
        lambda: search.verifier.certified(eps, Growing(eps)),
        lambda: search.verifier.weakest(eps, Growing(eps)),
    ):
        with pytest.raises(SpentError):
            request()
    assert verifier.left_of == {}
    assert search.trace.queries == []
