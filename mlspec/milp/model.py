"""A compiled neighborhood: a Pyomo model whose feasible points are the violating images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import pyomo.environ as pyo

from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array
from mlspec.milp.piecewise import Structure


@dataclass(frozen=True, eq=False)
class MilpModel:
    """One claim over one box.

    ``pyomo`` holds all margin rows; a query activates those of one subset. Its objective minimises
    ``level``, an upper bound of every active margin: a constant in decision form.
    """

    pyomo: Any
    pixels: tuple[int, ...]
    """Flat index of the pixel behind each input variable."""
    inputs: tuple[Any, ...]
    """The input variables, in the order of ``pixels``."""
    margins: Mapping[int, Any]
    """Row of the claim to its Pyomo constraint ``margin <= level``."""
    decision: bool
    """Whether ``level`` is fixed: then a feasible point is a candidate witness and none is a
    proof."""
    centre: Array
    """``(C, H, W)``: values of the pixels that have no variable."""
    binaries: int
    scales: Mapping[int, float] = field(default_factory=dict)
    """What the constraints of ``margins`` were multiplied by; 1 where nothing is said."""
    starts: Array | float = 0.0
    """``(inputs,)``: the value of each pixel where its variable is 0."""
    units: Array | float = 1.0
    """``(inputs,)``: what the pixel gains where its variable grows by 1."""
    structure: Structure = field(default_factory=Structure)
    """What the binaries stand for."""

    @property
    def variables(self) -> int:
        """Number of variables."""
        return int(self.pyomo.nvariables())

    @property
    def constraints(self) -> int:
        """Number of rows as solvers get them: a range counts as two."""
        rows = self.pyomo.component_data_objects(pyo.Constraint, active=True)
        return sum(2 if row.has_lb() and row.has_ub() and not row.equality else 1 for row in rows)

    def image(self, values: Iterable[float]) -> Array:
        """Return the image ``(C, H, W)`` with ``values`` at the input variables."""
        flat = self.centre.ravel().copy()
        flat[list(self.pixels)] = self.starts + self.units * np.array(
            list(values), dtype=np.float64
        )
        return flat.reshape(self.centre.shape)

    def values(self, image: Array) -> Array:
        """Return the values ``(inputs,)`` of the input variables at ``image`` ``(C, H, W)``."""
        return np.asarray((image.ravel()[list(self.pixels)] - self.starts) / self.units)


class Termination(StrEnum):
    """How a solve ended, in one vocabulary for all solvers."""

    OPTIMAL = "optimal"
    """An optimum (for a decision: a feasible point) was found and proved."""
    FEASIBLE = "feasible"
    """A limit came, with an incumbent."""
    INFEASIBLE = "infeasible"
    """The solver says that there is no solution; a proof only where the report is certified."""
    UNBOUNDED = "unbounded"
    """Proved to have no least objective."""
    LIMIT = "time limit"
    """A limit came, without an incumbent."""
    NUMERICAL = "numerical trouble"
    """The solver does not trust its own numbers."""
    FAILED = "failed"
    """The solver gave up for another reason; ``SolveReport.message`` says which."""

    @property
    def advice(self) -> str:
        """What to do about an end that decides nothing, in a sentence; empty where none is due."""
        return _ADVICE.get(self, "")


_ADVICE: Mapping[Termination, str] = {
    Termination.FEASIBLE: "give it more time",
    Termination.LIMIT: "give it more time, or take a stronger solver",
    Termination.UNBOUNDED: "no model of a network is unbounded: please report it",
    Termination.NUMERICAL: "take tighter bounds (verifier.bounds: alpha), or another solver",
    Termination.FAILED: "take another solver (solver: [highs, scip] asks two at once)",
}


@dataclass(frozen=True, eq=False)
class SolveReport:
    """What a solver said of one query."""

    termination: Termination
    image: Array | None
    """The incumbent's image ``(C, H, W)``, if there is one."""
    dual_bound: float | None
    """A lower bound of the largest margin of the subset; a proved one where ``certified``."""
    seconds: float
    message: str = ""
    """The solver's own word for the end."""
    certified: bool = False
    """Whether ``dual_bound`` was computed in float64 and depends on no tolerance of the solver;
    else it, and INFEASIBLE, are the solver's claim."""


class Session(Protocol):
    """One loaded model that answers several queries."""

    def solve(
        self,
        subset: tuple[int, ...],
        deadline: Deadline = NEVER,
        guide: int | None = None,
        beyond: float = 0.0,
    ) -> SolveReport:
        """Solve with the margin rows of ``subset`` active, until about ``deadline``.

        A decision ends at the first feasible point. The solver may aim for a small margin in the
        row ``guide`` on its way there: without an aim its cuts and branchings are blind. ``beyond``
        asks for points that lie this much deeper inside the active rows.
        """
        ...


class ProvingSession(Session, Protocol):
    """One model loaded into branch and cut, which certifies what it decides."""

    def warm_starts(self) -> object:
        """Return what a session on another box can start from; None if nothing."""
        ...

    def start_from(self, warm_start: object) -> None:
        """Start from what a session on another box of the same network returned; only what is
        proved in this model counts."""
        ...

    @property
    def binaries(self) -> int:
        """Number of binaries of the model."""
        ...

    def near(
        self,
        image: Array,
        subset: tuple[int, ...],
        deadline: Deadline = NEVER,
        guide: int | None = None,
        ties: int = 0,
    ) -> SolveReport:
        """Solve as ``solve`` does, but only where the network is in the same linear region as at
        ``image`` ``(C, H, W)``: a linear program, whose "infeasible" proves nothing.

        In a decision so many ReLUs and windows as ``ties`` says, those nearest to a tie at
        ``image``, may change their winner: a small MILP, which is searched for the least margin.
        """
        ...

    def admits(self, image: Array, deadline: Deadline = NEVER) -> bool:
        """Say whether the model contains ``image`` ``(C, H, W)``, whatever its margins."""
        ...


class Backend(Protocol):
    """A solver."""

    @property
    def name(self) -> str:
        """Name of the solver profile."""
        ...

    def open(self, model: MilpModel) -> Session:
        """Load ``model``."""
        ...


class Prover(Protocol):
    """A solver whose answers to decisions rest on dual bounds in float64, not on its word."""

    @property
    def name(self) -> str:
        """Name of the solver profile."""
        ...

    def open(self, model: MilpModel) -> ProvingSession:
        """Load ``model``."""
        ...
