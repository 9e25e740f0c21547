"""When work has to end: passed down to every stage, so that no stage needs to be interrupted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from mlspec.core.clock import WALL, Clock


@dataclass(frozen=True)
class Deadline:
    """A moment at which work ends with the best it has by then."""

    at: float = np.inf
    """In seconds of ``clock``; never by default."""
    clock: Clock = field(default=WALL, compare=False)
    """What it is measured by."""

    @classmethod
    def after(cls, seconds: float, clock: Clock = WALL) -> Deadline:
        """Return the deadline that is ``seconds`` from now."""
        return cls(clock.now() + seconds, clock)

    @property
    def left(self) -> float:
        """Seconds until then; negative once it has passed."""
        now = self.clock.now()
        # A clock whose own limit has passed says infinity, whatever the deadline.
        return self.at - now if now < np.inf else -np.inf

    @property
    def passed(self) -> bool:
        """Whether it has passed."""
        return self.left <= 0.0

    def within(self, seconds: float) -> Deadline:
        """Return this deadline, or the one ``seconds`` from now if that is earlier."""
        return replace(self, at=min(self.at, self.clock.now() + seconds))

    @property
    def wall_left(self) -> float:
        """Seconds of the wall clock that a run until then may take at most."""
        return self.clock.wall_left(self.at)

    @property
    def operations_left(self) -> float:
        """Operations until then, at least 0; infinity where work is not counted."""
        return self.clock.operations(max(self.left, 0.0))

    def spend(self, operations: float) -> None:
        """Say that so many floating-point operations were done: they count where the clock counts
        work."""
        self.clock.spend(operations)

    def fork(self) -> Deadline:
        """Return this deadline for a thread of its own; its clock is joined with this one's after
        it."""
        return replace(self, clock=self.clock.fork())


NEVER: Final = Deadline()
"""No limit."""
