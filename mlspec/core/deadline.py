"""When work has to end: passed down to every stage, so that no stage needs to be interrupted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np


@dataclass(frozen=True)
class Deadline:
    """A moment at which work ends with the best it has by then."""

    at: float = np.inf
    """In ``time.monotonic()`` seconds; never by default."""

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that is ``seconds`` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds until then; negative once it has passed."""
        return self.at - time.monotonic()

    @property
    def passed(self) -> bool:
        """Whether it has passed."""
        return self.left <= 0.0

    def within(self, seconds: float) -> Deadline:
        """Return this deadline, or the one ``seconds`` from now if that is earlier."""
        return Deadline(min(self.at, time.monotonic() + seconds))


NEVER: Final = Deadline()
"""No limit."""
