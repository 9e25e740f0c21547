"""Declarative solver profiles: what a solver can do and how its options are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from mlspec.spec.assets import asset_dir
from mlspec.spec.base import SpecModel
from mlspec.spec.load import load_model
from mlspec.spec.search import Count, OptionValue, Positive, SolverChoice
from mlspec.spec.source import Source, did_you_mean

BackendName = Literal["highs"]

Capability = Literal["bound_when_stopped", "infeasibility_proof", "objective_stop", "persistent"]
"""Gives a dual bound at a time limit; its word "infeasible" counts as a proof; can stop at an
objective value; keeps a model between calls."""

LimitName = Literal["seconds", "threads", "gap", "feasibility_tolerance"]


class Limits(SpecModel):
    """Limits by neutral names; null leaves the solver's own default."""

    seconds: Positive | None = None
    """Wall-clock time of one call."""
    threads: Count | None = None
    """Threads."""
    gap: Annotated[float, Field(ge=0)] | None = None
    """Relative gap at which an optimisation may stop."""
    feasibility_tolerance: Positive | None = None
    """How far a constraint or an integrality may be violated."""


class SolverProfile(SpecModel):
    """One solver, as a file in ``solvers/`` declares it."""

    name: Annotated[str, Field(min_length=1)]
    """Name by which specs choose it: that of its file."""
    backend: BackendName
    """The code that runs it."""
    description: str
    """What it is, in a sentence."""
    licence: str
    """Its licence, and what that forbids."""
    limits: Limits = Limits()
    """Limits of each call, unless the spec sets others."""
    native: Mapping[LimitName, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    """The solver's own option names for each limit that it knows."""
    options: Mapping[str, OptionValue] = {}
    """Further options by the solver's own names."""
    capabilities: tuple[Capability, ...] = ()
    """What it can do."""

    def native_options(self) -> dict[str, bool | int | float | str]:
        """All limits and options, by the solver's own names."""
        limits = self.limits.model_dump(exclude_none=True)
        translated = {
            option: limits[limit]
            for limit, options in self.native.items()
            if limit in limits
            for option in options
        }
        return translated | dict(self.options)


def profile_names() -> tuple[str, ...]:
    """The profiles that ship with mlspec."""
    return tuple(sorted(file.stem for file in asset_dir("solvers").glob("*.yaml")))


def find_profile(choice: SolverChoice, source: Source | None = None) -> SolverProfile:
    """The profile that a spec chooses, with what the spec changes in it.

    Args:
        choice: ``spec.solver``.
        source: ``spec.source``, for the places in errors and the folder of relative paths.
    """
    source = source or Source()
    if choice.profile.endswith((".yaml", ".yml")):
        file = source.resolve_path("solver.profile", choice.profile)
    else:
        names = profile_names()
        if choice.profile not in names:
            known = f"known: {', '.join(names)}, or the path of a profile ending in .yaml"
            message = f"no solver profile '{choice.profile}'; {known}"
            raise source.error("solver.profile", message + did_you_mean(choice.profile, names))
        file = asset_dir("solvers") / f"{choice.profile}.yaml"
    profile = load_model(file, SolverProfile)
    limits = choice.model_dump(include={"seconds", "threads", "gap"}, exclude_none=True)
    for name in limits:
        if name not in profile.native:
            raise source.error(f"solver.{name}", f"solver '{profile.name}' has no such limit")
    return profile.model_copy(
        update={
            "limits": profile.limits.model_copy(update=limits),
            "options": {**profile.options, **choice.options},
        }
    )
