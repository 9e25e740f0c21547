"""Searches against any verifier: strategies by name, with few words."""

from __future__ import annotations

import numpy as np
from closed_form import Floats

from mlspec.core.events import Event
from mlspec.core.objective import Objective, WeightedSum
from mlspec.core.protocols import ShrinkPolicy, Verifier, Watcher
from mlspec.core.trace import StopReason, Trace
from mlspec.search.ascent import AscentStrategy
from mlspec.search.budget import SearchBudget
from mlspec.search.cegis import Cegis
from mlspec.search.certificate import MaximalityCertificate
from mlspec.search.climb import Climb
from mlspec.search.gradient import GradientStrategy
from mlspec.search.lowering import UpperBoundLowering, VertexCutting
from mlspec.search.maximise import Maximiser
from mlspec.search.naive import NaiveStrategy
from mlspec.search.optimizer import Optimizer
from mlspec.search.proposal import ProposalStrategy
from mlspec.search.search import Search, Strategy
from mlspec.search.shrink import POLICIES, ShrinkFacts
from mlspec.search.start import CertifiedStart

TOLERANCE = 0.02


def unwatched(trace: Trace, event: Event) -> None:
    """Nobody looks."""


def new_search(
    objective: Objective | Floats,
    verifier: Verifier,
    seconds: float = 60.0,
    queries: int | None = None,
    watch: Watcher = unwatched,
) -> Search:
    """Return a search that begins now, of weights or of another objective."""
    if isinstance(objective, np.ndarray):
        objective = WeightedSum(objective)
    return Search(objective, verifier, SearchBudget(seconds, queries), watch)


def maximised(
    search: Search,
    strategy: Strategy,
    floor: float = 0.0,
    tolerance: float = TOLERANCE,
) -> Trace:
    """Run all phases and return the trace."""
    return Maximiser(
        CertifiedStart(floor),
        strategy,
        UpperBoundLowering(VertexCutting(), tolerance),
        MaximalityCertificate(tolerance),
    ).run(search)


def shrink(name: str, sensitivities: Floats) -> ShrinkPolicy:
    """Return a policy for layers at distances 0, 1, ..."""
    return POLICIES[name].of(ShrinkFacts(np.arange(len(sensitivities)), sensitivities))


class ByGradient:
    """The gradient strategy, with sensitivities that grow with the distance."""

    def __init__(self, policy: str, optimizer: Optimizer | None = None) -> None:
        self.policy, self.optimizer = policy, optimizer or Optimizer()

    def run(self, search: Search, start: Floats) -> StopReason:
        policy = shrink(self.policy, np.arange(1.0, search.radii + 1))
        return GradientStrategy(
            Climb(Cegis(policy), self.optimizer), AscentStrategy(self.optimizer)
        ).run(search, start)


class ByProposal:
    """The loop of the proposal, with sensitivities that grow with the distance."""

    def __init__(self, policy: str) -> None:
        self.policy = policy

    def run(self, search: Search, start: Floats) -> StopReason:
        policy = shrink(self.policy, np.arange(1.0, search.radii + 1))
        return ProposalStrategy(policy, tolerance=TOLERANCE).run(search, start)


STRATEGIES: dict[str, Strategy] = {
    **{f"gradient {policy}": ByGradient(policy) for policy in POLICIES},
    "naive": NaiveStrategy(TOLERANCE),
    "ascent": AscentStrategy(),
    **{f"proposal {policy}": ByProposal(policy) for policy in POLICIES},
}
