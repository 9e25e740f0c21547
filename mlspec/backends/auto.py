"""``solver: auto``: for each model the strongest solver whose licence fits it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlspec.backends.backend import ProgramBackend
from mlspec.backends.group import SolverGroup
from mlspec.backends.program import arrays_of
from mlspec.backends.session import ProgramSession
from mlspec.errors import LicenceError, MissingSolverError
from mlspec.milp.model import MilpModel


class AutoBackend(SolverGroup):
    """Several solvers, the strongest first, of which each model gets the first that may have it."""

    name = "auto"

    def __init__(self, members: Sequence[ProgramBackend]) -> None:
        super().__init__(list(_ready(members)))

    def open(self, model: MilpModel) -> ProgramSession:
        """Load ``model`` into the solver that is chosen for it."""
        program, layout = arrays_of(model)
        chosen = self.choice(program.columns, program.rows)
        return chosen.open_program(model, program, layout)

    def choice(self, variables: int, constraints: int) -> ProgramBackend:
        """Return the solver for a model of this size."""
        for member in self.members:
            if member.allows(variables, constraints):
                return member
        raise LicenceError(
            f"no solver that is installed may have a model with {variables:,} variables and "
            f"{constraints:,} constraints: install one without a limit, such as highs"
        )

    def require(self, variables: int, constraints: int) -> None:
        """Raise LicenceError where a model of this size is too large for every member."""
        self.choice(variables, constraints)

    def description(self, variables: int, constraints: int) -> str:
        """Return which member is chosen for a model of this size, or why none is."""
        try:
            chosen = self.choice(variables, constraints)
        except LicenceError as error:
            return f"auto: {error}"
        return f"auto: {chosen.description(variables, constraints)}"


def _ready(members: Sequence[ProgramBackend]) -> Iterator[ProgramBackend]:
    for member in members:
        try:
            member.probe()
        except (MissingSolverError, LicenceError):
            continue
        yield member
