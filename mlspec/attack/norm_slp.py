"""Norm SLP: lowers the share of the path at which images violate, by sequential linear programming.

At a violating image each step tries the box that holds it and smaller ones, in one batch. In each
box it takes the step of the trust region that minimises the largest linearised margin (see
``minimax``), and goes on from the smallest box in which the moved image violates. If none is
smaller, a lower margin in the same box is kept: it makes room for the next step. A step that gains
neither is taken back, and the trust region shrinks. For linear margins the limit is the exact
share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mlspec.attack.minimax import MinimaxGame, TrustRegion, linearised
from mlspec.attack.path_boxes import Candidates, PathBoxes
from mlspec.core.deadline import NEVER, Deadline


@dataclass(frozen=True)
class NormSlp:
    """Moves violating candidates to local minima of their share of the path."""

    reductions: tuple[float, ...] = (0.0, 0.1, 0.3, 1.0)
    """Reductions of the share that are tried, in units of the trust region; the first is none."""
    most: float = 0.5
    """Largest reduction of the share in one step."""
    trust: TrustRegion = TrustRegion(first=0.3)
    """How far a step may go."""
    least_trust: float = 1e-4
    """Below this trust region a candidate is at its minimum."""
    game: MinimaxGame = MinimaxGame()
    """How a step is found."""

    def descend(
        self, boxes: PathBoxes, start: Candidates, steps: int, deadline: Deadline = NEVER
    ) -> Candidates:
        """Return violations of shares at most those of ``start``, which violate.

        Makes at most ``steps`` steps, and no further one once ``deadline`` has passed.
        """
        network = boxes.context.exact
        count, tries = len(start), len(self.reductions)
        reductions = np.array(self.reductions)[:, None]
        points, shares = network.tensor(start.images), start.shares
        targets = start.targets.take(np.tile(np.arange(count), tries))
        trust = np.full(count, self.trust.first)
        column = np.arange(count)

        def margins(images: Tensor) -> Tensor:
            return start.targets.margins(network.forward(images))

        for _ in range(steps):
            if trust.max() < self.least_trust or deadline.passed:
                break
            values, slopes = linearised(margins, points)
            low, high = (network.tensor(end) for end in boxes.at(shares))
            far = (network.tensor(trust)[:, None, None, None] * (high - low)).repeat(tries, 1, 1, 1)
            tried = shares * (1.0 - reductions * np.minimum(trust, self.most))
            low, high = (network.tensor(end) for end in boxes.at(tried.ravel()))
            moved = self._step(points.repeat(tries, 1, 1, 1), values, slopes, (low, high), far)
            with torch.no_grad():
                reached = targets.margins(network.forward(moved)).amax(1).cpu().numpy()
            reached = reached.reshape(tries, count)
            chosen = np.where(reached <= 0.0, tried, np.inf).argmin(0)
            lower = reached[0] < values.amax(1).cpu().numpy()
            kept = (reached[chosen, column] <= 0.0) & ((chosen > 0) | lower)
            mask = torch.as_tensor(kept, device=points.device)[:, None, None, None]
            points = torch.where(mask, moved[chosen * count + column], points)
            shares = np.where(kept, tried[chosen, column], shares)
            grown = np.minimum(self.trust.growth * trust, 1.0)
            trust = np.where(kept, grown, self.trust.shrinkage * trust)
        return boxes.violating(Candidates(points.cpu().numpy(), shares, start.targets))

    def _step(
        self,
        points: Tensor,
        values: Tensor,
        slopes: Tensor,
        box: tuple[Tensor, Tensor],
        far: Tensor,
    ) -> Tensor:
        """Return ``points`` moved as their linearisations favour, inside their boxes.

        A pixel moves by ``far`` at most, or by what its smaller box enforces. ``values`` and
        ``slopes`` are those of the first of ``points``, which repeat.
        """
        low, high = box
        repeats = len(points) // len(values)
        values, slopes = values.repeat(repeats, 1), slopes.repeat(repeats, 1, 1)
        inside = torch.clamp(points, low, high)
        values = values + torch.einsum("bkn,bn->bk", slopes, (inside - points).flatten(1))
        down = torch.maximum(inside - far, low) - inside
        up = torch.minimum(inside + far, high) - inside
        step = self.game.solve(values, slopes, down.flatten(1), up.flatten(1))
        return torch.clamp(inside + step.view_as(inside), low, high)
