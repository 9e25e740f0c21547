"""Solver profiles to backends: the one place that knows them all."""

from __future__ import annotations

from collections.abc import Callable

from mlspec.backends.highs import HighsBackend
from mlspec.milp.model import Backend
from mlspec.spec import SolverProfile

BACKENDS: dict[str, Callable[[SolverProfile], Backend]] = {
    "highs": lambda profile: HighsBackend(profile.name, profile.native_options()),
}
"""Every ``backend`` of a profile."""


def backend_of(profile: SolverProfile) -> Backend:
    """Return the solver that ``profile`` declares."""
    return BACKENDS[profile.backend](profile)
