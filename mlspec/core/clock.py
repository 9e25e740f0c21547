"""What deadlines are measured by: the wall clock, or counted work.

Counted work makes an answer reproducible: the same spec, seed and versions take the same decisions
on any machine, however loaded. Every part counts what it does in operations and spends them on its
deadline; a reference machine does a fixed number of them in a second.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol


class Clock(Protocol):
    """Tells how many seconds have passed since some moment."""

    counts_work: ClassVar[bool]
    """Whether only ``spend`` makes time pass."""
    limit: ClassVar[str]
    """The key of a spec that limits it."""

    def now(self) -> float:
        """Return the time, in seconds."""
        ...

    def spend(self, operations: float) -> None:
        """Let the time pass that so many floating-point operations take."""
        ...

    def operations(self, seconds: float) -> float:
        """Return the operations that ``spend`` takes for so many seconds; infinity where it takes
        none."""
        ...

    def wall_left(self, at: float) -> float:
        """Return the seconds of the wall clock that a run until ``at`` may take at most."""
        ...

    def fork(self) -> Clock:
        """Return a clock, set to the same time, for work in a thread of its own."""
        ...

    def join(self, *forks: Clock) -> None:
        """Wait for the work of ``forks``: the time is that of the latest."""
        ...


class WallClock:
    """``time.monotonic()``."""

    counts_work: ClassVar[bool] = False
    limit: ClassVar[str] = "budget.seconds"

    def now(self) -> float:
        """Return ``time.monotonic()``."""
        return time.monotonic()

    def spend(self, operations: float) -> None:
        """Do nothing: time passes by itself."""

    def operations(self, seconds: float) -> float:
        """Return infinity."""
        return math.inf

    def wall_left(self, at: float) -> float:
        """Return the seconds until then."""
        return at - self.now()

    def fork(self) -> Clock:
        """Return this clock."""
        return self

    def join(self, *forks: Clock) -> None:
        """Do nothing."""


@dataclass
class WorkClock:
    """Counted work, in seconds of a reference machine."""

    counts_work: ClassVar[bool] = True
    limit: ClassVar[str] = "budget.work"

    rate: float = 2e9
    """Floating-point operations in a second: about what one core of a server does in the small
    products of attacks and bounds. On two cores that others used too, 25 such seconds of a search
    took 23 and 30 s on ``pgd_img3``, 10 and 14 s on ``none_img3``."""
    ends: float = math.inf
    """A limit by the wall clock beside, in ``time.monotonic()`` seconds: no deadline is later."""
    _now: float = field(default=0.0, init=False)

    def now(self) -> float:
        """Return the seconds that the work so far stands for; infinity beyond the wall clock's
        limit."""
        return self._now if time.monotonic() < self.ends else math.inf

    def spend(self, operations: float) -> None:
        """Count ``operations``."""
        self._now += operations / self.rate

    def operations(self, seconds: float) -> float:
        """Return the operations of so many seconds."""
        return seconds * self.rate

    def wall_left(self, at: float) -> float:
        """Return the seconds until the wall clock's limit."""
        return self.ends - time.monotonic()

    def fork(self) -> Clock:
        """Return a clock, set to the same time, for work in a thread of its own."""
        fork = WorkClock(self.rate, self.ends)
        fork._now = self._now
        return fork

    def join(self, *forks: Clock) -> None:
        """Wait for the work of ``forks``: the time is that of the latest."""
        ends = (fork.now() for fork in forks)
        self._now = max([self._now, *(end for end in ends if math.isfinite(end))])


WALL: Final = WallClock()
