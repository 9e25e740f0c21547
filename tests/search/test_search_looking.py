"""How far a way holds: exact where the attack is, and never beyond the goal."""

from __future__ import annotations

import time

import numpy as np
from closed_form import Floats, LinearVerifier
from hypothesis import given
from hypothesis import strategies as st

from mlspec.core.deadline import Deadline
from mlspec.core.objective import WeightedSum
from mlspec.core.protocols import Budget, Path
from mlspec.core.trace import Cut
from mlspec.core.verdict import WeakestPoints
from mlspec.search.cegis import shrink_until_certified
from mlspec.search.effort import Effort
from mlspec.search.looking import unbroken
from mlspec.search.shrink import POLICIES


def effort_of(verifier: LinearVerifier, weights: Floats) -> Effort:
    budget = Budget(60.0, since=time.monotonic())
    return Effort(WeightedSum(weights), verifier, budget, lambda *_: None)


@given(st.floats(0.05, 1.5), st.integers(0, 2**32 - 1))
def test_it_holds_to_the_boundary_or_the_goal(margin: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    slopes, goal, weights = (rng.uniform(0.1, 1.0, 3) for _ in range(3))
    verifier = LinearVerifier(margin, slopes)
    start = 0.5 * min(margin / float(slopes @ goal), 1.0) * goal
    reached = unbroken(effort_of(verifier, weights), start, goal, "test")
    share = min(1.0, margin / float(slopes @ goal))
    np.testing.assert_allclose(reached, share * goal, rtol=1e-4)
    assert np.all(reached <= goal)


class Shy(LinearVerifier):
    """Its attack finds the nearest violation only where the end of the way is clearly broken."""

    def nearest(self, path: Path, deadline: Deadline) -> tuple[float, Cut] | None:
        if self.left(path(np.ones(1))[0]) > -0.05 * self.margin:
            return None
        return super().nearest(path, deadline)


def test_violations_beyond_the_goal_lead_to_nearer_ones() -> None:
    verifier = Shy(1.0, np.array([2.0, 1.0]))
    goal = np.array([0.34, 0.34])  # broken, but by 2 % only
    reached = unbroken(effort_of(verifier, np.ones(2)), np.zeros(2), goal, "test")
    np.testing.assert_allclose(reached, 1.0 / 3.0, rtol=1e-4)


class Blind(LinearVerifier):
    """An attack on one radius finds nothing."""

    def weakest(self, eps: Floats, deadline: Deadline, *, thorough: bool = False) -> WeakestPoints:
        points = super().weakest(eps, deadline, thorough=thorough)
        return WeakestPoints(points.images, np.array([1.0]), points.extents, points.slopes)


def test_the_witness_of_a_refused_query_says_how_far_to_shrink() -> None:
    """One refusal, then a proof near the boundary, whatever the policy."""
    for name, policy in POLICIES.items():
        verifier = Blind(1.0, np.array([1.0, 1.0]))
        effort = effort_of(verifier, np.ones(2))
        shrink = policy(np.arange(2), np.array([1.0, 0.5]), False)
        refused = np.array([0.9, 0.9])
        found = shrink_until_certified(effort, refused, np.zeros(2), shrink, 1e-3, np.inf)
        assert verifier.left(found) > 0.0, name
        assert verifier.complete == 2, name
        assert 0.75 <= found.sum() <= 1.0, name
