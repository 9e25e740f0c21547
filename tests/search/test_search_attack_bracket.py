"""How far a way holds: exact where the attack is, and never beyond the goal."""

from __future__ import annotations

import numpy as np
from closed_form import Floats, LinearVerifier
from hypothesis import given
from hypothesis import strategies as st
from search_cases import new_search, shrink

from mlspec.core.deadline import Deadline
from mlspec.core.protocols import EpsPath
from mlspec.core.trace import Cut
from mlspec.core.verdict import WeakestPoints
from mlspec.search.attack_bracket import AttackBracket
from mlspec.search.cegis import Cegis
from mlspec.search.shrink import POLICIES


@given(st.floats(0.05, 1.5), st.integers(0, 2**32 - 1))
def test_it_holds_to_the_boundary_or_the_goal(margin: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    slopes, goal, weights = (rng.uniform(0.1, 1.0, 3) for _ in range(3))
    verifier = LinearVerifier(margin, slopes)
    start = 0.5 * min(margin / float(slopes @ goal), 1.0) * goal
    reached = AttackBracket().unbroken(new_search(weights, verifier), start, goal)
    share = min(1.0, margin / float(slopes @ goal))
    np.testing.assert_allclose(reached, share * goal, rtol=1e-4)
    assert np.all(reached <= goal)


class Shy(LinearVerifier):
    """Its attack finds the nearest violation only where the end of the way is clearly broken."""

    def nearest(self, path: EpsPath, deadline: Deadline) -> tuple[float, Cut] | None:
        if self.left(path(np.ones(1))[0]) > -0.05 * self.margin:
            return None
        return super().nearest(path, deadline)


def test_violations_beyond_the_goal_lead_to_nearer_ones() -> None:
    verifier = Shy(1.0, np.array([2.0, 1.0]))
    goal = np.array([0.34, 0.34])  # broken, but by 2 % only
    search = new_search(np.ones(2), verifier)
    reached = AttackBracket().unbroken(search, np.zeros(2), goal)
    np.testing.assert_allclose(reached, 1.0 / 3.0, rtol=1e-4)


class Blind(LinearVerifier):
    """An attack on one radius finds nothing."""

    def weakest(self, eps: Floats, deadline: Deadline, *, thorough: bool = False) -> WeakestPoints:
        points = super().weakest(eps, deadline, thorough=thorough)
        return WeakestPoints(points.images, np.array([1.0]), points.extents, points.slopes)


def test_the_witness_of_a_refused_query_says_how_far_to_shrink() -> None:
    """One refusal, then a proof near the boundary, whatever the policy."""
    for name in POLICIES:
        verifier = Blind(1.0, np.array([1.0, 1.0]))
        cegis = Cegis(shrink(name, np.array([1.0, 0.5])))
        search, refused = new_search(np.ones(2), verifier), np.array([0.9, 0.9])
        found = cegis.run(search, refused, np.zeros(2), 1e-3, np.inf)
        assert verifier.left(found) > 0.0, name
        assert verifier.complete == 2, name
        assert 0.75 <= found.sum() <= 1.0, name
