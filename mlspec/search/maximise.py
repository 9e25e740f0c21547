"""The phases of a search: a start, a strategy, the upper bound, and the maximality certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlspec.core.events import StartingGrowth
from mlspec.core.trace import StopReason, Trace
from mlspec.search.budget import SpentError
from mlspec.search.certificate import MaximalityCertificate
from mlspec.search.lowering import UpperBoundLowering
from mlspec.search.search import Search, Strategy
from mlspec.search.start import CertifiedStart


@dataclass(frozen=True)
class Maximiser:
    """Runs the phases one after the other within the budget of a search."""

    start: CertifiedStart
    strategy: Strategy
    lowering: UpperBoundLowering
    certificate: MaximalityCertificate
    reserved: float = 0.25
    """Share of the budget's seconds that the strategy leaves to the upper bound and the
    certificate."""

    def run(self, search: Search) -> Trace:
        """Return the finished trace of ``search``; Ctrl-C ends it with what is certified so far."""
        try:
            with search.budget.reserve(self.reserved):
                reason = _within_budget(lambda: self._maximise(search))
            certified = _within_budget(lambda: self._certify(search))
        except KeyboardInterrupt:
            return search.record.finish(StopReason.INTERRUPTED)
        return search.record.finish(_together(reason, certified))

    def _maximise(self, search: Search) -> StopReason:
        return self.strategy.run(search, self.start.run(search))

    def _certify(self, search: Search) -> StopReason:
        if search.best.any():
            event = StartingGrowth(search.best)
            found = search.verifier.certified(search.best, event, tried=False)
            search.trace.margin_slopes = found.slopes[0]
        self.lowering.run(search)
        return self.certificate.run(search)


def _together(strategy: StopReason, certificate: StopReason) -> StopReason:
    """Return why the whole search ended, by why its strategy and its certificate did."""
    if strategy is StopReason.STALLED:
        return certificate
    if certificate is StopReason.MAXIMAL and strategy is not StopReason.OPTIMAL:
        return certificate
    return strategy


def _within_budget(phase: Callable[[], StopReason]) -> StopReason:
    try:
        return phase()
    except SpentError as spent:
        return spent.reason
