"""What a search is going to ask of its solver: the size of the models, and whose licence fits them.

The sizes are those at the *attack radius*: the smallest epsilon, the same in every layer, at which
an attack finds a violating image. Complete queries are asked just below it. The models here rest on
CROWN bounds, which are looser than the verifier's own, so they are a little larger than the models
that are solved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlspec.attack.path_boxes import Violation
from mlspec.bounds.analysis import Analysis, OpenClaim
from mlspec.core.bounds import Bounds
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.property import Claim
from mlspec.core.protocols import EpsPath
from mlspec.errors import LicenceError
from mlspec.milp.choosing import choosing
from mlspec.milp.model import MilpModel
from mlspec.solvers import ChosenBackend
from mlspec.tensors import single_threaded


@dataclass(frozen=True, eq=False)
class ModelSize:
    """The size of the largest model at one neighborhood."""

    eps: Array
    """The epsilons ``(R,)`` of the neighborhood."""
    variables: int
    constraints: int


@dataclass(frozen=True)
class SolverPlan:
    """What ``mlspec check`` says of solver and device before any query is asked."""

    solver: str
    """Name, version and licence of the solver, or of the solvers."""
    device: str
    """Where bounds and attacks are computed: ``cpu`` or ``cuda``."""
    size: ModelSize
    """At the attack radius."""
    obstacle: str
    """Why the solver cannot take models of this size; empty if it can."""


@dataclass(frozen=True, eq=False)
class Preflight:
    """Builds the models that a search of ``problem`` is going to ask about, and solves none."""

    problem: Problem
    attack: Callable[[EpsPath], Violation | None]
    """Finds the smallest neighborhood on a path that contains a violating image."""
    bounds: Callable[[Box], Analysis]
    """Bounds the network over a box by linear relaxation."""
    compile: Callable[[Box, Bounds, Claim, Sequence[int]], MilpModel]
    """Builds the model that asks whether an image of a box violates a claim, by some of the
    claim's margins."""

    def attack_radius(self) -> Array:
        """Return the smallest epsilons ``(R,)``, the same in every layer, at which the attack finds
        a violating image; 1 if it finds none."""
        ones = np.ones(self.problem.layering.count)
        with single_threaded():
            found = self.attack(lambda shares: shares[:, None] * ones)
        return ones if found is None else found.share * ones

    def largest(self, eps: Array | None = None) -> ModelSize:
        """Return the size of the largest model at ``eps`` ``(R,)`` (None: at the attack radius); 0
        where bounds decide every claim."""
        eps = self.attack_radius() if eps is None else eps
        box = self.problem.neighborhood(eps).box
        with single_threaded():
            analysis = self.bounds(box)
            models = [
                self.compile(box, analysis.bounds(), item.claim, _open_rows(item))
                for item in analysis.claims
                if item.subsets
            ]
        return ModelSize(
            eps,
            max((model.variables for model in models), default=0),
            max((model.constraints for model in models), default=0),
        )

    def whole_models(self, eps: Array) -> list[MilpModel]:
        """Return one model for each claim, in their order, also for those that bounds decide.

        A model has a feasible point iff some image of the neighborhood ``eps`` ``(R,)`` violates
        its claim: which competitor labels reach the target is a choice within the model.
        """
        box = self.problem.neighborhood(eps).box
        models = []
        with single_threaded():
            analysis = self.bounds(box)
            for item in analysis.claims:
                rows = _open_rows(item) or list(range(len(item.claim.rows)))
                model = self.compile(box, analysis.bounds(), item.claim, rows)
                models.append(choosing(model, item.claim.k))
        return models

    def require_licence(self, solver: ChosenBackend, eps: Array | None = None) -> None:
        """Raise LicenceError where the models at ``eps`` (None: at the attack radius) are larger
        than the licence of ``solver`` allows."""
        if solver.limited:
            size = self.largest(eps)
            solver.require(size.variables, size.constraints)

    def plan(self, solver: ChosenBackend, device: str) -> SolverPlan:
        """Return what ``solver`` is going to meet; ``device`` is passed on."""
        size, obstacle = self.largest(), ""
        try:
            solver.require(size.variables, size.constraints)
        except LicenceError as error:
            obstacle = str(error)
        told = solver.description(size.variables, size.constraints)
        return SolverPlan(told, device, size, obstacle)


def _open_rows(item: OpenClaim) -> list[int]:
    return sorted({row for subset in item.subsets for row in subset})
