"""A solver, and a prover, that answers as told: for what no real one can be made to say."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array
from mlspec.milp.model import MilpModel, SolveReport, Termination


class ScriptedSolver:
    """Gives one report for each question, in their order; ``contains`` is what its model admits."""

    name = "scripted"
    binaries = 0

    def __init__(
        self, reports: Sequence[SolveReport], delay: float = 0.0, *, contains: bool = True
    ) -> None:
        self.reports = list(reports)
        self.delay = delay
        self.contains = contains
        self.asked: list[tuple[int, ...]] = []
        self.regions = 0
        self.started_from: list[object] = []

    def open(self, model: MilpModel) -> ScriptedSolver:
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
        time.sleep(self.delay)
        return self.reports[len(self.asked) - 1]

    def near(
        self,
        image: Array,
        subset: tuple[int, ...],
        deadline: Deadline = NEVER,
        guide: int | None = None,
        ties: int = 0,
    ) -> SolveReport:
        self.regions += 1
        return SolveReport(Termination.INFEASIBLE, None, None, 0.0)

    def warm_starts(self) -> object:
        return f"after {len(self.asked)}"

    def start_from(self, warm_start: object) -> None:
        self.started_from.append(warm_start)

    def admits(self, image: Array, deadline: Deadline = NEVER) -> bool:
        assert not deadline.passed
        return self.contains
