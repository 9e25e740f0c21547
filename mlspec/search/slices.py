"""An upper bound of a weighted sum: all eps vectors of one value are refuted, piece by piece.

The eps vectors of value ``v`` at or above the floor are a simplex, with one vertex for each layer:
there, only that layer is above its floor. If none of them is robust, neither is any eps of
a larger value, as it lies above one of them. A piece of the simplex is done once a known witness
lies in the neighborhood of each of its points, or once the verifier refutes all convex combinations
of its vertices; else it is cut in two. A single witness rules out a corner only: the smaller
the gap, the more of them are needed. Convex combinations follow the boundary (simplicial branch and
bound, Horst and Tuy, Global Optimization, 1996).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from mlspec.core.bisection import Bisection
from mlspec.core.events import BracketingLayer, RefutingSlice
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array
from mlspec.core.trace import Cut
from mlspec.search.search import Search
from mlspec.search.segments import segment
from mlspec.search.simplex import edge_across, halves, longest_edge, vertices_of_value
from mlspec.tolerances import BOX_SLACK


@dataclass(frozen=True, eq=False)
class Slice:
    """What was found of the eps vectors of one value."""

    refuted: bool
    """Whether none of them is robust."""
    suspect: Array | None = None
    """If not: an eps ``(R,)`` of that value that may be robust, or is near one that may be."""
    broken: bool = False
    """Whether a violation in the neighborhood of ``suspect`` is known."""


@dataclass(frozen=True)
class SliceRefutation:
    """Simplicial branch and bound over the eps vectors of one value."""

    smallest: float = 1e-4
    """A piece is given up once its longest edge is at most this share of each layer's range, from
    the floor to its cap."""
    alone: Bisection = field(
        default_factory=lambda: Bisection(relative=0.05, absolute=1e-9, geometric=True, spread=16.0)
    )
    """Finds how far a layer can grow alone, as a share of the slice; by factors of 4 at first."""
    at_cap: float = 1e-9
    """An eps counts as at a cap within this share of the layer's range."""

    def run(self, search: Search, value: float) -> Slice:
        """Try to show that no eps of ``value`` is robust; a success lowers the upper bound.

        Ends at the first eps that no attack breaks, or at a piece that is too small to be cut.
        """
        floor = search.trace.floor
        vertices = vertices_of_value(floor, search.weights, value)
        if not len(vertices):
            return Slice(False)
        caps = self._caps(search, vertices)
        span = caps - floor
        # Pieces of the largest margin come first: one robust eps makes all other work useless.
        pieces, number = [(0.0, 0, vertices)], 0
        while pieces:
            depth, _, piece = heapq.heappop(pieces)
            lowest = piece.min(axis=0)
            if np.any(lowest >= Neighborhood.CAP) or search.trace.known_cut(lowest) is not None:
                continue
            edge = edge_across(piece, caps, self.at_cap * span)
            if edge is None:
                refutation = search.verifier.refute(piece, RefutingSlice(value))
                if refutation.unbroken is not None:
                    return Slice(False, np.minimum(piece[refutation.unbroken], Neighborhood.CAP))
                if refutation.throughout:
                    continue
                depth = -refutation.margin
                edge = longest_edge(piece, span, self.smallest)
            if edge is None:
                return Slice(False, np.minimum(piece.mean(axis=0), Neighborhood.CAP), broken=True)
            for half in halves(piece, edge):
                number += 1
                heapq.heappush(pieces, (depth, number, half))
        search.record.refuted(value)
        return Slice(True)

    def _caps(self, search: Search, vertices: Array) -> Array:
        """Return how far each layer can grow alone above the floor at most, ``(R,)``.

        The limit is set by violating images that exceed the floor in that layer alone; it is 1
        where there are none.
        """
        floor = search.trace.floor
        caps = np.full(len(floor), Neighborhood.CAP)
        for vertex in np.minimum(vertices, Neighborhood.CAP):
            r = int(np.argmax(vertex - floor))
            known = [cut.extents[r] for cut in search.trace.cuts if _leaves_only(cut, floor, r)]
            caps[r] = min(known) if known else self._attacked_alone(search, vertex, r)
        return caps

    def _attacked_alone(self, search: Search, vertex: Array, r: int) -> float:
        """Return the least epsilon of ``r`` at which an attack finds a violation between the floor
        and ``vertex``, which differs from it in ``r`` only; 1 if it finds none at ``vertex``."""
        event = BracketingLayer(r)
        if search.verifier.violation(vertex, event) is None:
            return Neighborhood.CAP
        path = segment(search.trace.floor, vertex)

        def unbroken(share: float) -> bool:
            return search.verifier.violation(path(np.array([share]))[0], event) is None

        _, share = self.alone.narrow(unbroken, 0.0, 1.0)
        return float(path(np.array([share]))[0, r])


def _leaves_only(cut: Cut, floor: Array, r: int) -> bool:
    """Whether the witness of ``cut`` leaves the floor in the layer ``r`` only."""
    others = np.arange(len(floor)) != r
    return bool(np.all(cut.extents[others] <= floor[others] + BOX_SLACK))
