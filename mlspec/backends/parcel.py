"""A model on its way to a solver, perhaps in another process."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlspec.backends.program import Layout, LinearProgram
from mlspec.core.network import Array
from mlspec.milp.model import MilpModel
from mlspec.milp.piecewise import Structure
from mlspec.spec import SolverProfile


@dataclass(frozen=True)
class _Input:
    """What is left of an input variable."""

    lb: float | None


@dataclass(frozen=True, eq=False)
class Parcel:
    """A model, its arrays, and the profile of the solver that gets them."""

    profile: SolverProfile
    model: MilpModel
    program: LinearProgram
    layout: Layout

    def bare(self, points: tuple[Array, ...]) -> Parcel:
        """Return it without Pyomo's objects, with points ``(n,)`` of the program to start from."""
        inputs = tuple(_Input(variable.lb) for variable in self.model.inputs)
        model = replace(self.model, pyomo=None, inputs=inputs, margins={}, structure=Structure())
        return replace(self, model=model, program=replace(self.program, known=points))
