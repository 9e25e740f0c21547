"""A solver that fails in every way there is: it raises, hangs, or returns what cannot be true."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlspec.backends.backend import ProgramBackend
from mlspec.backends.engine import Options, Patience, RunEnd, SolverInterface
from mlspec.backends.program import LinearProgram
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.milp.model import Termination
from mlspec.spec.profile import find_profile
from mlspec.spec.search import SolverChoice

IMPATIENT = Patience(grace_seconds=0.05, abandon_seconds=0.2)


def _raised(error: BaseException) -> Callable[[LinearProgram], Any]:
    def fault(program: LinearProgram) -> Any:
        raise error

    return fault


def _ended(
    end: Termination, values: Callable[[LinearProgram], Any] | None = None, bound: Any = None
) -> Callable[[LinearProgram], Any]:
    """Return the fault of a run that ends so, and calls all of it certified."""

    def fault(program: LinearProgram) -> Any:
        point = None if values is None else values(program)
        return RunEnd(end, point, bound, "so it says", certified=True)

    return fault


def _hangs(program: LinearProgram) -> Any:
    threading.Event().wait(30.0)
    return RunEnd(Termination.INFEASIBLE, None, 1.0, "much too late", certified=True)


FAULTS: Mapping[str, Callable[[LinearProgram], Any]] = {
    "raises RuntimeError": _raised(RuntimeError("licence server gone\nsecond line")),
    "raises MemoryError": _raised(MemoryError()),
    "raises OSError": _raised(OSError(32, "Broken pipe")),
    "raises an error of its own": _raised(type("CplexSolverError", (Exception,), {})()),
    "exits": _raised(SystemExit(3)),
    "hangs": _hangs,
    "returns None": lambda program: None,
    "returns a word": lambda program: "optimal",
    "returns an unknown end": _ended("optimal-ish"),  # type: ignore[arg-type]
    "says infeasible": _ended(Termination.INFEASIBLE),
    "says infeasible, with a bound": _ended(Termination.INFEASIBLE, bound=10.0),
    "says unbounded": _ended(Termination.UNBOUNDED),
    "a bound that is too high": _ended(Termination.LIMIT, bound=1e6),
    "a bound that is infinite": _ended(Termination.LIMIT, bound=np.inf),
    "a bound that is NaN": _ended(Termination.OPTIMAL, bound=np.nan),
    "a bound that is a word": _ended(Termination.OPTIMAL, bound="12"),
    "NaN values": _ended(Termination.OPTIMAL, lambda p: np.full(p.columns, np.nan)),
    "infinite values": _ended(Termination.OPTIMAL, lambda p: np.full(p.columns, np.inf)),
    "values outside their bounds": _ended(Termination.OPTIMAL, lambda p: p.upper + 1e3),
    "values far outside": _ended(Termination.FEASIBLE, lambda p: np.full(p.columns, 1e300)),
    "no values": _ended(Termination.OPTIMAL, lambda p: np.empty(0)),
    "too many values": _ended(Termination.OPTIMAL, lambda p: np.zeros(p.columns + 1)),
    "a matrix of values": _ended(Termination.OPTIMAL, lambda p: np.zeros((p.columns, 2))),
    "complex values": _ended(Termination.OPTIMAL, lambda p: np.zeros(p.columns, dtype=complex)),
    "words for values": _ended(Termination.OPTIMAL, lambda p: np.full(p.columns, "1")),
    "a list of values": _ended(Termination.OPTIMAL, lambda p: [0.5] * p.columns),
}
"""What a run does or returns, by name."""

FALSE = {"says infeasible", "says infeasible, with a bound", "a bound that is too high"}
"""Those that look like an answer: only a proof of one's own tells."""


@dataclass
class FaultyEngine:
    """Does or returns ``fault`` whenever it runs."""

    program: LinearProgram
    fault: Callable[[LinearProgram], Any]
    changes: list[str] = field(default_factory=list)

    def change_rows(self, rhs: Mapping[int, float]) -> None:
        self.changes.append("rows")

    def change_columns(self, columns: Sequence[int], lower: Array, upper: Array) -> None:
        self.changes.append("columns")

    def change_cost(self, cost: Array) -> None:
        self.changes.append("cost")

    def run(self, deadline: Deadline) -> Any:
        return self.fault(self.program)

    def cancel(self) -> None:
        pass


def faulty(name: str, *, certifies: bool = False) -> ProgramBackend:
    """Return the solver with the fault ``name``."""

    def load(program: LinearProgram, options: Options, first: bool) -> Any:
        return FaultyEngine(program, FAULTS[name])

    return backend_with(load, certifies=certifies)


def backend_with(load: Any, *, certifies: bool = False) -> ProgramBackend:
    """Return a solver that ``load`` loads."""
    interface = SolverInterface("Faulty", lambda: "0", load, certifies)
    return ProgramBackend(find_profile(SolverChoice(profile="highs")), interface)
