"""Runs a strategy within its budget, then asks why the answer is not larger."""

from __future__ import annotations

from collections.abc import Callable

from mlspec.core.network import Array
from mlspec.core.trace import StopReason, Trace
from mlspec.search.effort import Effort, SpentError
from mlspec.search.maximality import find_blocks
from mlspec.search.start import certified_start

Strategy = Callable[[Effort, Array], StopReason]
"""Grows from a certified radius."""

RESERVED = 0.1
"""Share of the budget kept for the question what blocks each layer, at most."""
RESERVED_SECONDS = 20.0


def maximise(
    effort: Effort, strategy: Strategy, floor: float, tolerance: float, seconds: float
) -> Trace:
    """Return the trace of ``strategy``; Ctrl-C ends it with what is certified by then.

    ``floor`` is the share of the certified uniform radius that every layer keeps; ``seconds`` is
    the whole budget: a part of it is kept for the maximality certificate.
    """
    try:
        try:
            with effort.reserve(min(RESERVED * seconds, RESERVED_SECONDS)):
                reason = strategy(effort, certified_start(effort, floor))
        except SpentError as spent:
            reason = spent.reason
        blocked = find_blocks(effort, tolerance)
        if blocked is StopReason.MAXIMAL or reason is StopReason.STALLED:
            reason = blocked
    except SpentError as spent:
        reason = spent.reason
    except KeyboardInterrupt:
        reason = StopReason.INTERRUPTED
    return effort.finish(reason)
