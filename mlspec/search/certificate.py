"""The maximality certificate: layers grow until a violating image just beyond each is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlspec.core.events import BracketingLayer, CertifyingLayers
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array
from mlspec.core.trace import Ask, Block, Cut, Move, StopReason
from mlspec.search.budget import SpentError
from mlspec.search.search import Search
from mlspec.search.segments import segment


@dataclass(frozen=True)
class MaximalityCertificate:
    """Grows the best eps and notes what blocks each layer.

    A layer is blocked once a violating image at ``eps + max(tolerance * eps, least_step)`` is
    known. As no layer shrinks on the way, it stays blocked while others grow. Layers grow together,
    those of the largest weights first; where that is refused, the two halves of the group are
    tried. Before that an attack finds how far each layer could grow alone.
    """

    tolerance: float = 0.02
    """Relative step by which a layer must not be able to grow."""
    least_step: float = 1e-4
    """Absolute step, as a pixel intensity, where that is more."""
    bracketed: int = 64
    """For so many of the layers of the largest weights an attack first finds how far they could
    grow alone."""
    longer: float = 4.0
    """Factor on the step of layers that grew."""

    def run(self, search: Search) -> StopReason:
        """Return MAXIMAL if every layer is blocked or at its cap, else STALLED.

        Raises SpentError when the budget is spent.
        """
        blocked = search.trace.blocked
        order = np.argsort(-search.weights, kind="stable").tolist()
        for r in order[: self.bracketed]:
            self._bracket(search, r)
        spent: SpentError | None = None
        groups = [order]
        while groups:
            group = _open(search, groups.pop())
            if not group:
                continue
            try:
                cut = self._grow(search, group)
            except SpentError as error:
                if error.reason is not StopReason.QUERIES:
                    raise
                spent, cut = error, None  # attacks, which are not counted, may still block layers
            if len(group) > 1:
                half = (len(group) + 1) // 2
                groups += [group[half:], group[:half]]
            elif cut is not None:
                blocked[group[0]] = Block.WITNESS, cut
            else:
                _open(search, group)
        if spent is not None:
            raise spent
        return StopReason.MAXIMAL if len(blocked) == search.radii else StopReason.STALLED

    def _bracket(self, search: Search, r: int) -> None:
        """Find a violating image beyond the best eps in the layer ``r``, and reduce it to one
        that moves other layers little."""
        best = search.best
        raised = best.copy()
        raised[r] = Neighborhood.CAP
        cut = search.verifier.violation(raised, BracketingLayer(r))
        if cut is not None and best[r] < Neighborhood.CAP:
            reduced = search.verifier.reduced
            others = np.arange(search.radii) != r
            reduced(cut, segment(np.where(others, cut.extents, 0.0), cut.extents))
            alone = reduced(cut, segment(np.where(others, 0.0, cut.extents), cut.extents))
            reduced(alone, segment(np.where(others, alone.extents, 0.0), alone.extents))

    def _grow(self, search: Search, group: list[int]) -> Cut | None:
        """Grow the layers of ``group`` together by longer and longer steps, until the shortest step
        is refused; return the cut that refused it, if there is one."""
        factor = 1.0
        while True:
            best = search.best
            raised = best.copy()
            step = np.maximum(self.tolerance * best[group], self.least_step)
            raised[group] = np.minimum(best[group] + factor * step, Neighborhood.CAP)
            if np.array_equal(raised, best):
                return None
            certified, cut = _decided(search, raised, tuple(group))
            if certified:
                factor *= self.longer
            elif factor == 1.0:
                return cut
            else:
                factor = 1.0


def _open(search: Search, group: list[int]) -> list[int]:
    """Return the layers of ``group`` that may still grow; those at their cap are noted."""
    blocked = search.trace.blocked
    for r in group:
        if search.best[r] >= Neighborhood.CAP:
            blocked[r] = Block.CAP, None
    return [r for r in group if r not in blocked]


def _decided(search: Search, eps: Array, grown: tuple[int, ...]) -> tuple[bool, Cut | None]:
    """Say whether ``eps`` is certified, and if not, return the cut that rules it out, if any."""
    cut = search.verifier.violation(eps, CertifyingLayers(grown))
    if cut is not None:
        return False, cut
    verdict = search.verifier.prove(eps, Move.GROUP, grown, ask=Ask.CERTIFICATE)
    return verdict.robust, search.trace.known_cut(eps)
