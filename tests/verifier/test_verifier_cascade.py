"""The cascade: which stage answers, what counts as evidence, and what an answer costs."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from machines import SECONDS, analyse, cascade, complete_stage, machine_bounders, solver
from machines import stages as machine_stages
from pydantic import ValidationError
from strategies import SMALL, problem_of, random_problem, random_radius

from mlspec.bounds.analysis import Analysis
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.layering import Layering
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import Property, Threshold, TopK
from mlspec.core.verdict import Account, Outcome, Proof, Stage, Verdict
from mlspec.errors import ContradictionError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import MilpModel, SolveReport, Termination
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu
from mlspec.spec.verifier import Verifier
from mlspec.tolerances import MILP_MARGIN
from mlspec.verifier.cascade import Cascade
from mlspec.verifier.claim_models import ClaimModels
from mlspec.verifier.complete import CompleteStage
from mlspec.verifier.question import Question


def absolute_value(offset: float = 0.5) -> Problem:
    """Margin ``|x0 - x1| + offset``, from x = (0.5, 0.5)."""
    ops = (
        Flatten(),
        Linear(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.zeros(2)),
        Relu(),
        Linear(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([offset, 0.0])),
    )
    layering = Layering(np.array([[0, 1]], dtype=np.int16), 2)
    return problem_of(
        Network(ops, (1, 1, 2)),
        np.full((1, 1, 2), 0.5),
        layering,
        Property(TopK(1), (0,), 2),
    )


def planes(seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(3, 4))


def through_relus(weight: Array, sums: Array, offset: float, value: float) -> Problem:
    """Margin ``sums . relu(weight (x - 0.5)) + offset`` around a grey image of ``value``."""
    last = np.stack([sums, np.zeros(len(sums))])
    ops = (
        Flatten(),
        Linear(weight, -weight.sum(1) / 2),
        Relu(),
        Linear(last, np.array([offset, 0.0])),
    )
    return problem_of(
        Network(ops, (1, 2, 2)),
        np.full((1, 2, 2), value),
        Layering(np.zeros((2, 2), dtype=np.int16), 1),
        Property(TopK(1), (0,), 2),
    )


def hard(offset: float = 0.05) -> tuple[Problem, Array]:
    """Margin ``sum |p| - |sum p| + offset`` of planes ``p``: never below ``offset``."""
    each = planes()
    all_ = each.sum(0, keepdims=True)
    weight = np.concatenate([each, -each, all_, -all_])
    sums = np.array([1.0] * 6 + [-1.0] * 2)
    return through_relus(weight, sums, offset, 0.5), np.array([0.5])


def hidden(offset: float = -1e-3, value: float = 0.27) -> Problem:
    """Margin ``sum |p| + offset``: violated close to the grey image of 0.5 alone."""
    each = np.concatenate([planes(), planes(1)])
    return through_relus(np.concatenate([each, -each]), np.ones(12), offset, value)


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


@dataclass
class Scripted:
    """A solver that answers as told, and counts."""

    report: SolveReport
    name: str = "scripted"
    contains: bool = True
    binaries: int = 0
    asked: list[tuple[int, ...]] = field(default_factory=list)

    def open(self, model: MilpModel) -> Scripted:
        self.model = model
        return self

    def solve(
        self,
        subset: tuple[int, ...],
        deadline: Deadline = NEVER,
        guide: int | None = None,
        beyond: float = 0.0,
    ) -> SolveReport:
        assert guide is None or guide in subset
        self.asked.append(subset)
        return self.report

    def near(
        self,
        image: Array,
        subset: tuple[int, ...],
        deadline: Deadline = NEVER,
        guide: int | None = None,
        ties: int = 0,
    ) -> SolveReport:
        return SolveReport(Termination.INFEASIBLE, None, None, 0.0)

    def admits(self, image: Array, deadline: Deadline = NEVER) -> bool:
        assert not deadline.passed
        return self.contains


def decided(
    problem: Problem,
    eps: Array,
    report: SolveReport,
    *,
    decision: bool = True,
    contains: bool = True,
) -> tuple[Verdict, Scripted]:
    backend = Scripted(report, contains=contains)
    stage = CompleteStage(
        problem, ClaimModels(Compiler(problem.relaxed, decision), backend, backend), SECONDS
    )
    box = problem.neighborhood(eps).box
    analysis = analyse(problem, box, "interval")
    assert not analysis.robust
    return stage.decide(box, analysis, [], Deadline.after(SECONDS), []), backend


CASES: Mapping[str, tuple[SolveReport, Outcome]] = {
    "certified": (
        SolveReport(Termination.INFEASIBLE, None, MILP_MARGIN, 0.1, certified=True),
        Outcome.ROBUST,
    ),
    "infeasible": (SolveReport(Termination.INFEASIBLE, None, None, 0.1), Outcome.UNKNOWN),
    "limit": (SolveReport(Termination.LIMIT, None, None, 0.1), Outcome.UNKNOWN),
    "limit with a bound": (SolveReport(Termination.LIMIT, None, 5.0, 0.1), Outcome.UNKNOWN),
    "failed": (SolveReport(Termination.FAILED, None, None, 0.1, "numbers"), Outcome.UNKNOWN),
    "optimal without a point": (SolveReport(Termination.OPTIMAL, None, 0.0, 0.1), Outcome.UNKNOWN),
}


@pytest.mark.parametrize("name", CASES)
def test_a_decision_is_a_proof_only_if_it_is_certified(name: str) -> None:
    report, outcome = CASES[name]
    problem, eps = hard()
    verdict, _ = decided(problem, eps, report)
    assert verdict.outcome is outcome
    if outcome is Outcome.ROBUST:
        assert verdict.margin == MILP_MARGIN
    else:
        assert verdict.reason


def test_a_model_that_excludes_the_images_themselves_proves_nothing() -> None:
    problem, eps = hard()
    report, _ = CASES["certified"]
    for decision in (True, False):
        verdict, _ = decided(problem, eps, report, decision=decision, contains=False)
        assert verdict.outcome is Outcome.UNKNOWN
        assert "leaves out an image" in verdict.reason


@pytest.mark.parametrize("bound", [None, -1.0, 0.0, 1e-7, 1e-6, float("nan")])
def test_an_optimisation_proves_only_by_its_dual_bound(bound: float | None) -> None:
    problem, eps = hard()
    for termination in Termination:
        for certified in (True, False):
            report = SolveReport(termination, None, bound, 0.1, certified=certified)
            verdict, _ = decided(problem, eps, report, decision=False)
            assert verdict.outcome is Outcome.UNKNOWN, termination


@pytest.mark.parametrize("decision", [True, False])
def test_a_dual_bound_proves_also_at_a_limit_but_only_a_certified_one(decision: bool) -> None:
    problem, eps = hard()
    for termination in (Termination.INFEASIBLE, Termination.LIMIT):
        report = SolveReport(termination, None, 0.01, 0.1, certified=True)
        verdict, _ = decided(problem, eps, report, decision=decision)
        assert verdict.robust
        assert verdict.margin == 0.01
        assert verdict.proof is Proof.DUAL_BOUNDS
        claimed = replace(report, certified=False)
        verdict, _ = decided(problem, eps, claimed, decision=decision)
        assert verdict.outcome is Outcome.UNKNOWN


def test_an_image_of_the_solver_is_clipped_and_replayed() -> None:
    problem = hidden(-0.1, 0.5)
    eps = np.array([0.2])
    centre = np.full((1, 2, 2), 0.5)
    outside = centre + np.array([[[0.0, 0.0], [0.0, 9.0]]])
    for image, outcome in ((centre, Outcome.VIOLATED), (outside, Outcome.UNKNOWN)):
        report = SolveReport(Termination.OPTIMAL, image, None, 0.1)
        verdict, _ = decided(problem, eps, report)
        assert verdict.outcome is outcome
        if verdict.witness is not None:
            assert problem.neighborhood(eps).box.contains(verdict.witness)


def test_every_open_subset_is_asked_and_one_doubt_spoils_the_proof() -> None:
    rng = np.random.default_rng(5)
    weight = rng.normal(size=(4, 4))
    ops = (
        Flatten(),
        Linear(weight, -weight.sum(1) / 2),
        Relu(),
        Linear(rng.normal(size=(4, 4)), np.array([1.0, 0.0, 0.0, 0.0])),
    )
    problem = problem_of(
        Network(ops, (1, 2, 2)),
        np.full((1, 2, 2), 0.5),
        Layering(np.zeros((2, 2), dtype=np.int16), 1),
        Property(TopK(2), (0,), 4),
    )
    report, _ = CASES["certified"]
    verdict, backend = decided(problem, np.array([0.5]), report)
    assert verdict.robust
    assert sorted(backend.asked) == [(0, 1), (0, 2), (1, 2)]


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


@pytest.mark.parametrize("name", ["highs", "highs-mip", "scip", "glpk", "gurobi", "cplex"])
def test_large_numbers_are_decided_alike_on_every_solver(name: str) -> None:
    """The same function with hidden values a million times as large."""
    outcomes = set()
    for unit in (1.0, 1e6):
        each = planes() * unit
        all_ = each.sum(0, keepdims=True)
        sums = np.array([1.0] * 6 + [-1.0] * 2) / unit
        problem = through_relus(np.concatenate([each, -each, all_, -all_]), sums, 1.0, 0.5)
        box = problem.neighborhood(np.ones(1)).box
        analysis = analyse(problem, box, "interval")
        assert not analysis.robust
        stage = complete_stage(problem, Compiler(problem.relaxed), solver(name))
        verdict = stage.decide(box, analysis, [], Deadline.after(SECONDS), [])
        outcomes.add(verdict.outcome)
    assert len(outcomes) == 1
    assert outcomes != {Outcome.UNKNOWN}


class Overconfident:
    """Bounds that certify everything."""

    stage = Stage.INTERVAL
    optimises = False

    def __init__(self, problem: Problem) -> None:
        box = problem.neighborhood(np.zeros(problem.layering.count)).box
        self._analysis = analyse(problem, box, "interval")
        assert self._analysis.robust

    def analyse(self, box: Box, *_: object) -> Analysis:
        return self._analysis


def test_a_contradiction_of_two_stages_is_raised_with_evidence() -> None:
    problem = hidden(-0.1)
    stages = replace(machine_stages(problem), bounders=(Overconfident(problem),))
    verifier = Cascade(problem, stages)
    assert verifier.verify(np.array([0.5]), Deadline.after(SECONDS)).robust
    with pytest.raises(ContradictionError, match="interval") as caught:
        verifier.weakest(np.array([0.5]))
    assert set(caught.value.evidence) == {"eps", "witness", "image"}
    other = Cascade(problem, stages)
    assert other.weakest(np.array([0.5])).violates
    with pytest.raises(ContradictionError):
        other.bound(np.array([0.5]))


def test_a_witness_is_reused_for_larger_radii() -> None:
    verifier = cascade(hidden(-0.1), restarts=8, steps=30)
    first = verifier.verify(np.array([0.4]), Deadline.after(SECONDS))
    assert first.outcome is Outcome.VIOLATED
    assert first.extents is not None
    again = verifier.verify(np.array([0.9]), Deadline.after(SECONDS))
    assert again.stage is Stage.RECALL
    assert again.outcome is Outcome.VIOLATED
    assert not again.complete


def test_the_nearest_violation_is_remembered() -> None:
    """Margin ``0.9 - x``, from x = 0.5."""
    network = Network(
        (Flatten(), Linear(np.array([[-1.0], [0.0]]), np.array([0.9, 0.0]))), (1, 1, 1)
    )
    layering = Layering(np.zeros((1, 1), dtype=np.int16), 1)
    problem = problem_of(network, np.full((1, 1, 1), 0.5), layering, Property(TopK(1), (0,), 2))
    verifier = cascade(problem)
    found = verifier.nearest(lambda shares: 0.8 * shares[:, None], Deadline.after(SECONDS))
    assert found is not None
    share, cut = found
    assert share == pytest.approx(0.5, rel=1e-3)
    assert cut.extents == pytest.approx([0.4], rel=1e-3)
    assert verifier.verify(np.array([0.41]), Deadline.after(SECONDS)).stage is Stage.RECALL
    assert verifier.nearest(lambda shares: 0.3 * shares[:, None], Deadline.after(SECONDS)) is None


def test_only_true_witnesses_are_learned() -> None:
    """Images of another run may not violate here, or move pixels that are fixed here."""
    problem = absolute_value(offset=-0.5)
    fixed = replace(problem, layering=Layering(np.array([[0, -1]], dtype=np.int16), 1))
    moved = np.array([0.5, 0.6]).reshape(1, 1, 2)
    assert problem.margin(moved[None])[0] <= 0.0
    assert len(cascade(problem).learn(moved[None])) == 1
    assert cascade(fixed).learn(moved[None]) == []
    harmless = np.array([1.0, 0.0]).reshape(1, 1, 2)
    assert cascade(problem).learn(harmless[None]) == []
    outside = np.array([1.3, 1.3]).reshape(1, 1, 2)
    assert cascade(problem).learn(outside[None]) == []
    assert cascade(problem).learn(np.empty((0, 1, 1, 2))) == []


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


def test_a_verdict_without_its_evidence_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="witness"):
        Verdict(Outcome.VIOLATED, Stage.ATTACK, -1.0)
    with pytest.raises(ValueError, match="reason"):
        Verdict(Outcome.UNKNOWN, Stage.MILP)


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


def test_an_attack_that_is_known_is_not_made_again() -> None:
    problem, eps = hard()
    verifier = cascade(problem, "interval")
    verifier.weakest(eps, thorough=True)
    first, *_ = verifier.verify(eps, Deadline.after(SECONDS)).accounts
    assert first.stage is Stage.ATTACK


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

    def decide(self, question: Question) -> Verdict | None:
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
