"""The budget of a search: time, or counted work, and complete queries."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from mlspec.core.clock import WALL, Clock
from mlspec.core.deadline import Deadline
from mlspec.core.trace import StopReason


class SpentError(Exception):
    """The budget is spent; ``reason`` says which part of it."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(eq=False)
class SearchBudget:
    """What one search may spend, and what of it is reserved for its later phases."""

    seconds: float
    queries: int | None = None
    """Complete queries at most; no limit if None."""
    began: float = field(default_factory=time.monotonic)
    """When the search began, in ``time.monotonic()`` seconds."""
    clock: Clock = WALL
    """What the seconds are measured by."""
    asking: float = 2e6
    """Operations that a request of the search takes at least, where work is counted."""
    _reserved: float = field(default=0.0, init=False)
    """Seconds at the end that the running phase leaves to later ones."""

    def __post_init__(self) -> None:
        self._start = self.clock.now() if self.clock.counts_work else self.began

    @property
    def elapsed(self) -> float:
        """Seconds since the search began, by the wall clock."""
        return time.monotonic() - self.began

    @property
    def share_spent(self) -> float:
        """Share of the seconds that is spent."""
        return (self.clock.now() - self._start) / self.seconds

    @property
    def deadline(self) -> Deadline:
        """When all of the time is spent, also what is reserved."""
        return Deadline(self._start + self.seconds, self.clock)

    @property
    def unreserved(self) -> Deadline:
        """When the time of the running phase is spent."""
        return Deadline(self._start + self.seconds - self._reserved, self.clock)

    @contextmanager
    def reserve(self, share: float) -> Iterator[None]:
        """Keep a ``share`` of the seconds back while the block runs."""
        before, self._reserved = self._reserved, share * self.seconds
        try:
            yield
        finally:
            self._reserved = before

    def require_time(self) -> None:
        """Raise SpentError where the running phase has no time left."""
        self.clock.spend(self.asking)
        if self.unreserved.passed:
            worked = self.clock.counts_work and np.isfinite(self.clock.now())
            raise SpentError(StopReason.WORK if worked else StopReason.SECONDS)

    def require_query(self, asked: int) -> None:
        """Raise SpentError where there is no time, or no complete query, left after ``asked``."""
        self.require_time()
        if self.queries is not None and asked >= self.queries:
            raise SpentError(StopReason.QUERIES)
