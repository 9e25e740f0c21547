"""The optimizer: expands a robust eps step by step, as long as a margin is left.

A step goes along ``g = normalise(max(0, w^ + lambda (|w^| / |grad RL|) grad RL))`` after MaRVeL
(Kabaha and Drachsler-Cohen, VMCAI 2023). ``w^`` is a direction in which the objective grows: for a
weighted sum, the weights. The margin and its gradient ``grad RL`` come from one of two sources: the
weakest points of an attack, which overestimate the margin, averaged with softmax weights; or the
margin that bounds certify, differentiated through the bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlspec.core.events import Event, Growing, StartingGrowth
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array
from mlspec.core.protocols import MarginSlopes, Steer
from mlspec.core.verdict import WeakestPoints
from mlspec.search.search import Search

MarginSource = Callable[[Array, Event], MarginSlopes]
"""The margin at an eps ``(R,)`` and its slopes, from an attack or from bounds."""


@dataclass(frozen=True)
class Optimizer:
    """Gradient steps that grow all layers at once."""

    step: float = 0.5
    """First and largest length of a step, as a share of the way to where the slopes predict that
    the margin is 0."""
    lambda_start: float = 1.0
    """First weight of the margin's gradient against the direction of the objective."""
    lambda_decay: float = 0.5
    """Factor on that weight after a step that was taken back or did not move."""
    steer: Steer | None = None
    """Where weights to step by come from, instead of those of the objective."""
    shortest: float = 0.02
    """The growth ends once steps are shorter than this share of the way."""
    touching: float = 0.05
    """The growth ends once the smallest margin is this share of the one at its start."""
    lengthened: float = 1.5
    """Factor on the step after one that left a margin, up to ``step``."""
    shortened: float = 0.5
    """Factor on the step after one that was taken back."""
    most_steps: int = 40
    """Gradient steps of one expansion at most."""
    smallest_lambda: float = 0.01
    """Below this, lambda becomes 0: the objective alone sets the direction."""
    softmax_spread: float = 0.25
    """Temperature of the softmax weights, as a share of the range of the margins."""
    smallest_temperature: float = 1e-9
    """In units of the margin."""

    def expand(self, search: Search, start: Array, source: MarginSource | None = None) -> Array:
        """Return an eps ``>= start`` of positive margin at which the step limit is reached.

        The ``source`` is an attack if None. A step that leaves no margin is taken back; lambda and
        the step get smaller then.
        """
        source = source or search.verifier.weakest
        kept, objective = start, search.objective
        lambda_, step = self.lambda_start, self.step
        points = source(kept, StartingGrowth(kept))
        enough = self.touching * float(points.margins[0])
        for _ in range(self.most_steps):
            if points.margins[0] <= enough or step < self.shortest:
                break
            weights = search.weights
            if self.steer is not None and isinstance(points, WeakestPoints):
                weights = self.steer(points)
            upwards = objective.direction(kept, weights)
            # Where all layers have to grow in proportion, the gradient would hold some back.
            pull = lambda_ if objective.unit is None else 0.0
            direction = step_direction(upwards, self.gradient(points), kept, pull)
            length = _length(points, direction, kept, step)
            reached = np.minimum(kept + length * direction, Neighborhood.CAP)
            if not np.any(reached > kept):
                if lambda_ == 0.0:
                    break
                lambda_ = self.decayed(lambda_)
                continue
            tried = source(reached, Growing(reached))
            if tried.lost:
                lambda_, step = lambda_ * self.lambda_decay, step * self.shortened
            else:
                kept, points = reached, tried
                step = min(step * self.lengthened, self.step)
        return kept

    def decayed(self, lambda_: float) -> float:
        """Return the weight of the margin's gradient after a step that brought nothing."""
        return lambda_ * self.lambda_decay if lambda_ > self.smallest_lambda else 0.0

    def gradient(self, points: MarginSlopes) -> Array:
        """Return ``grad RL`` ``(R,)``: the slopes, averaged with softmax weights of the margins."""
        spread = self.softmax_spread * float(np.ptp(points.margins))
        temperature = max(spread, self.smallest_temperature)
        share = np.exp((points.margins[0] - points.margins) / temperature)
        return np.asarray(share @ points.slopes / share.sum())


def step_direction(upwards: Array, gradient: Array, eps: Array, lambda_: float) -> Array:
    """Return the unit vector ``g`` ``(R,)`` over the layers below their cap; zeros if none can
    grow."""
    free = eps < Neighborhood.CAP
    slope = np.where(free, gradient, 0.0)
    upwards = np.where(free, upwards, 0.0)
    length = float(np.linalg.norm(slope))
    pull = lambda_ * np.linalg.norm(upwards) / length * slope if length > 0.0 else 0.0
    direction = np.maximum(0.0, upwards + pull)
    norm = float(np.linalg.norm(direction))
    return direction / norm if norm > 0.0 else direction


def _length(points: MarginSlopes, direction: Array, eps: Array, step: float) -> float:
    """Return the length of a step: the share ``step`` of the way to where the margin is predicted
    to be 0, but no further than where the last layer reaches its cap."""
    growing = direction > 0.0
    if not growing.any():
        return 0.0
    to_cap = float(np.max((Neighborhood.CAP - eps[growing]) / direction[growing]))
    descent = -float((points.slopes @ direction).min())
    to_boundary = float(points.margins[0]) / descent if descent > 0.0 else np.inf
    return min(step * to_boundary, to_cap)
