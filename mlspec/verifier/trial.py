"""A trial of a model: does it contain an image of the neighborhood that it was compiled for?"""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.core.clock import Clock
from mlspec.core.deadline import Deadline
from mlspec.core.neighborhood import Box
from mlspec.milp.model import ProvingSession


@dataclass(frozen=True)
class ModelTrial:
    """Tries one image. Wrong bounds would leave images out of a model, and then it proves
    nothing."""

    share: float = 0.381966
    """Where in the range of each pixel the image lies. Any share will do at which few ReLUs tie."""
    seconds: float = 2.0
    """Time for the trial, beyond any deadline; it takes hundredths of that."""

    def passed(self, session: ProvingSession, box: Box, clock: Clock) -> bool:
        """Say whether the model contains the image; ``clock`` measures the time."""
        inside = box.lower + self.share * (box.upper - box.lower)
        return session.admits(inside, Deadline.after(self.seconds, clock))
