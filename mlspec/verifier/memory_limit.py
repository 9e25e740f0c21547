"""A stage that needs more memory than there is: the search goes on without its answer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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

    @contextmanager
    def around(self, stage: Stage) -> Iterator[None]:
        """Run the block; where it needs too much memory, go on behind it."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if stage not in self.lacking:
                self.lacking.add(stage)
                said = f"{stage.value}: {TOO_LITTLE}; the verifier goes on without this stage"
                warnings.warn(said, MemoryLimitWarning, stacklevel=4)
