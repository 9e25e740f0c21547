"""The ascent strategy: as far as bounds certify, without a complete query."""

from __future__ import annotations

from mlspec.core.network import Array
from mlspec.core.trace import StopReason
from mlspec.search.effort import Effort
from mlspec.search.expand import Ascent, expand
from mlspec.search.trade import trade


def ascend(effort: Effort, start: Array, ascent: Ascent) -> StopReason:
    """Grow from ``start``, then trade layers against each other above it; by certified margins."""
    trade(effort, expand(effort, start, ascent, effort.certified), start, effort.certified)
    return StopReason.STALLED
