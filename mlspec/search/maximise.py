"""Runs a strategy within its budget, then settles single layers: what blocks each?"""

from __future__ import annotations

from collections.abc import Callable

from mlspec.core.network import Array
from mlspec.core.trace import StopReason, Trace
from mlspec.search.effort import Effort, SpentError
from mlspec.search.maximality import settle
from mlspec.search.start import certified_start

Strategy = Callable[[Effort, Array], StopReason]
"""Grows from a certified radius."""

RESERVED = 0.25
"""Share of the budget that the strategy leaves to single layers and to what blocks each."""


def maximise(effort: Effort, strategy: Strategy, floor: float, tolerance: float) -> Trace:
    """Return the trace of ``strategy``; Ctrl-C ends it with what is certified by then.

    ``floor`` is the share of the certified uniform radius that every layer keeps. A part of the
    budget is kept for the maximality certificate.
    """
    try:
        try:
            with effort.reserve(RESERVED):
                reason = strategy(effort, certified_start(effort, floor))
        except SpentError as spent:
            reason = spent.reason
        settled = settle(effort, tolerance)
        if settled is StopReason.MAXIMAL or reason is StopReason.STALLED:
            reason = settled
    except SpentError as spent:
        reason = spent.reason
    except KeyboardInterrupt:
        reason = StopReason.INTERRUPTED
    return effort.finish(reason)
