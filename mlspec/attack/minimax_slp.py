"""Minimax SLP: lowers the largest of ``k`` margins by sequential linear programming.

Signed gradient steps of a smoothed loss stop short where margins compete, since the minimum of
their maximum lies on a ridge. Here every step solves the linearised problem inside a trust region
(see ``minimax``). A step that does not lower the largest margin is taken back, and the trust region
shrinks. All points move as one batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlspec.attack.minimax import Margins, MinimaxGame, TrustRegion, linearised
from mlspec.core.deadline import NEVER, Deadline


@dataclass(frozen=True)
class MinimaxSlp:
    """Moves points to local minima of their largest margin."""

    trust: TrustRegion = TrustRegion(first=0.5)
    """How far a step may go."""
    game: MinimaxGame = MinimaxGame()
    """How a step is found."""

    def descend(
        self,
        margins: Margins,
        points: Tensor,
        box: tuple[Tensor, Tensor],
        steps: int,
        *,
        enough: float = 0.0,
        deadline: Deadline = NEVER,
    ) -> Tensor:
        """Return points ``(B, C, H, W)`` whose largest margin is at most that of ``points``.

        ``box`` holds the lower and the upper ends, ``(C, H, W)``. Ends early when no margin of one
        of the points is above ``enough``, and once ``deadline`` has passed.
        """
        trust = torch.full((len(points), 1), self.trust.first).to(points)
        low, high = box
        least, most = (end.expand_as(points).flatten(1) for end in box)
        span = most - least
        largest = margins(points).detach().amax(1)
        for _ in range(steps):
            if deadline.passed or bool((largest <= enough).any()):
                break
            values, slopes = linearised(margins, points)
            flat = points.flatten(1)
            down = torch.maximum(flat - trust * span, least) - flat
            up = torch.minimum(flat + trust * span, most) - flat
            step = self.game.solve(values, slopes, down, up)
            moved = (flat + step).view_as(points).clamp(low, high)
            reached = margins(moved).detach().amax(1)
            kept = reached < largest
            points = torch.where(kept[:, None, None, None], moved, points)
            largest = torch.where(kept, reached, largest)
            grown = (self.trust.growth * trust).clamp(max=1.0)
            trust = torch.where(kept[:, None], grown, self.trust.shrinkage * trust)
        return points
