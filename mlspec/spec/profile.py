"""Declarative solver profiles: limits, licence, and how a solver's options are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mlspec.spec.assets import asset_dir
from mlspec.spec.base import Document, SpecModel
from mlspec.spec.load import load_model
from mlspec.spec.numbers import Count, Positive
from mlspec.spec.search import AUTO, LIMITS, OptionValue, SolverChoice
from mlspec.spec.source import Source, did_you_mean, undotted

LimitName = Literal["seconds", "threads", "gap", "feasibility_tolerance", "integrality_tolerance"]


class Limits(SpecModel):
    """Limits by neutral names; null leaves the solver's own default."""

    seconds: Positive | None = None
    """Wall-clock time of one call."""
    threads: Count | None = None
    """Threads."""
    gap: Annotated[float, Field(ge=0)] | None = None
    """Relative gap at which an optimisation may stop."""
    feasibility_tolerance: Positive | None = None
    """How far a constraint may be violated."""
    integrality_tolerance: Positive | None = None
    """How far an integer variable may be from an integer."""


class SizeLimit(SpecModel):
    """The largest model that a licence allows."""

    variables: Count
    """Number of variables."""
    constraints: Count
    """Number of constraints."""

    def fits(self, variables: int, constraints: int) -> bool:
        """Whether a model of this size is within the limit."""
        return variables <= self.variables and constraints <= self.constraints


class SolverProfile(Document):
    """One solver, as a file in ``solvers/`` declares it."""

    title: ClassVar[str] = "the profile of a solver"
    command: ClassVar[str] = "mlspec solve SPEC --solver {file}"

    name: Annotated[str, Field(min_length=1)]
    """Name by which specs choose it: that of its file."""
    backend: Annotated[str, Field(min_length=1)]
    """The code that runs it, by its name in ``mlspec/solvers.py``."""
    interface: str
    """How mlspec talks to it."""
    install: str
    """How it is installed."""
    licence: str
    """Its licence, and what that forbids."""
    free_licence: SizeLimit | None = None
    """The largest model that its free licence allows; null is no limit."""
    rank: Count | None = None
    """Its place in the order of ``solver: auto``, the strongest first; null is never chosen."""
    limits: Limits = Limits()
    """Limits of each call, unless the spec sets others."""
    native: Mapping[LimitName, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    """The solver's own option names for each limit that it knows."""
    options: Mapping[str, OptionValue] = {}
    """Further options by the solver's own names."""

    def native_options(self) -> dict[str, bool | int | float | str]:
        """All limits but the seconds, and all options, by the solver's own names."""
        limits = self.limits.model_dump(exclude_none=True, exclude={"seconds"})
        translated = {
            option: limits[limit]
            for limit, options in self.native.items()
            if limit in limits
            for option in options
        }
        return translated | dict(self.options)


def profile_names() -> tuple[str, ...]:
    """The profiles that ship with mlspec."""
    return tuple(_profiles_in(asset_dir("solvers")))


def profiles(source: Source | None = None) -> dict[str, SolverProfile]:
    """All profiles by name: those that ship, and those in a user's folders ``solvers``."""
    return {name: _read(name, file) for name, file in sorted(_known(source or Source()).items())}


def find_profile(
    choice: SolverChoice, source: Source | None = None, at: str = "solver"
) -> SolverProfile:
    """The profile that a spec chooses, with what the spec changes in it.

    A name is looked up in the folders ``solvers`` beside the spec and in the working directory,
    then among the profiles that ship.

    Args:
        choice: one solver of ``spec.solver``.
        source: ``spec.source``, for the places in errors and the folder of relative paths.
        at: where the choice stands in the spec.
    """
    source = source or Source()
    # A bare name stands where the choice does.
    place = f"{at}.profile" if undotted(f"{at}.profile") in source.marks else at
    if choice.profile.endswith((".yaml", ".yml")):
        file = source.resolve_path(place, choice.profile)
        profile = load_model(file, SolverProfile)
    else:
        known = _known(source)
        if choice.profile not in known:
            names = f"known: {AUTO}, {', '.join(known)}, or the path of a profile ending in .yaml"
            message = f"no solver profile '{choice.profile}'; {names}"
            raise source.error(place, message + did_you_mean(choice.profile, known))
        profile = _read(choice.profile, known[choice.profile])
    limits = choice.model_dump(include=set(LIMITS), exclude_none=True)
    for name in limits:
        if name not in profile.native:
            raise source.error(f"{at}.{name}", f"solver '{profile.name}' has no such limit")
    return profile.model_copy(
        update={
            "limits": profile.limits.model_copy(update=limits),
            "options": {**profile.options, **choice.options},
        }
    )


def _read(name: str, file: Path) -> SolverProfile:
    profile = load_model(file, SolverProfile)
    if profile.name != name:
        raise profile.source.error("name", f"the file is {file.name}: call the profile '{name}'")
    return profile


def _known(source: Source) -> dict[str, Path]:
    """Return the file of every profile that a name can mean, those of a user first in rank."""
    found = _profiles_in(asset_dir("solvers"))
    for folder in (Path(), source.folder):
        found |= _profiles_in(folder / "solvers")
    return dict(sorted(found.items()))


def _profiles_in(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}
