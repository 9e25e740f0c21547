"""Is it maximal? Layers grow until a violating image a little beyond each of them is known."""

from __future__ import annotations

import numpy as np

from mlspec.core.neighborhood import CAP
from mlspec.core.network import Array
from mlspec.core.protocols import Path
from mlspec.core.trace import Ask, Block, Cut, StopReason
from mlspec.search.effort import Effort, SpentError

LEAST = 1e-4
BRACKETED = 64
"""Heaviest layers of which an attack first finds out how far they could go."""
LONGER = 4.0
"""Factor on the step of layers that grew."""


def settle(effort: Effort, tolerance: float) -> StopReason:
    """Grow the best radius and note what blocks each layer.

    A layer is blocked when a violating image at ``eps + max(tolerance * eps, 1e-4)`` is known. As
    no layer shrinks on the way, it stays blocked while others grow. Layers grow together, the
    heaviest first; what refuses a group is looked for in its halves. First an attack finds out how
    far each could go. Raises SpentError when the budget is spent.
    """
    blocked = effort.trace.blocked
    order = np.argsort(-effort.weights, kind="stable").tolist()
    for layer in order[:BRACKETED]:
        _bracket(effort, layer)
    spent: SpentError | None = None
    groups = [order]
    while groups:
        group = _open(effort, groups.pop())
        if not group:
            continue
        try:
            cut = _grow(effort, group, tolerance)
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
            _open(effort, group)
    if spent is not None:
        raise spent
    return StopReason.MAXIMAL if len(blocked) == effort.radii else StopReason.STALLED


def _bracket(effort: Effort, layer: int) -> None:
    """Find a violating image for ``layer`` alone beyond the best radius, and one that moves little
    else."""
    best = effort.trace.best
    raised = best.copy()
    raised[layer] = CAP
    cut = effort.broken(raised, f"how far {effort.name(layer)} could go")
    if cut is not None and best[layer] < CAP:
        others = np.arange(effort.radii) != layer
        effort.reduce(cut, between(np.where(others, cut.extents, 0.0), cut.extents))
        alone = effort.reduce(cut, between(np.where(others, 0.0, cut.extents), cut.extents))
        effort.reduce(alone, between(np.where(others, alone.extents, 0.0), alone.extents))


def between(low: Array, high: Array) -> Path:
    """Return the straight way from ``low`` to ``high``."""
    return lambda shares: low + shares[:, None] * (high - low)


def _open(effort: Effort, group: list[int]) -> list[int]:
    """Return the layers of ``group`` that may still grow."""
    blocked = effort.trace.blocked
    for layer in group:
        if effort.trace.best[layer] >= CAP:
            blocked[layer] = Block.CAP, None
    return [layer for layer in group if layer not in blocked]


def _grow(effort: Effort, group: list[int], tolerance: float) -> Cut | None:
    """Grow the layers of ``group`` together by longer and longer steps, until the least step is
    refused; return the cut that did, if there is one."""
    factor = 1.0
    while True:
        best = effort.trace.best
        raised = best.copy()
        step = np.maximum(tolerance * best[group], LEAST)
        raised[group] = np.minimum(best[group] + factor * step, CAP)
        if np.array_equal(raised, best):
            return None
        grown, cut = _decided(effort, raised, effort.name(*group))
        if grown:
            factor *= LONGER
        elif factor == 1.0:
            return cut
        else:
            factor = 1.0


def _decided(effort: Effort, eps: Array, note: str) -> tuple[bool, Cut | None]:
    """Say whether ``eps`` is certified, and which cut refused it otherwise, if any."""
    cut = effort.broken(eps, f"asking what blocks {note}")
    if cut is not None:
        return False, cut
    verdict = effort.prove(eps, note, ask=Ask.CERTIFICATE)
    return verdict.robust, effort.known_cut(eps)
