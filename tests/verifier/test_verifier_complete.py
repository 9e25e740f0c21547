"""The complete stage: all its subsets, or no proof."""

from __future__ import annotations

import numpy as np
import pytest
from machines import SECONDS, analyse, highs
from oracles import level
from scripted_solver import ScriptedSolver
from strategies import problem_of

from mlspec.backends.backend import ProgramBackend
from mlspec.core.deadline import Deadline
from mlspec.core.layering import Layering
from mlspec.core.network import Network
from mlspec.core.problem import Problem
from mlspec.core.property import Property, TopK
from mlspec.core.verdict import Account, Outcome, Proof, Verdict
from mlspec.errors import ContradictionError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import Backend, Prover, SolveReport, Termination
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu
from mlspec.tolerances import MILP_MARGIN
from mlspec.verifier.claim_models import ClaimModels
from mlspec.verifier.complete import CompleteStage

EPS = np.array([0.5])


def several(offset: float) -> Problem:
    """Four labels of which two are predicted: intervals leave all three pairs of competitors open.

    Robust for a large ``offset``, violated for a small one.
    """
    rng = np.random.default_rng(5)
    weight = rng.normal(size=(4, 4))
    ops = (
        Flatten(),
        Linear(weight, -weight.sum(1) / 2),
        Relu(),
        Linear(rng.normal(size=(4, 4)), np.array([offset, 0.0, 0.0, 0.0])),
    )
    return problem_of(
        Network(ops, (1, 2, 2)),
        np.full((1, 2, 2), 0.5),
        Layering(np.zeros((2, 2), dtype=np.int16), 1),
        Property(TopK(2), (0,), 4),
    )


def stage_of(
    problem: Problem, prover: ScriptedSolver | ProgramBackend, seconds: float = SECONDS
) -> CompleteStage:
    """A stage whose solver is its own prover."""
    models = ClaimModels(Compiler(problem.relaxed), prover, prover)
    return CompleteStage(problem, models, seconds)


def asking(
    problem: Problem, backend: Backend, prover: Prover, *, decision: bool = True
) -> CompleteStage:
    """A stage whose solver only claims."""
    models = ClaimModels(Compiler(problem.relaxed, decision), backend, prover)
    return CompleteStage(problem, models, SECONDS)


def decided(stage: CompleteStage, near: int = 0) -> tuple[Verdict, list[Account]]:
    problem = stage.problem
    box = problem.neighborhood(EPS).box
    analysis = analyse(problem, box, "interval")
    assert analysis.open_subsets == 3
    accounts: list[Account] = []
    images = [problem.image] * near
    return stage.decide(box, analysis, images, Deadline.after(SECONDS), accounts), accounts


PROVED = SolveReport(Termination.INFEASIBLE, None, MILP_MARGIN, 0.1, certified=True)
CLAIMED = SolveReport(Termination.INFEASIBLE, None, None, 0.1)
CLAIMED_BOUND = SolveReport(Termination.OPTIMAL, None, 1.0, 0.1)
LIMIT = SolveReport(Termination.LIMIT, None, None, 0.1)
FAILED = SolveReport(Termination.FAILED, None, None, 0.1, "it broke off")


def test_every_open_subset_is_decided_and_accounted_for() -> None:
    seen = set()
    for offset in (-0.5, 0.3, 1.0, 3.0):
        problem = several(offset)
        verdict, accounts = decided(stage_of(problem, highs()))
        seen.add(verdict.outcome)
        asked = sum("margin >" in account.finding for account in accounts)
        if verdict.robust:
            assert asked == 3
        else:
            assert asked <= 3
            assert verdict.witness is not None
            assert problem.margin(verdict.witness[None])[0] <= 0.0
    assert seen == {Outcome.ROBUST, Outcome.VIOLATED}


def test_only_all_subsets_together_are_a_proof() -> None:
    problem = several(3.0)
    everything = [PROVED] * 3
    verdict, _ = decided(stage_of(problem, ScriptedSolver(everything)))
    assert verdict.outcome is Outcome.ROBUST
    for missing in range(3):
        for other in (LIMIT, FAILED):
            told = [other if number == missing else PROVED for number in range(3)]
            verdict, _ = decided(stage_of(problem, ScriptedSolver(told)))
            assert verdict.outcome is Outcome.UNKNOWN
            assert (verdict.reason.find("it broke off") >= 0) == (other is FAILED)


@pytest.mark.parametrize("reached", [1, 2])
def test_subsets_that_no_time_is_left_for_are_not_proved(reached: int) -> None:
    backend = ScriptedSolver([PROVED] * 3, delay=0.6 / reached)
    verdict, _ = decided(stage_of(several(3.0), backend, seconds=0.5))
    assert len(backend.asked) == reached
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.reason.startswith(f"time limit with {3 - reached} subset(s)")
    assert verdict.reason.endswith("(it was verifier.milp.seconds)")


def test_the_first_violation_ends_the_query() -> None:
    problem = several(-3.0)
    image = problem.image
    assert problem.margin(image[None])[0] < 0.0
    backend = ScriptedSolver([PROVED, SolveReport(Termination.OPTIMAL, image, None, 0.1), FAILED])
    verdict, _ = decided(stage_of(problem, backend))
    assert verdict.outcome is Outcome.VIOLATED
    assert len(backend.asked) == 2


def test_the_linear_regions_of_all_weak_images_are_searched_for_every_subset() -> None:
    backend = ScriptedSolver([PROVED] * 3)
    _, accounts = decided(stage_of(several(3.0), backend), near=4)
    assert backend.regions == 4 * 3
    assert any("linear regions of weak points (4)" in each.finding for each in accounts)


@pytest.mark.parametrize("claimed", [CLAIMED, CLAIMED_BOUND])
def test_a_claim_is_robust_only_once_it_is_proved(claimed: SolveReport) -> None:
    problem = several(3.0)
    decision = claimed is CLAIMED
    verdict, _ = decided(asking(problem, ScriptedSolver([claimed] * 3), highs(), decision=decision))
    assert verdict.outcome is Outcome.ROBUST
    assert verdict.proof is Proof.DUAL_BOUNDS
    assert verdict.claim == ""
    verdict, _ = decided(
        asking(
            problem, ScriptedSolver([claimed] * 3), ScriptedSolver([LIMIT] * 9), decision=decision
        )
    )
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.claim == "scripted"
    assert verdict.basis == "claimed by scripted"
    assert "not proved" in verdict.reason


def test_a_wrong_claim_is_refuted() -> None:
    """The solver denies what the prover, or a weak image, then shows."""
    problem = several(-0.5)
    for decision in (True, False):
        told = ScriptedSolver([CLAIMED if decision else CLAIMED_BOUND] * 3)
        verdict, _ = decided(asking(problem, told, highs(), decision=decision))
        assert verdict.outcome is Outcome.VIOLATED
        assert verdict.proof is Proof.REPLAY


def test_a_solver_that_fails_leaves_the_decision_to_the_prover() -> None:
    verdict, _ = decided(asking(several(3.0), ScriptedSolver([FAILED] * 3), highs()))
    assert verdict.outcome is Outcome.ROBUST


def test_a_certified_answer_of_another_solver_needs_no_second_proof() -> None:
    """As of a portfolio with branch and cut in it."""
    prover = ScriptedSolver([])
    verdict, _ = decided(asking(several(3.0), ScriptedSolver([PROVED] * 3), prover))
    assert verdict.outcome is Outcome.ROBUST
    assert prover.asked == []


def test_an_image_below_a_certified_margin_is_a_contradiction() -> None:
    problem = several(-3.0)
    wrong = SolveReport(Termination.OPTIMAL, problem.image, 1.0, 0.1, certified=True)
    with pytest.raises(ContradictionError, match="one of them is wrong") as raised:
        decided(stage_of(problem, ScriptedSolver([wrong] * 3)))
    assert raised.value.evidence["witness"].shape == problem.image.shape


def test_the_margin_that_is_said_is_proved() -> None:
    """With the margin as objective it is the least margin, but for the gap of the search."""
    problem = several(3.0)
    prover = highs()
    models = ClaimModels(Compiler(problem.relaxed, decision=False), prover, prover)
    verdict, _ = decided(CompleteStage(problem, models, SECONDS))
    least = level(problem.network, problem.neighborhood(EPS).box, problem.property).margin
    assert verdict.margin is not None
    assert least - 1e-4 <= verdict.margin <= least


def test_a_query_starts_from_what_the_one_before_it_returned() -> None:
    problem = several(3.0)
    robust = SolveReport(Termination.INFEASIBLE, None, 1.0, 0.0, certified=True)
    told = ScriptedSolver([robust] * 6)
    stage = stage_of(problem, told)
    for _ in range(2):
        assert decided(stage)[0].robust
    assert told.started_from == [None, "after 3"]
