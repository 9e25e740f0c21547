"""The optimizer: grows a radius as long as a margin is left.

A step goes along ``g = normalise(max(0, w^ + lambda (|w^| / |grad RL|) grad RL))`` after MaRVeL
(Kabaha and Drachsler-Cohen, VMCAI 2023). ``w^`` is where the objective ascends: for a weighted sum,
the weights. The margin and its gradient ``grad RL`` have one of two sources: the weakest points of
an attack, an optimistic oracle, averaged with softmax weights of their margins; or the margin that
bounds certify, differentiated through the bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlspec.core.neighborhood import CAP
from mlspec.core.network import Array
from mlspec.core.protocols import Slopes, Steer
from mlspec.core.verdict import WeakestPoints
from mlspec.search.effort import Effort

SHORTEST = 0.02
"""A step this short (as a fraction of the way to the predicted boundary) ends the growth."""
TOUCHING = 0.05
"""The growth ends where the weakest margin is this share of the one it began with."""
LENGTHENED = 1.5
"""Factor on the step after one that held, up to its first length."""
MOST_STEPS = 40
SMALLEST_LAMBDA = 0.01
"""Below this the gradient has no say: lambda becomes 0 and the weights alone set the direction."""


@dataclass(frozen=True)
class Ascent:
    """How the optimizer steps."""

    step: float
    """Step length, as a fraction of the way to where the gradient predicts the boundary."""
    lambda_start: float
    lambda_decay: float
    steer: Steer | None = None
    """Weights that the direction follows instead of those of the objective."""


Source = Callable[[Array, str], Slopes]
"""What is left of the margin at a radius ``(R,)``, and a few words for whoever watches."""


def expand(effort: Effort, start: Array, ascent: Ascent, source: Source | None = None) -> Array:
    """Return a radius ``>= start`` that has margin left and can hardly grow.

    The ``source`` is an attack if None. A step after which no margin is left is taken back; then
    both lambda and the step get shorter.
    """
    source = source or effort.weakest
    kept, objective = start, effort.objective
    lambda_, step = ascent.lambda_start, ascent.step
    points = source(kept, "looking for the weakest points")
    touching = TOUCHING * float(points.margins[0])
    for _ in range(MOST_STEPS):
        if points.margins[0] <= touching or step < SHORTEST:
            break
        weights = effort.weights
        if ascent.steer is not None and isinstance(points, WeakestPoints):
            weights = ascent.steer(points)
        upwards = objective.ascent(kept, weights)
        pull = lambda_ if objective.unit is None else 0.0  # else a layer left behind is all lost
        direction = _direction(upwards, _gradient(points), kept, pull)
        reached = np.minimum(kept + _length(points, direction, kept, step) * direction, CAP)
        if not np.any(reached > kept):
            if lambda_ == 0.0:
                break
            lambda_ = lambda_ * ascent.lambda_decay if lambda_ > SMALLEST_LAMBDA else 0.0
            continue
        tried = source(reached, f"growing to {effort.said(reached)}")
        if tried.lost:
            lambda_, step = lambda_ * ascent.lambda_decay, step * 0.5
        else:
            kept, points = reached, tried
            step = min(step * LENGTHENED, ascent.step)
    return kept


def _gradient(points: Slopes) -> Array:
    """Return ``grad RL`` ``(R,)``: the slopes, averaged with softmax weights of the margins."""
    spread = max(float(np.ptp(points.margins)) / 4, 1e-9)
    share = np.exp((points.margins[0] - points.margins) / spread)
    return np.asarray(share @ points.slopes / share.sum())


def _direction(upwards: Array, gradient: Array, eps: Array, lambda_: float) -> Array:
    free = eps < CAP
    slope = np.where(free, gradient, 0.0)
    upwards = np.where(free, upwards, 0.0)
    length = float(np.linalg.norm(slope))
    pull = lambda_ * np.linalg.norm(upwards) / length * slope if length > 0.0 else 0.0
    ascent = np.maximum(0.0, upwards + pull)
    norm = float(np.linalg.norm(ascent))
    return ascent / norm if norm > 0.0 else ascent


def _length(points: Slopes, direction: Array, eps: Array, step: float) -> float:
    """Return the length of a step: a fraction of the way to the predicted boundary, or to the
    cap."""
    growing = direction > 0.0
    if not growing.any():
        return 0.0
    to_cap = float(np.max((CAP - eps[growing]) / direction[growing]))
    falling = -float((points.slopes @ direction).min())
    to_boundary = float(points.margins[0]) / falling if falling > 0.0 else np.inf
    return min(step * to_boundary, to_cap)
