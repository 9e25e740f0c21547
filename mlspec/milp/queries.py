"""Several decisions of one model: one after the other, or side by side."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlspec.milp.model import Session, SolveReport


@dataclass(frozen=True)
class SubsetQuery:
    """Can all margins of one subset vanish together?"""

    subset: tuple[int, ...]
    guide: int
    """The row whose margin the solver may aim at."""


Answers = Generator[tuple[int, SolveReport], None, None]
"""Numbers of queries with their reports, as they come. Queries that no time was left for have none.
Whoever has heard enough closes it, and what still runs ends."""


class Crew(Protocol):
    """Decides several subsets of one model side by side."""

    def answers(self, session: Session, queries: Sequence[SubsetQuery], deadline: float) -> Answers:
        """Answer ``queries`` to the model of ``session``, until ``deadline`` in
        ``time.monotonic()`` seconds."""
        ...


class InTurn:
    """A crew of one: this process."""

    def answers(self, session: Session, queries: Sequence[SubsetQuery], deadline: float) -> Answers:
        """Answer one query after the other."""
        for number, query in enumerate(queries):
            left = deadline - time.monotonic()
            if left <= 0.0:
                return
            yield number, session.solve(query.subset, left, query.guide)
