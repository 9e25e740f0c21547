"""What a solver must be able to do: hold one program, change it in place, solve it, stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from mlspec.backends.program import LinearProgram
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.milp.model import Termination

Options = Mapping[str, bool | int | float | str]
"""Options by the solver's own names."""


@dataclass(frozen=True)
class Patience:
    """How long a solver may take, beside the deadline that it is given."""

    least_seconds: float = 0.01
    """A run has at least so much time: some solvers take none for no limit."""
    most_seconds: float = 1e8
    """A run has at most so much time. Three years stand for no limit: not every solver can be told
    infinity."""
    poll_seconds: float = 0.05
    """How often cancellation and the clock are looked at while a solver runs."""
    grace_seconds: float = 1.0
    """A solver that overruns its own time limit by this much is cancelled."""
    abandon_seconds: float = 60.0
    """One that is cancelled and does not end in this time is left alone, and asked nothing more.
    HiGHS looks at cancellation every few iterations, seconds apart in the largest models."""

    def seconds(self, deadline: Deadline) -> float:
        """Return the time limit of a run that ends at ``deadline``."""
        return min(max(deadline.left, self.least_seconds), self.most_seconds)

    def wall_seconds(self, deadline: Deadline) -> float:
        """Return the same by the wall clock: none where work is counted."""
        return min(max(deadline.wall_left, self.least_seconds), self.most_seconds)


PATIENCE: Final = Patience()


@dataclass(frozen=True, eq=False)
class RunEnd:
    """How one run ended."""

    termination: Termination
    """UNBOUNDED may also stand for "infeasible or unbounded": the session asks again."""
    values: Array | None
    """``(n,)``: the incumbent, if there is one."""
    bound: float | None
    """A lower bound of the objective, if there is one; a proved one where ``certified``."""
    message: str
    """The solver's own word for the end."""
    certified: bool = False
    """Whether INFEASIBLE and ``bound`` were computed in float64, free of the solver's
    tolerances."""


class Engine(Protocol):
    """One program inside a solver. Nothing is changed while it runs."""

    def change_rows(self, rhs: Mapping[int, float]) -> None:
        """Set right-hand sides of rows of the kind <=; infinity switches one off."""
        ...

    def change_columns(self, columns: Sequence[int], lower: Array, upper: Array) -> None:
        """Set the bounds of some variables."""
        ...

    def change_cost(self, cost: Array) -> None:
        """Set the whole objective ``(n,)``."""
        ...

    def run(self, deadline: Deadline) -> RunEnd:
        """Minimise from scratch until ``deadline``; called in a thread of its own."""
        ...

    def cancel(self) -> None:
        """Make ``run`` end soon, from another thread; may be called again, or when it is over."""
        ...


@runtime_checkable
class WarmStartedEngine(Engine, Protocol):
    """An engine that can start from what another one returned."""

    def warm_starts(self) -> object:
        """Return what an engine for another box can start from."""
        ...

    def start_from(self, warm_start: object) -> None:
        """Start from what an engine for another box of the same network returned."""
        ...


Loader = Callable[[LinearProgram, Options, bool], Engine]
"""Loads a program with options; with True, a run ends at the first feasible point it finds."""


@dataclass(frozen=True)
class SolverInterface:
    """A solver before it is loaded: what the ``backend`` of a profile stands for."""

    title: str
    """Its name as its makers write it."""
    version: Callable[[], str]
    """Returns the version that is installed; raises MissingSolverError. Takes no licence."""
    load: Loader
    """Raises MissingSolverError, LicenceError or OptionError."""
    certifies: bool = False
    """Whether its answers to decisions rest on dual bounds in float64, not on its word."""
