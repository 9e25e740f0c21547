"""HiGHS: one session answers many subsets as fresh ones would."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from backend_cases import compiled, market_split
from law import law
from machines import SECONDS, highs
from strategies import Question, questions

from mlspec.backends.highs import HighsEngine
from mlspec.backends.program import arrays_of
from mlspec.core import forward
from mlspec.core.deadline import Deadline
from mlspec.milp.model import Termination


@law(questions(), quick=30, deep=600)
def test_one_session_answers_like_fresh_ones_in_any_order(question: Question) -> None:
    rows = range(len(question.problem.property.claims[0].rows))
    subsets = [s for size in range(1, len(rows) + 1) for s in combinations(rows, size)]
    chosen = np.random.default_rng(0).permutation(len(subsets))[:6]
    for decision in (True, False):
        model = compiled(question, "interval", decision=decision)
        session = highs().open(model)
        for number in [*chosen, *chosen[::-1]]:
            ours = session.solve(subsets[number], Deadline.after(SECONDS))
            fresh = highs().open(model).solve(subsets[number], Deadline.after(SECONDS))
            assert ours.termination is fresh.termination
            if not decision:
                assert ours.dual_bound is not None
                assert ours.dual_bound == pytest.approx(fresh.dual_bound, abs=1e-6, rel=1e-6)


@law(questions(), quick=30, deep=600)
def test_beyond_tightens_the_active_margins_for_one_query_only(question: Question) -> None:
    session = highs().open(compiled(question, "crown", decision=False))
    plain = session.solve((0,), Deadline.after(SECONDS)).dual_bound
    deeper = session.solve((0,), Deadline.after(SECONDS), beyond=0.25).dual_bound
    again = session.solve((0,), Deadline.after(SECONDS)).dual_bound
    assert plain is not None
    assert deeper == pytest.approx(plain + 0.25, abs=1e-6, rel=1e-6)
    assert again == pytest.approx(plain, abs=1e-9)


@law(questions(), quick=30, deep=600)
def test_a_model_admits_every_image_of_its_box_and_no_other(question: Question) -> None:
    box = question.problem.neighborhood(question.eps).box
    for decision in (True, False):
        session = highs().open(compiled(question, "alpha", decision=decision))
        before = session.solve((0,), Deadline.after(SECONDS))
        for share in (0.5, 0.25, 0.7):
            assert session.admits(
                box.lower + share * (box.upper - box.lower), Deadline.after(SECONDS)
            )
        after = session.solve((0,), Deadline.after(SECONDS))
        assert after.termination is before.termination
        assert after.dual_bound == pytest.approx(before.dual_bound, abs=1e-9)


@law(questions(), quick=30, deep=600)
def test_near_an_image_it_is_as_good_as_the_image_and_never_better_than_everywhere(
    question: Question,
) -> None:
    problem = question.problem
    box = problem.neighborhood(question.eps).box
    claim = problem.property.claims[0]
    session = highs().open(compiled(question, "crown", decision=False))
    best = session.solve((0,), Deadline.after(SECONDS)).dual_bound
    image = box.lower + 0.3 * (box.upper - box.lower)
    found = session.near(image, (0,), Deadline.after(SECONDS))
    assert found.termination is Termination.OPTIMAL
    assert best is not None
    assert found.dual_bound is not None
    here = float(claim.margins(forward.scores(problem.network, image[None]))[0, 0])
    assert best - 1e-6 <= found.dual_bound <= here + 1e-6
    assert found.image is not None
    there = float(claim.margins(forward.scores(problem.network, found.image[None]))[0, 0])
    assert there == pytest.approx(found.dual_bound, abs=1e-5)
    assert session.solve((0,), Deadline.after(SECONDS)).dual_bound == pytest.approx(best, abs=1e-6)


def test_the_shipped_profile_sets_tight_tolerances() -> None:
    backend = highs()
    assert backend.name == "highs"
    session: Any = backend.open(market_split(2, 4))
    for option, most in (
        ("mip_feasibility_tolerance", 1e-6),
        ("primal_feasibility_tolerance", 1e-7),
    ):
        _, value = session._engine._whole._highs.getOptionValue(option)
        assert value <= most
    _, smallest = session._engine._whole._highs.getOptionValue("dual_feasibility_tolerance")
    assert smallest <= 1e-10


def test_a_relaxation_has_its_own_time_whatever_ran_before() -> None:
    engine = HighsEngine(arrays_of(market_split())[0], {}, first=False)
    engine.run(Deadline.after(1.0))
    assert engine.relaxed(Deadline.after(0.5)) is not None
