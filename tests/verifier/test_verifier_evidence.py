"""What counts as evidence: replayed images and certified bounds, nothing a solver only says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from known_margins import hard, hidden, planes, through_relus
from machines import SECONDS, analyse, complete_stage, solver
from machines import stages as machine_stages
from scripted_solver import ScriptedSolver
from strategies import problem_of

from mlspec.bounds.analysis import Analysis
from mlspec.core.deadline import Deadline
from mlspec.core.layering import Layering
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network
from mlspec.core.problem import Problem
from mlspec.core.property import Property, TopK
from mlspec.core.verdict import Outcome, Proof, Stage, Verdict
from mlspec.errors import ContradictionError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import SolveReport, Termination
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu
from mlspec.tolerances import MILP_MARGIN
from mlspec.verifier.cascade import Cascade
from mlspec.verifier.claim_models import ClaimModels
from mlspec.verifier.complete import CompleteStage

ASKED = 100
"""So often the solver gives its report."""


def decided(
    problem: Problem,
    eps: Array,
    report: SolveReport,
    *,
    decision: bool = True,
    contains: bool = True,
) -> tuple[Verdict, ScriptedSolver]:
    backend = ScriptedSolver([report] * ASKED, contains=contains)
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


def test_a_verdict_without_its_evidence_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="witness"):
        Verdict(Outcome.VIOLATED, Stage.ATTACK, -1.0)
    with pytest.raises(ValueError, match="reason"):
        Verdict(Outcome.UNKNOWN, Stage.MILP)
