"""``solver: [highs, scip]``: several solvers side by side; the first answer wins."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from mlspec.backends.backend import ProgramBackend
from mlspec.backends.engine import PATIENCE
from mlspec.backends.group import SolverGroup
from mlspec.backends.program import arrays_of
from mlspec.backends.session import ProgramSession
from mlspec.core.deadline import NEVER, Deadline
from mlspec.errors import LicenceError
from mlspec.interrupts import undisturbed
from mlspec.milp.model import MilpModel, SolveReport, Termination

End = tuple[ProgramBackend, SolveReport | BaseException]


class PortfolioBackend(SolverGroup):
    """Several solvers; a model goes to all whose licence fits it."""

    def __init__(self, members: Sequence[ProgramBackend]) -> None:
        super().__init__(members)
        self.name = " + ".join(member.name for member in members)

    def open(self, model: MilpModel) -> PortfolioSession:
        """Load ``model`` into every solver that may have it."""
        program, layout = arrays_of(model)
        self.require(program.columns, program.rows)
        return PortfolioSession(
            {
                member: member.open_program(model, program, layout)
                for member in self.members
                if member.allows(program.columns, program.rows)
            }
        )

    def require(self, variables: int, constraints: int) -> None:
        """Raise LicenceError where a model of this size is too large for every member."""
        if not any(member.allows(variables, constraints) for member in self.members):
            raise LicenceError(
                f"a model with {variables:,} variables and {constraints:,} constraints is too "
                f"large for the licences of all of {self.name}: add highs, scip or glpk"
            )

    def description(self, variables: int, constraints: int) -> str:
        """Return names and versions of all members, whatever the size of the model."""
        names = " + ".join(f"{member.name} {member.version}" for member in self.members)
        return f"{names}, side by side"


class PortfolioSession:
    """One model inside several solvers."""

    def __init__(self, sessions: Mapping[ProgramBackend, ProgramSession]) -> None:
        self._sessions = dict(sessions)

    def solve(
        self,
        subset: tuple[int, ...],
        deadline: Deadline = NEVER,
        guide: int | None = None,
        beyond: float = 0.0,
    ) -> SolveReport:
        """Ask all; return the first answer that decides, and cancel the others.

        A solver that fails is out of the race; if all fail, so does the call.
        """
        began = time.monotonic()
        ends: queue.Queue[End] = queue.Queue()

        def ask(member: ProgramBackend, session: ProgramSession) -> None:
            try:
                ends.put((member, session.solve(subset, deadline, guide, beyond)))
            except BaseException as error:  # it is raised again if nobody answers
                ends.put((member, error))

        threads = [
            threading.Thread(target=ask, args=item, daemon=True) for item in self._sessions.items()
        ]
        for thread in threads:
            thread.start()
        reports, errors = self._gathered(ends)
        if not reports:
            raise errors[0]
        return replace(self._answer(reports), seconds=time.monotonic() - began)

    def _gathered(
        self, ends: queue.Queue[End]
    ) -> tuple[dict[ProgramBackend, SolveReport], list[BaseException]]:
        """Wait for the first decision, then for the others to stop."""
        reports: dict[ProgramBackend, SolveReport] = {}
        errors: list[BaseException] = []
        try:
            while len(reports) + len(errors) < len(self._sessions):
                try:
                    member, end = ends.get(timeout=PATIENCE.poll_seconds)
                except queue.Empty:
                    continue
                if isinstance(end, BaseException):
                    errors.append(end)
                    if isinstance(end, KeyboardInterrupt):
                        raise end
                    continue
                reports[member] = end
                if self._decides(end, reports):
                    self._stop()
        except KeyboardInterrupt:
            with undisturbed(afterwards=False):
                self._stop()
                for _ in range(len(self._sessions) - len(reports) - len(errors)):
                    ends.get()
            raise
        finally:
            for session in self._sessions.values():
                session.revive()
        return reports, errors

    def _decides(self, report: SolveReport, reports: Mapping[ProgramBackend, SolveReport]) -> bool:
        """Whether the other solvers need not go on after ``report``, one of those that came."""
        match report.termination:
            case Termination.OPTIMAL | Termination.UNBOUNDED:
                return True
            case Termination.INFEASIBLE:
                # A claim does not end the race of a solver that can prove it.
                awaited = any(m.certifies for m in self._sessions if m not in reports)
                return report.certified or not awaited
            case (
                Termination.FEASIBLE
                | Termination.LIMIT
                | Termination.NUMERICAL
                | Termination.FAILED
            ):
                return False
            case _:
                assert_never(report.termination)

    def _stop(self) -> None:
        for session in self._sessions.values():
            session.cancel()

    def _answer(self, reports: Mapping[ProgramBackend, SolveReport]) -> SolveReport:
        """Return the report that says most; the order is that in which they came."""
        certified = [report for report in reports.values() if report.certified]
        found = [report for report in reports.values() if report.image is not None]
        if found:
            best = next((r for r in found if r.termination is Termination.OPTIMAL), found[0])
            bounds = [r.dual_bound for r in certified if r.dual_bound is not None]
            return replace(best, dual_bound=max(bounds, default=None), certified=bool(bounds))
        ends = [*certified, *reports.values()]
        denied = (each for each in ends if each.termination is Termination.INFEASIBLE)
        sane = (each for each in ends if each.termination is not Termination.FAILED)
        return next(denied, next(sane, ends[0]))
