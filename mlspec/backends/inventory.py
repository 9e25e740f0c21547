"""Which solvers are here, and what each can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlspec.backends.registry import backend_of
from mlspec.errors import MissingSolverError
from mlspec.spec import SolverProfile, Source, profiles


@dataclass(frozen=True)
class Stock:
    """One solver of the inventory."""

    profile: SolverProfile
    version: str | None
    """The version that is installed; None if it is missing."""


def inventory(source: Source | None = None) -> Iterator[Stock]:
    """Yield every solver that has a profile: those that ship, and those in folders ``solvers``."""
    for profile in profiles(source).values():
        try:
            yield Stock(profile, backend_of(profile).version)
        except MissingSolverError:
            yield Stock(profile, None)
