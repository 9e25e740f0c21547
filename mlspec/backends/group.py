"""What several solvers that are chosen together have in common."""

from __future__ import annotations

from collections.abc import Sequence

from mlspec.backends.backend import ProgramBackend


class SolverGroup:
    """Solvers of which some may be limited by a licence."""

    def __init__(self, members: Sequence[ProgramBackend]) -> None:
        self.members = tuple(members)

    @property
    def versions(self) -> dict[str, str]:
        """The version of every member."""
        return {member.name: member.version for member in self.members}

    @property
    def limited(self) -> bool:
        """Whether some model could be too large for every member."""
        return all(member.limited for member in self.members)
