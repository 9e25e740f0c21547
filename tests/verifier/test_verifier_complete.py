"""The complete stage: its subsets side by side, in any order, or not at all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from machines import SECONDS, analyse, highs
from strategies import problem_of

from mlspec.backends.crew import ProcessCrew
from mlspec.core.layering import Layering
from mlspec.core.network import Flatten, Linear, Network, Relu
from mlspec.core.problem import Problem
from mlspec.core.property import Property, TopK
from mlspec.core.verdict import Account, Outcome, Verdict
from mlspec.milp.compile import Compiler
from mlspec.milp.model import Session, SolveReport, Termination
from mlspec.milp.queries import Answers, Crew, InTurn, SubsetQuery
from mlspec.verifier.complete import REGIONS, CompleteStage

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


@dataclass
class Told:
    """A crew that tells what it is told to: reports by the number of the query."""

    reports: dict[int, SolveReport]
    closed: bool = False

    def answers(self, session: Session, queries: Sequence[SubsetQuery], deadline: float) -> Answers:
        try:
            yield from self.reports.items()
        finally:
            self.closed = True


def stage_of(problem: Problem, crew: Crew) -> CompleteStage:
    return CompleteStage(problem, Compiler(problem.relaxed), highs(), SECONDS, crew)


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
FAILED = SolveReport(Termination.FAILED, None, None, 0.0, "its process ended")


def test_processes_and_one_process_give_the_same_verdict() -> None:
    crew = ProcessCrew(2)
    seen = set()
    for offset in (-0.5, 0.3, 1.0, 3.0):
        problem = several(offset)
        alone, _ = decided(stage_of(problem, InTurn()))
        aside, accounts = decided(stage_of(problem, crew))
        assert alone.outcome is aside.outcome
        assert alone.margin is not None
        seen.add(aside.outcome)
        if aside.robust:
            assert sum(account.finding.startswith("rivals") for account in accounts) == 3
        else:
            assert aside.witness is not None
            assert problem.margin(aside.witness[None])[0] <= 0.0
    assert seen == {Outcome.ROBUST, Outcome.VIOLATED}


def test_only_all_subsets_together_are_a_proof() -> None:
    problem = several(3.0)
    everything = {2: PROVED, 0: PROVED, 1: PROVED}
    verdict, _ = decided(stage_of(problem, Told(everything)))
    assert verdict.outcome is Outcome.ROBUST
    for missing in range(3):
        some = {number: report for number, report in everything.items() if number != missing}
        verdict, _ = decided(stage_of(problem, Told(some)))
        assert verdict.outcome is Outcome.UNKNOWN
        assert verdict.reason.startswith("time limit")
        for other in (LIMIT, FAILED):
            verdict, _ = decided(stage_of(problem, Told({**some, missing: other})))
            assert verdict.outcome is Outcome.UNKNOWN
            assert (verdict.reason.find("process ended") >= 0) == (other is FAILED)


def test_the_first_violation_ends_the_others() -> None:
    problem = several(-3.0)
    image = problem.image
    assert problem.margin(image[None])[0] < 0.0
    found = SolveReport(Termination.OPTIMAL, image, None, 0.1)
    crew = Told({1: found, 0: FAILED, 2: LIMIT})
    verdict, _ = decided(stage_of(problem, crew))
    assert verdict.outcome is Outcome.VIOLATED
    assert crew.closed


def test_linear_regions_that_bring_nothing_are_searched_less() -> None:
    problem = several(3.0)
    stage = stage_of(problem, Told({0: PROVED, 1: PROVED, 2: PROVED}))
    counts = []
    for _ in range(40):
        _, accounts = decided(stage, near=4)
        (said,) = [each.finding for each in accounts if each.finding.startswith("linear regions")]
        counts.append(int(said.split("(")[1].split(")")[0]))
    assert counts[0] == 4
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 1
    for _ in range(40):
        stage.record.note(REGIONS, True)
    _, accounts = decided(stage, near=4)
    assert any("(4)" in each.finding for each in accounts)


def test_the_subset_that_violated_of_late_comes_first() -> None:
    problem = several(3.0)
    asked: list[tuple[int, ...]] = []

    class Listening(InTurn):
        def answers(
            self, session: Session, queries: Sequence[SubsetQuery], deadline: float
        ) -> Answers:
            asked[:] = [query.subset for query in queries]
            yield from super().answers(session, queries, deadline)

    stage = stage_of(problem, Listening())
    decided(stage)
    first = list(asked)
    stage.record.note((0, first[-1]), True)
    decided(replace(stage))
    assert asked == [first[-1], *first[:-1]]
