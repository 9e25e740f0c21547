"""The ascent strategy: as far as bounds certify, without a complete query."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlspec.core.network import Array
from mlspec.core.trace import StopReason
from mlspec.search.optimizer import Optimizer
from mlspec.search.search import Search
from mlspec.search.slp import SequentialLinearProgramming


@dataclass(frozen=True)
class AscentStrategy:
    """Follows the certified margin: expands, then shrinks some layers to grow others."""

    optimizer: Optimizer = field(default_factory=Optimizer)
    slp: SequentialLinearProgramming = field(default_factory=SequentialLinearProgramming)

    def run(self, search: Search, start: Array) -> StopReason:
        """Climb from ``start`` over certified eps vectors; ends with STALLED."""
        source = search.verifier.certified
        expanded = self.optimizer.expand(search, start, source)
        self.slp.improve(search, expanded, start, source)
        return StopReason.STALLED
