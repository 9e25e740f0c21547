"""Is it maximal? Every layer grows until a violating image a little beyond it is known."""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array
from mlspec.core.trace import Ask, Block, Cut, StopReason, Trace
from mlspec.search.effort import Effort, SpentError

LEAST = 1e-4
CAP = 1.0


def settle(effort: Effort, tolerance: float) -> StopReason:
    """Grow single layers from the best radius, the heaviest first, and note what blocks each.

    A layer is blocked when a violating image at ``eps + max(tolerance * eps, 1e-4)`` is known. As
    no layer shrinks on the way, it stays blocked while others grow.

    Raises SpentError when the budget is spent.
    """
    blocked = effort.trace.blocked
    spent: SpentError | None = None
    for layer in np.argsort(-effort.weights, kind="stable").tolist():
        try:
            block = _settle(effort, layer, tolerance)
        except SpentError as error:
            if error.reason is not StopReason.QUERIES:
                raise
            spent = error  # attacks, which are not counted, may still block other layers
            continue
        if block is not None:
            blocked[layer] = block
    if spent is not None:
        raise spent
    return StopReason.MAXIMAL if len(blocked) == effort.layers else StopReason.STALLED


def _settle(effort: Effort, layer: int, tolerance: float) -> tuple[Block, Cut | None] | None:
    """Grow ``layer`` by doubled steps, then by halving; return what blocks it, if that is known."""
    eps = effort.trace.best.copy()
    refused, cut, step = np.inf, None, 0.0
    while eps[layer] < CAP:
        least = max(tolerance * eps[layer], LEAST)
        if refused <= eps[layer] + least:
            return None if cut is None else (Block.WITNESS, cut)
        step = max(step, least)
        raised = eps.copy()
        raised[layer] = min(eps[layer] + step, CAP)
        if np.isfinite(refused):
            raised[layer] = max((eps[layer] + refused) / 2, eps[layer] + least)
        robust, found = _decided(effort, raised, layer)
        if robust:
            eps, step = raised, 2.0 * step
        else:
            refused, cut = raised[layer], found
    return Block.CAP, None


def _decided(effort: Effort, eps: Array, layer: int) -> tuple[bool, Cut | None]:
    """Say whether ``eps`` is certified, and which cut refused it otherwise, if any."""
    cut = effort.broken(eps, f"asking what blocks layer {layer}")
    if cut is not None:
        return False, cut
    verdict = effort.prove(eps, f"layer {layer} on its own", ask=Ask.CERTIFICATE)
    return verdict.robust, effort.known_cut(eps)


def upper_bound(weights: Array, trace: Trace) -> float:
    """Return a bound on ``weights @ eps`` of every robust radius, from each cut on its own.

    A cut keeps some layer below its extent: at best the one that costs least.
    """
    losses = [np.min(weights * (CAP - cut.extents)) for cut in trace.cuts]
    return float(weights.sum() - max(losses, default=0.0))
