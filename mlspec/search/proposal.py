"""The loop of the thesis proposal: expand a robust eps by small steps, shrink what is not robust.

Every neighborhood is decided by the complete verifier. From a robust ``eps*`` with its weakest
points one small step follows the gradient of the relaxed problem ``w . eps + lambda * RL(eps)``,
after MaRVeL (Kabaha and Drachsler-Cohen, VMCAI 2023):

    g = normalise(max(0, w^ + lambda (|w^| / |grad RL|) grad RL)),   eps = eps* + eta g

An eps that is not robust shrinks, until it is, by the cutting weights of the policy:

    eps' = eps * cw + eps* * (1 - cw)

lambda decays after a step that shrinking undoes, or that does not move. At lambda = 0 such a step
freezes the layer that loses the most margin per weight. The loop ends when no direction is left. It
is a baseline, beside ``naive``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array
from mlspec.core.protocols import ShrinkPolicy
from mlspec.core.trace import Iteration, Move, StopReason
from mlspec.core.verdict import Verdict, WeakestPoints
from mlspec.search.optimizer import Optimizer, step_direction
from mlspec.search.search import Search
from mlspec.tolerances import SMALLEST_DIVISOR


@dataclass(frozen=True, eq=False)
class Expansion:
    """A step from a robust eps."""

    robust: Array
    """``eps*``, ``(R,)``."""
    margin: float
    """The least margin of its weakest points."""
    gradient: Array
    """d margin / d eps at ``eps*``, ``(R,)``."""
    lambda_: float
    direction: Array
    """``g``, ``(R,)``."""
    reached: Array
    """``eps* + eta g``, no epsilon beyond its cap."""


@dataclass(frozen=True)
class ProposalStrategy:
    """Expands and shrinks by complete queries alone."""

    policy: ShrinkPolicy
    """Where the cutting weights come from."""
    optimizer: Optimizer = field(default_factory=Optimizer)
    """Holds lambda, its decay, and how weakest points are averaged; its steps are not used."""
    step: float = 0.2
    """``eta``, as a share of the length of the robust eps."""
    least_step: float = 1e-4
    """``eta`` is at least this much, as a pixel intensity."""
    seconds: float = 2.0
    """Time for the weakest points of one robust eps: the optimum of the margin where it ends
    sooner, else the weakest images by then."""
    tolerance: float = 0.02
    """A step counts as undone where less than this share of the value is gained."""

    def run(self, search: Search, start: Array) -> StopReason:
        """Go on from ``start`` until no direction is left; ends with STALLED then."""
        robust = np.maximum(start, search.resumed)
        frozen = np.zeros(len(robust), dtype=np.bool_)
        # Where all layers have to grow in proportion, the gradient would hold some back.
        together = search.objective.unit is not None
        lambda_ = 0.0 if together else self.optimizer.lambda_start
        points = search.verifier.minimisers(robust, self.seconds)
        while True:
            step = self._step(search, robust, points, frozen, lambda_)
            moves = bool((step.reached > robust).any())
            left = self._proved(search, step) if moves else None
            if left is not None:
                robust = left
                points = search.verifier.minimisers(robust, self.seconds)
            elif lambda_ > 0.0:
                lambda_ = self.optimizer.decayed(lambda_)
            elif together or not moves:
                return StopReason.STALLED
            else:
                frozen[_dearest(step, search.weights)] = True

    def _step(
        self,
        search: Search,
        robust: Array,
        points: WeakestPoints,
        frozen: NDArray[np.bool_],
        lambda_: float,
    ) -> Expansion:
        """Return the step from ``robust`` over the layers that are not frozen."""
        optimizer, weights = self.optimizer, search.weights
        if optimizer.steer is not None:
            weights = optimizer.steer(points)
        gradient = optimizer.gradient(points)
        upwards = np.where(frozen, 0.0, search.objective.direction(robust, weights))
        slope = np.where(frozen, 0.0, gradient)
        direction = step_direction(upwards, slope, robust, lambda_)
        eta = max(self.step * float(np.linalg.norm(robust)), self.least_step)
        reached = np.minimum(robust + eta * direction, Neighborhood.CAP)
        margin = float(points.margins[0])
        return Expansion(robust, margin, gradient, lambda_, direction, reached)

    def _proved(self, search: Search, step: Expansion) -> Array | None:
        """Return the robust eps to which a step shrinks; None where the step is undone."""
        least = (1.0 + self.tolerance) * search.value(step.robust)
        eps = step.reached
        verdict = self._tried(search, step, eps, Move.EXPANSION, step.direction)
        while not verdict.robust:
            shrunk = self.policy.shrink(eps, step.robust, verdict.extents)
            if not search.value(shrunk) > least or np.array_equal(shrunk, eps):
                return None
            grown = np.maximum(eps - step.robust, SMALLEST_DIVISOR)
            kept = np.where(eps > step.robust, (shrunk - step.robust) / grown, 1.0)
            eps = shrunk
            verdict = self._tried(search, step, eps, Move.SHRINKAGE, kept)
        return eps

    def _tried(
        self, search: Search, step: Expansion, eps: Array, move: Move, weights: Array
    ) -> Verdict:
        """Ask whether ``eps`` is robust, and note the iteration."""
        verdict = search.verifier.prove(eps, move)
        search.record.iteration(
            Iteration(
                move,
                eps,
                verdict.outcome,
                step.margin,
                step.gradient,
                weights,
                step.lambda_,
                search.budget.elapsed,
            )
        )
        return verdict


def _dearest(step: Expansion, weights: Array) -> int:
    """Return which layer of a step loses the most margin per weight."""
    price = -step.gradient / np.maximum(weights, SMALLEST_DIVISOR)
    return int(np.argmax(np.where(step.direction > 0.0, price, -np.inf)))
