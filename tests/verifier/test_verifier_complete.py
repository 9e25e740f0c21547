"""The complete stage: all its subsets, or no proof."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from machines import SECONDS, analyse, highs
from strategies import problem_of

from mlspec.core.layering import Layering
from mlspec.core.network import Array, Flatten, Linear, Network, Relu
from mlspec.core.problem import Problem
from mlspec.core.property import Property, TopK
from mlspec.core.verdict import Account, Outcome, Verdict
from mlspec.milp.compile import Compiler
from mlspec.milp.model import Backend, MilpModel, SolveReport, Termination
from mlspec.verifier.complete import CompleteStage

EPS = np.array([0.5])


def several(offset: float) -> Problem:
    """Four labels of which two are predicted: intervals leave all three pairs of rivals open.

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


class Told:
    """A solver that says what it is told to, one report for each subset in their order."""

    name = "told"

    def __init__(self, reports: Sequence[SolveReport], delay: float = 0.0) -> None:
        self.reports = list(reports)
        self.delay = delay
        self.asked: list[tuple[int, ...]] = []
        self.regions = 0

    def open(self, model: MilpModel) -> Told:
        return self

    def solve(
        self,
        subset: tuple[int, ...],
        seconds: float,
        guide: int | None = None,
        beyond: float = 0.0,
    ) -> SolveReport:
        self.asked.append(subset)
        time.sleep(self.delay)
        return self.reports[len(self.asked) - 1]

    def near(
        self,
        image: Array,
        subset: tuple[int, ...],
        seconds: float,
        guide: int | None = None,
        ties: int = 0,
    ) -> SolveReport:
        self.regions += 1
        return SolveReport(Termination.INFEASIBLE, None, None, 0.0)

    def admits(self, image: Array, seconds: float) -> bool:
        return True


def stage_of(problem: Problem, backend: Backend, seconds: float = SECONDS) -> CompleteStage:
    return CompleteStage(problem, Compiler(problem.relaxed), backend, seconds)


def decided(stage: CompleteStage, near: int = 0) -> tuple[Verdict, list[Account]]:
    problem = stage.problem
    box = problem.neighborhood(EPS).box
    analysis = analyse(problem, box, "interval")
    assert analysis.open_subsets == 3
    accounts: list[Account] = []
    images = [problem.image] * near
    return stage.decide(box, analysis, images, time.monotonic() + SECONDS, accounts), accounts


PROVED = SolveReport(Termination.INFEASIBLE, None, None, 0.1)
LIMIT = SolveReport(Termination.LIMIT, None, None, 0.1)
FAILED = SolveReport(Termination.FAILED, None, None, 0.1, "it broke off")


def test_every_open_subset_is_decided_and_accounted_for() -> None:
    seen = set()
    for offset in (-0.5, 0.3, 1.0, 3.0):
        problem = several(offset)
        verdict, accounts = decided(stage_of(problem, highs()))
        seen.add(verdict.outcome)
        asked = sum(account.finding.startswith("rivals") for account in accounts)
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
    verdict, _ = decided(stage_of(problem, Told(everything)))
    assert verdict.outcome is Outcome.ROBUST
    for missing in range(3):
        for other in (LIMIT, FAILED):
            told = [other if number == missing else PROVED for number in range(3)]
            verdict, _ = decided(stage_of(problem, Told(told)))
            assert verdict.outcome is Outcome.UNKNOWN
            assert (verdict.reason.find("it broke off") >= 0) == (other is FAILED)


@pytest.mark.parametrize("reached", [1, 2])
def test_subsets_that_no_time_is_left_for_are_not_proved(reached: int) -> None:
    backend = Told([PROVED] * 3, delay=0.6 / reached)
    verdict, _ = decided(stage_of(several(3.0), backend, seconds=0.5))
    assert len(backend.asked) == reached
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.reason.startswith(f"time limit with {3 - reached} subset(s)")
    assert verdict.reason.endswith("(it was verifier.milp.seconds)")


def test_the_first_violation_ends_the_query() -> None:
    problem = several(-3.0)
    image = problem.image
    assert problem.margin(image[None])[0] < 0.0
    backend = Told([PROVED, SolveReport(Termination.OPTIMAL, image, None, 0.1), FAILED])
    verdict, _ = decided(stage_of(problem, backend))
    assert verdict.outcome is Outcome.VIOLATED
    assert len(backend.asked) == 2


def test_the_linear_regions_of_all_weak_images_are_searched_for_every_subset() -> None:
    backend = Told([PROVED] * 3)
    _, accounts = decided(stage_of(several(3.0), backend), near=4)
    assert backend.regions == 4 * 3
    assert any("linear regions of weak points (4)" in each.finding for each in accounts)
