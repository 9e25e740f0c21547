"""An upper bound of a weighted sum: all radii of one value are refuted, piece by piece.

The radii of value ``v`` above the floor are a simplex, with one vertex for each layer that takes up
all of ``v``. If none of them is robust, neither is any radius of a larger value, as it lies above
one of them. A piece of the simplex is done when a known witness lies in all its neighborhoods, or
when the verifier refutes all convex combinations of its vertices. Else it is cut in two. Single
witnesses rule out corners only, and would have to be as dense as the gap is small; convex
combinations follow the boundary (simplicial branch and bound, Horst and Tuy 1996).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from mlspec.core.neighborhood import CAP
from mlspec.core.network import Array
from mlspec.core.trace import Cut
from mlspec.search.effort import Effort
from mlspec.search.maximality import between
from mlspec.tolerances import BOX_SLACK

SMALLEST = 1e-4
"""Pieces of this share of the slice are given up."""
PRECISION, FARTHER = 1.05, 16.0
"""How far a layer can go alone is found to within a factor; the first steps are longer."""
NARROW = 1e-9
"""A piece reaches beyond a cap if it does by more than this share."""


@dataclass(frozen=True, eq=False)
class Slice:
    """What was found of the radii of one value."""

    refuted: bool
    """No radius of that value is robust."""
    suspect: Array | None = None
    """A radius ``(R,)`` of that value that may be robust, or near one that is; else None."""
    broken: bool = False
    """Whether it is known to be broken."""


def refute_slice(effort: Effort, value: float) -> Slice:
    """Try to show that no radius of ``value`` is robust; a success lowers the bound.

    Ends at the first radius that no attack breaks, or at a piece that is too small to be cut.
    """
    floor = effort.trace.floor
    vertices = _vertices(floor, effort.weights, value)
    if not len(vertices):
        return Slice(False)
    caps = _caps(effort, vertices)
    span = caps - floor
    # What may hold a robust radius comes first: where there is one, all other work is in vain.
    pieces, number = [(0.0, 0, vertices)], 0
    while pieces:
        depth, _, piece = heapq.heappop(pieces)
        lowest = piece.min(axis=0)
        if np.any(lowest >= CAP) or effort.known_cut(lowest) is not None:
            continue
        edge = _across(piece, caps, span)
        if edge is None:
            refutation = effort.refute(piece, f"no more than {value:.4g}")
            if refutation.unbroken is not None:
                return Slice(False, np.minimum(piece[refutation.unbroken], CAP))
            if refutation.throughout:
                continue
            depth = -refutation.margin
            edge = _longest(piece, span)
        if edge is None:
            return Slice(False, np.minimum(piece.mean(axis=0), CAP), broken=True)
        for half in _halves(piece, *edge):
            number += 1
            heapq.heappush(pieces, (depth, number, half))
    effort.bound_by(value)
    return Slice(True)


Edge = tuple[int, int, Array]
"""Two vertices of a piece, and a radius ``(R,)`` between them."""


def _vertices(floor: Array, weights: Array, value: float) -> Array:
    """Return the slice's vertices ``(V, R)``; none where the floor is worth more.

    Layers of weight 0 stay at the floor: raised, they break no less.
    """
    left = value - weights @ floor
    layers = np.flatnonzero(weights > 0.0)
    if left <= 0.0:
        return np.empty((0, len(floor)))
    vertices = np.repeat(floor[None], len(layers), axis=0)
    vertices[np.arange(len(layers)), layers] += left / weights[layers]
    return vertices


def _caps(effort: Effort, vertices: Array) -> Array:
    """Return how far each layer alone can go above the floor at most, ``(R,)``.

    A violating image that moves little else cuts off what is beyond; elsewhere it is 1.
    """
    floor = effort.trace.floor
    caps = np.full(len(floor), CAP)
    for vertex in np.minimum(vertices, CAP):
        layer = int(np.argmax(vertex - floor))
        known = [cut.extents[layer] for cut in effort.trace.cuts if _alone(cut, floor, layer)]
        caps[layer] = min(known) if known else _farthest_alone(effort, vertex, layer)
    return caps


def _alone(cut: Cut, floor: Array, layer: int) -> bool:
    """Whether the witness of ``cut`` leaves the floor in ``layer`` only."""
    others = np.arange(len(floor)) != layer
    return bool(np.all(cut.extents[others] <= floor[others] + BOX_SLACK))


def _farthest_alone(effort: Effort, vertex: Array, layer: int) -> float:
    """Bisect the way from the floor to ``vertex``, which differs in ``layer`` only."""
    floor = effort.trace.floor
    doing = f"how far {effort.name(layer)} can go alone"
    if effort.broken(vertex, doing) is None:
        return CAP
    way = between(floor, vertex)
    low, high = 0.0, 1.0
    while high > PRECISION * low and high > NARROW:
        middle = float(np.sqrt(max(low, high / FARTHER) * high))
        cut = effort.broken(way(np.array([middle]))[0], doing)
        low, high = (middle, high) if cut is None else (low, middle)
    return float(way(np.array([high]))[0, layer])


def _across(piece: Array, caps: Array, span: Array) -> Edge | None:
    """Return an edge that passes a cap, and where; None if there is none."""
    beyond = piece > caps + NARROW * span
    below = piece < caps - NARROW * span
    for layer in np.flatnonzero(beyond.any(axis=0) & below.any(axis=0)).tolist():
        first = int(np.argmax(beyond[:, layer]))
        second = int(np.argmax(below[:, layer]))
        high, low = piece[first, layer], piece[second, layer]
        share = (high - caps[layer]) / (high - low)
        point = piece[first] + share * (piece[second] - piece[first])
        point[layer] = caps[layer]  # to the last bit: what is beyond is told from what is not
        return first, second, point
    return None


def _longest(piece: Array, span: Array) -> Edge | None:
    """Return the middle of the longest edge, in units of ``span`` ``(R,)``; None if all are
    short."""
    steps = np.abs(piece[:, None] - piece[None]) / np.maximum(span, np.finfo(np.float64).tiny)
    lengths = steps.max(axis=2)
    first, second = np.unravel_index(int(lengths.argmax()), lengths.shape)
    if lengths.max() <= SMALLEST:
        return None
    return int(first), int(second), (piece[first] + piece[second]) / 2


def _halves(piece: Array, first: int, second: int, point: Array) -> list[Array]:
    """Cut ``piece`` in two at ``point``, which is between two of its vertices."""
    halves = [piece.copy(), piece.copy()]
    halves[0][first] = point
    halves[1][second] = point
    return halves
