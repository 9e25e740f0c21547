"""Solver profiles to backends, and which are installed: the one place that knows every solver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlspec.backends.auto import AutoBackend
from mlspec.backends.backend import ProgramBackend
from mlspec.backends.cplex import CPLEX
from mlspec.backends.engine import SolverInterface
from mlspec.backends.glpk import GLPK
from mlspec.backends.gurobi import GUROBI
from mlspec.backends.highs import HIGHS
from mlspec.backends.portfolio import PortfolioBackend
from mlspec.backends.scip import SCIP
from mlspec.branching.engine import BRANCHING, branching
from mlspec.branching.tree import BranchAndCut
from mlspec.errors import MissingSolverError, OptionError
from mlspec.milp.model import Backend
from mlspec.spec import SolverProfile, Source, find_profile, profiles
from mlspec.spec.search import AUTO, LIMITS, SolverChoice
from mlspec.spec.source import did_you_mean

Interfaces = Mapping[str, SolverInterface]
"""By the ``backend`` of a profile."""

INTERFACES: Interfaces = {
    "highs": BRANCHING,
    "highs-mip": HIGHS,
    "gurobi": GUROBI,
    "cplex": CPLEX,
    "scip": SCIP,
    "glpk": GLPK,
}
"""Every ``backend`` that a profile may name."""


def interfaces(method: BranchAndCut) -> Interfaces:
    """Return all of them, where mlspec's own branch and cut has the numbers of ``method``."""
    return {**INTERFACES, "highs": branching(method)}


class ChosenBackend(Backend, Protocol):
    """One solver or several, as a spec chooses them."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of its solvers, by their names."""
        ...

    @property
    def limited(self) -> bool:
        """Whether some model could be too large for it."""
        ...

    def require(self, variables: int, constraints: int) -> None:
        """Raise LicenceError where a model of this size is too large."""
        ...

    def description(self, variables: int, constraints: int) -> str:
        """Return what would solve a model of this size: names, versions, licence."""
        ...


def backend_of(profile: SolverProfile, known: Interfaces = INTERFACES) -> ProgramBackend:
    """Return the solver that ``profile`` declares; raises SpecError where no code runs it."""
    name = profile.backend
    if name not in known:
        expected = f"expected one of {', '.join(known)}; got '{name}'"
        raise profile.source.error("backend", expected + did_you_mean(name, known))
    return ProgramBackend(profile, known[name])


def chosen(
    solver: SolverChoice | Sequence[SolverChoice],
    source: Source | None = None,
    known: Interfaces = INTERFACES,
) -> ChosenBackend:
    """Return what ``spec.solver`` chooses among the ``known``, ready to work.

    Raises SpecError for a profile or an option that does not exist, MissingSolverError for a solver
    that is not installed, and LicenceError for one without any licence.
    """
    source = source or Source()
    if not isinstance(solver, SolverChoice):
        places = [f"solver[{number}]" for number in range(len(solver))]
        members = [_ready(each, source, at, known) for each, at in zip(solver, places, strict=True)]
        return PortfolioBackend(members)
    if solver.profile == AUTO:
        return AutoBackend([backend_of(profile, known) for profile in _ranked(solver, source)])
    return _ready(solver, source, "solver", known)


def prover_for(backend: ChosenBackend, known: Interfaces = INTERFACES) -> ProgramBackend:
    """Return the solver that proves what ``backend`` claims: itself where it certifies, else the
    branch and cut that comes with mlspec."""
    if isinstance(backend, ProgramBackend) and backend.certifies:
        return backend
    return _ready(SolverChoice(), Source(), "solver", known)


def _ranked(choice: SolverChoice, source: Source) -> list[SolverProfile]:
    """Return the profiles that ``auto`` may choose, the strongest first."""
    if choice.options:
        message = "options are those of one solver: name it, instead of auto"
        raise source.error("solver.options", message)
    limits = choice.model_dump(include=set(LIMITS), exclude_none=True)
    ranked = [
        (profile.rank, name)
        for name, profile in profiles(source).items()
        if profile.rank and limits.keys() <= profile.native.keys()
    ]
    names = [name for _, name in sorted(ranked)]
    return [find_profile(choice.model_copy(update={"profile": name}), source) for name in names]


def _ready(choice: SolverChoice, source: Source, at: str, known: Interfaces) -> ProgramBackend:
    backend = backend_of(find_profile(choice, source, at), known)
    try:
        backend.probe()
    except OptionError as error:
        if error.option in choice.options:
            raise source.error(f"{at}.options.{error.option}", str(error)) from None
        raise
    return backend


@dataclass(frozen=True)
class SolverStatus:
    """One solver that has a profile, and whether it is installed."""

    profile: SolverProfile
    version: str | None
    """The version that is installed; None if it is missing."""


def inventory(source: Source | None = None) -> Iterator[SolverStatus]:
    """Yield every solver that has a profile: those that ship, and those in folders ``solvers``."""
    for profile in profiles(source).values():
        try:
            yield SolverStatus(profile, backend_of(profile).version)
        except MissingSolverError:
            yield SolverStatus(profile, None)
