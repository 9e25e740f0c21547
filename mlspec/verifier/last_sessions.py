"""The latest sessions: a query begins with the cuts and the branchings of the query before it."""

from __future__ import annotations

from mlspec.core.property import Claim
from mlspec.milp.model import ProvingSession


class LastSessions:
    """The latest session on the claim of each label."""

    def __init__(self) -> None:
        self._by_target: dict[int, ProvingSession] = {}

    def follow(self, claim: Claim, session: ProvingSession) -> None:
        """Let ``session`` begin with what the latest one on the same label learnt; it is the latest
        from now on."""
        earlier = self._by_target.get(claim.target)
        if earlier is not None:
            session.follow(earlier)
        self._by_target[claim.target] = session
