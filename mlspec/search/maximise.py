"""Runs a strategy within its budget, then settles the bound and single layers: what blocks each?"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from mlspec.core.network import Array
from mlspec.core.trace import StopReason, Trace
from mlspec.errors import OverdueError
from mlspec.search.effort import Effort, SpentError
from mlspec.search.lower import lower
from mlspec.search.maximality import settle
from mlspec.search.start import certified_start

Strategy = Callable[[Effort, Array], StopReason]
"""Grows from a certified radius."""

RESERVED = 0.25
"""Share of the budget that a strategy leaves to single layers and to what blocks each."""

NO_LIMIT = nullcontext()


def maximise(
    effort: Effort,
    strategy: Strategy,
    floor: float,
    tolerance: float,
    limit: AbstractContextManager[None] = NO_LIMIT,
    reserved: float = RESERVED,
) -> Trace:
    """Return the trace of ``strategy``; Ctrl-C ends it with what is certified by then.

    ``floor`` is the share of the certified uniform radius that every layer keeps. The share
    ``reserved`` of the budget is kept for the maximality certificate. ``limit`` may raise
    OverdueError where the budget is spent but nobody looks.
    """
    try:
        with limit:
            with effort.reserve(reserved):
                reason = _within_budget(lambda: strategy(effort, certified_start(effort, floor)))
            settled = _within_budget(lambda: _settled(effort, tolerance))
    except OverdueError:
        return effort.finish(StopReason.SECONDS)
    except KeyboardInterrupt:
        return effort.finish(StopReason.INTERRUPTED)
    if reason is StopReason.STALLED or (
        settled is StopReason.MAXIMAL and reason is not StopReason.OPTIMAL
    ):
        reason = settled
    return effort.finish(reason)


def _settled(effort: Effort, tolerance: float) -> StopReason:
    lower(effort, tolerance)
    return settle(effort, tolerance)


def _within_budget(work: Callable[[], StopReason]) -> StopReason:
    try:
        return work()
    except SpentError as spent:
        return spent.reason
