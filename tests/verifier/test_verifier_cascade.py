"""The cascade: which stage answers, what counts as evidence, and what an answer costs."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest
from known_margins import absolute_value, hard, hidden
from machines import SECONDS, analyse, cascade, machine_bounders
from machines import stages as machine_stages
from pydantic import ValidationError
from random_ops import SMALL
from strategies import problem_of, random_problem, random_radius

from mlspec.core.deadline import Deadline
from mlspec.core.layering import Layering
from mlspec.core.network import Network
from mlspec.core.property import Property, Threshold, TopK
from mlspec.core.verdict import Account, Outcome, Proof, Stage, Verdict
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.spec.verifier import Verifier
from mlspec.verifier.cascade import Cascade
from mlspec.verifier.query import NeighborhoodQuery


def test_the_cheapest_stage_that_can_answers() -> None:
    problem = absolute_value()
    verifier = cascade(problem, "alpha")
    seen = [
        (
            verifier.verify(np.array(eps), Deadline.after(SECONDS)).stage,
            verifier.bound(np.array(eps)).stage,
        )
        for eps in ([0.0, 0.0], [0.01, 0.01], [0.4, 0.4])
    ]
    assert seen[0] == (Stage.INTERVAL, Stage.RECALL)
    assert seen[1][1] == Stage.RECALL
    assert seen[2][1] == Stage.RECALL
    assert verifier.verify(np.array([0.3, 0.3]), Deadline.after(SECONDS)).stage is Stage.RECALL


def test_the_milp_proves_what_bounds_leave_open() -> None:
    problem, eps = hard()
    assert not analyse(problem, problem.neighborhood(eps).box, "interval").robust
    for decision in (True, False):
        verdict = cascade(problem, "interval", decision=decision).verify(
            eps, Deadline.after(SECONDS)
        )
        assert verdict.outcome is Outcome.ROBUST
        assert verdict.stage is Stage.MILP
        assert verdict.complete
        assert verdict.margin is not None
        assert verdict.margin <= 0.05 + 1e-9
        if not decision:
            assert verdict.margin == pytest.approx(0.05, abs=3e-5)


def test_the_milp_finds_what_the_attack_missed() -> None:
    problem = hidden()
    for decision in (True, False):
        verifier = cascade(problem, "interval", decision=decision, restarts=1, steps=1)
        verdict = verifier.verify(np.array([0.5]), Deadline.after(SECONDS))
        assert verdict.outcome is Outcome.VIOLATED
        assert verdict.stage is Stage.MILP
        assert verdict.witness is not None
        assert problem.margin(verdict.witness[None])[0] <= 0.0


def test_the_linear_regions_of_weak_points_are_searched_before_the_solver_branches() -> None:
    problem = hidden()
    stage = machine_stages(problem).complete
    assert stage is not None
    box = problem.neighborhood(np.array([0.5])).box
    analysis = analyse(problem, box, "interval")
    weak = [np.full_like(problem.image, value) for value in (0.3, 0.45)]
    accounts: list[Account] = []
    verdict = stage.decide(box, analysis, weak, Deadline.after(SECONDS), accounts)
    assert verdict.outcome is Outcome.VIOLATED
    assert [account.finding.split(":")[-1] for account in accounts[1:]] == [" violated"]


def test_a_time_limit_ends_in_unknown_with_a_reason() -> None:
    problem, eps = hard()
    for seconds in (0.0, -1.0):
        verdict = cascade(problem, "interval", restarts=1, steps=1).verify(
            eps, Deadline.after(seconds)
        )
        assert verdict.outcome is Outcome.UNKNOWN
        assert verdict.reason.startswith("time limit")
        assert verdict.reason.endswith("(it was budget.seconds)")
        assert verdict.complete
    verdict = cascade(problem, "interval", seconds=0.0, restarts=1, steps=1).verify(
        eps, Deadline.after(SECONDS)
    )
    assert verdict.reason.startswith("time limit")
    assert verdict.reason.endswith("(it was verifier.milp.seconds)")


@pytest.mark.parametrize("eps", [np.nan, np.inf])
def test_a_radius_that_is_no_number_is_never_robust(eps: float) -> None:
    problem = absolute_value()
    radius = np.array([eps, 0.1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        verdict = cascade(problem).verify(radius, Deadline.after(SECONDS))
    if verdict.robust:
        box = problem.neighborhood(radius).box
        assert np.isfinite(box.lower).all()
        assert np.isfinite(box.upper).all()


def test_several_targets_are_all_kept() -> None:
    """Robust only if no target can be lost; the witness of any one ends the query."""
    network = Network(
        (
            Flatten(),
            Linear(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), np.array([0.0, 0.0, 0.2])),
        ),
        (1, 1, 2),
    )
    layering = Layering(np.array([[0, 1]], dtype=np.int16), 2)
    problem = problem_of(network, np.full((1, 1, 2), 0.5), layering, Property(TopK(2), (0, 1), 3))
    assert cascade(problem).verify(np.array([0.29, 0.29]), Deadline.after(SECONDS)).robust
    for eps in ([0.31, 0.0], [0.0, 0.31]):
        verdict = cascade(problem).verify(np.array(eps), Deadline.after(SECONDS))
        assert verdict.outcome is Outcome.VIOLATED


def test_a_threshold_at_the_score_is_a_tie_and_violates() -> None:
    network = Network((Flatten(), Linear(np.eye(2), np.zeros(2))), (1, 1, 2))
    layering = Layering(np.array([[0, 1]], dtype=np.int16), 2)
    problem = problem_of(
        network, np.full((1, 1, 2), 0.5), layering, Property(Threshold((0.5, 0.0)), (0,), 2)
    )
    assert cascade(problem).verify(np.zeros(2), Deadline.after(SECONDS)).outcome is Outcome.VIOLATED
    lower = replace(problem, property=Property(Threshold((0.25, 0.0)), (0,), 2))
    assert cascade(lower).verify(np.array([0.2, 1.0]), Deadline.after(SECONDS)).robust
    assert (
        cascade(lower).verify(np.array([0.25, 0.0]), Deadline.after(SECONDS)).outcome
        is Outcome.VIOLATED
    )


def test_a_verdict_tells_its_time_and_its_stage() -> None:
    rng = np.random.default_rng(9)
    for _ in range(10):
        problem = random_problem(rng, SMALL, 6)
        eps = random_radius(rng, problem.layering.count)
        began = time.monotonic()
        verdict = cascade(problem).verify(eps, Deadline.after(SECONDS))
        assert 0.0 <= verdict.seconds <= time.monotonic() - began
        assert verdict.complete == (verdict.stage is Stage.MILP)
        assert verdict.accounts[-1].stage is verdict.stage
        assert sum(account.seconds for account in verdict.accounts) <= verdict.seconds
        if verdict.outcome is Outcome.VIOLATED:
            assert verdict.witness is not None
            np.testing.assert_array_equal(
                verdict.extents, problem.layering.extents(verdict.witness - problem.image)
            )
        else:
            assert verdict.witness is None


def test_the_stages_come_in_a_fixed_order_whatever_decided_before() -> None:
    problem, eps = hard()
    verifier = cascade(problem)
    for share in np.linspace(1e-4, 1e-3, 20):
        assert verifier.verify(share * eps, Deadline.after(SECONDS)).stage is Stage.INTERVAL
    accounts = verifier.verify(eps, Deadline.after(SECONDS)).accounts
    stages = [account.stage for account in accounts]
    assert stages[:4] == [Stage.INTERVAL, Stage.CROWN, Stage.ATTACK, Stage.ALPHA]
    assert set(stages[4:]) <= {Stage.MILP}


def test_what_each_stage_did_is_counted() -> None:
    problem = absolute_value()
    verifier = cascade(problem, "alpha")
    verdicts = [
        verifier.verify(np.array([eps, eps]), Deadline.after(SECONDS)) for eps in (0.0, 0.4, 0.3)
    ]
    assert [verdict.stage for verdict in verdicts][::2] == [Stage.INTERVAL, Stage.RECALL]
    tallies = verifier.tallies
    assert tallies[Stage.INTERVAL].asked == 2
    assert sum(tally.decided for tally in tallies.values()) == 3
    spent = sum(account.seconds for verdict in verdicts for account in verdict.accounts)
    assert sum(tally.seconds for tally in tallies.values()) == pytest.approx(spent)


def test_margins_certified_on_the_way_are_accounted_for_like_queries() -> None:
    problem, eps = hard()
    verifier = cascade(problem)
    found = [verifier.certified(share * eps) for share in (1e-3, 1.0)]
    assert [margin.lost for margin in found] == [False, True]
    tally = verifier.tallies[Stage.CROWN]
    assert (tally.asked, tally.decided) == (2, 1)
    assert tally.seconds > 0.0


def test_the_names_of_bounds_in_a_spec_are_those_of_the_bounders() -> None:
    last = [bounder.stage for bounder in machine_bounders(hidden(0.1), "alpha")]
    assert last == [stage for stage in Stage if stage.bounds]
    for stage in last:
        assert Verifier(bounds=stage.value).bounds == stage.value
        assert machine_bounders(hidden(0.1), stage.value)[-1].stage is stage
    with pytest.raises(ValidationError, match="interval"):
        Verifier(bounds=Stage.MILP.value)


@dataclass
class Guessing:
    """A stage that answers when it is told to."""

    answer: Verdict | None = None
    asked: int = 0
    stage: Stage = Stage.MILP

    def decide(self, question: NeighborhoodQuery) -> Verdict | None:
        self.asked += 1
        assert question.points is not None
        assert question.analysis is not None
        return self.answer


def test_a_further_stage_is_asked_before_the_complete_one() -> None:
    problem, eps = hard()
    plain = Cascade(problem, machine_stages(problem, "interval")).verify(
        eps, Deadline.after(SECONDS)
    )
    assert plain.stage is Stage.MILP
    silent = Guessing()
    parts = replace(machine_stages(problem, "interval"), further=(silent,))
    verdict = Cascade(problem, parts).verify(eps, Deadline.after(SECONDS))
    assert silent.asked == 1
    assert verdict.outcome is plain.outcome
    sure = Guessing(Verdict(Outcome.ROBUST, Stage.MILP, 0.01, proof=Proof.DUAL_BOUNDS))
    parts = replace(machine_stages(problem, "interval"), further=(sure,))
    assert Cascade(problem, parts).verify(eps, Deadline.after(SECONDS)).margin == 0.01
