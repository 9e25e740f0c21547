"""What the verifier asks of bounds."""

from __future__ import annotations

from typing import ClassVar, Protocol

from mlspec.bounds.analysis import Analysis
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.verdict import Stage


class Bounder(Protocol):
    """Bounds of one property over boxes: a method with its numbers, on one context."""

    stage: ClassVar[Stage]
    """What verdicts call it."""
    optimises: ClassVar[bool]
    """Whether it takes iterations: the verifier asks such bounds only after the attack."""

    def analyse(
        self, box: Box, earlier: Analysis | None = None, deadline: Deadline = NEVER
    ) -> Analysis:
        """Return what these bounds say of ``box``; ``earlier`` is what cheaper ones said of it.

        Once ``deadline`` has passed, what is not yet bounded keeps looser bounds.
        """
        ...
