"""A stage that needs more memory than there is: the search goes on without its answer."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from mlspec.core.verdict import Stage
from mlspec.errors import MemoryLimitWarning

TOO_LITTLE: Final = "it needs more memory than there is"
"""What is said of such a stage."""

_SIGNS: Final = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")
"""How PyTorch and solvers say so, by RuntimeError."""


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether ``error`` is about memory: Python's and NumPy's own, or one of PyTorch."""
    if isinstance(error, MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(sign in text for sign in _SIGNS)


@dataclass
class MemoryLimit:
    """Keeps errors of too little memory within the stage that met them, and warns of each stage
    once."""

    lacking: set[Stage] = field(default_factory=set)
    """The stages that have met the limit so far."""

    def around(self, stage: Stage) -> _Guard:
        """Return the context in which ``stage`` works: where it needs too much memory, what follows
        goes on."""
        return _Guard(self, stage)


@dataclass(frozen=True)
class _Guard:
    limit: MemoryLimit
    stage: Stage

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Return True, which ends the error here, where it is one of too little memory."""
        if error is None or not is_out_of_memory(error):
            return False
        if self.stage not in self.limit.lacking:
            self.limit.lacking.add(self.stage)
            said = f"{self.stage.value}: {TOO_LITTLE}; the verifier goes on without this stage"
            warnings.warn(said, MemoryLimitWarning, stacklevel=3)
        return True
