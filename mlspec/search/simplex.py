"""Simplices of eps vectors: all of one value of a weighted sum, and how to cut them in two.

A piece ``(V, R)`` holds the vertices of a simplex: it stands for all their convex combinations.
"""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array

Edge = tuple[int, int, Array]
"""Two vertices of a piece, and an eps ``(R,)`` between them."""


def vertices_of_value(floor: Array, weights: Array, value: float) -> Array:
    """Return the vertices ``(V, R)`` of the simplex of all ``eps >= floor`` with ``weights @ eps =
    value``; none where the floor is worth more.

    Layers of weight 0 stay at the floor: a larger epsilon there only adds violating images.
    """
    left = value - weights @ floor
    layers = np.flatnonzero(weights > 0.0)
    if left <= 0.0:
        return np.empty((0, len(floor)))
    vertices = np.repeat(floor[None], len(layers), axis=0)
    vertices[np.arange(len(layers)), layers] += left / weights[layers]
    return vertices


def edge_across(piece: Array, caps: Array, slack: Array) -> Edge | None:
    """Return an edge that crosses the cap of a layer, with the eps where it does; None if there
    is none.

    Vertices count as on a side where they are off the ``caps`` ``(R,)`` by more than ``slack``.
    """
    beyond = piece > caps + slack
    below = piece < caps - slack
    for layer in np.flatnonzero(beyond.any(axis=0) & below.any(axis=0)).tolist():
        first = int(np.argmax(beyond[:, layer]))
        second = int(np.argmax(below[:, layer]))
        high, low = piece[first, layer], piece[second, layer]
        share = (high - caps[layer]) / (high - low)
        point = piece[first] + share * (piece[second] - piece[first])
        point[layer] = caps[layer]  # exactly: rounding would leave it on one of the sides
        return first, second, point
    return None


def longest_edge(piece: Array, span: Array, smallest: float) -> Edge | None:
    """Return the longest edge, in units of ``span`` ``(R,)``, with its midpoint; None where that is
    ``smallest`` at most."""
    steps = np.abs(piece[:, None] - piece[None]) / np.maximum(span, np.finfo(np.float64).tiny)
    lengths = steps.max(axis=2)
    first, second = np.unravel_index(int(lengths.argmax()), lengths.shape)
    if lengths.max() <= smallest:
        return None
    return int(first), int(second), (piece[first] + piece[second]) / 2


def halves(piece: Array, edge: Edge) -> list[Array]:
    """Return the two pieces that cutting ``piece`` at an eps on one of its edges leaves."""
    first, second, point = edge
    both = [piece.copy(), piece.copy()]
    both[0][first] = point
    both[1][second] = point
    return both
