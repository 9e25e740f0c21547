"""A proof of many neighborhoods as a search sees it: within its budget, and on the record."""

from __future__ import annotations

import numpy as np

from mlspec.core.events import Proving
from mlspec.core.network import Array
from mlspec.core.protocols import NeighborhoodProof
from mlspec.core.trace import Ask, Cut, Move, Query
from mlspec.core.verdict import Verdict
from mlspec.search.budget import SearchBudget
from mlspec.search.record import SearchRecord


class SearchProof:
    """Wraps a proof for one search."""

    def __init__(
        self, proof: NeighborhoodProof, budget: SearchBudget, record: SearchRecord
    ) -> None:
        self._proof = proof
        self._budget = budget
        self._record = record

    @property
    def ceiling(self) -> Array:
        """The radius ``(R,)`` up to which it can be extended."""
        return self._proof.ceiling

    def half_spaces(self, eps: Array) -> tuple[Array, Array]:
        """Return rows ``(L, R)`` and limits ``(L,)`` of what is certified, tight at ``eps``."""
        return self._proof.half_spaces(eps)

    def certified(self, eps: Array, move: Move) -> bool:
        """Say whether the proof certifies ``eps`` ``(R,)`` as it is; if so, it is a step of the
        search."""
        verdict = self._proof.certified(eps)
        if verdict is None:
            return False
        self._record.step(eps, verdict.outcome, move, basis=verdict.basis)
        return True

    def extend(
        self, eps: Array, move: Move, grown: tuple[int, ...] = (), *, seconds: float = np.inf
    ) -> Verdict:
        """Extend the proof to ``eps`` ``(R,)``, for at most ``seconds``; a complete query."""
        self._budget.require_query(self._record.trace.complete_queries)
        self._record.tell(Proving(eps, move, grown))
        verdict = self._proof.extend(eps, self._budget.deadline.within(seconds))
        self._record.query(
            Query(
                Ask.COMPLETE,
                verdict.stage,
                verdict.outcome,
                verdict.seconds,
                verdict.complete,
                verdict.basis,
            )
        )
        if verdict.extents is not None and verdict.witness is not None:
            self._record.cut(Cut(verdict.extents, verdict.witness))
        self._record.step(eps, verdict.outcome, move, grown, basis=verdict.basis)
        return verdict
