"""One step that lowers several margins at once: the minimax of their linearisations over a box.

    min_d max_i m_i + g_i . d   subject to   down <= d <= up

This is a game between ``d`` and convex weights of the margins. Against fixed weights the best ``d``
is a corner of the box, and the average of such corners approaches the optimum. Two margins need one
weight, found by bisection; more of them multiplicative weights (Freund and Schapire 1999). Axes:
``B`` games, ``k`` margins, ``P`` pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mlspec.tolerances import SMALLEST_DIVISOR, SMALLEST_GRADIENT

Margins = Callable[[Tensor], Tensor]
"""Images ``(B, C, H, W)`` to the ``k`` margins ``(B, k)`` that must all fall."""


@dataclass(frozen=True)
class TrustRegion:
    """How far a step may go, as a share of each pixel's range, and how that share changes."""

    first: float
    """At the start."""
    growth: float = 2.0
    """Factor after a step that was kept."""
    shrinkage: float = 0.4
    """Factor after a step that was taken back."""


@dataclass(frozen=True)
class MinimaxGame:
    """Solves the game approximately, for a batch."""

    rounds: int = 12
    """Weights tried for three or more margins."""
    halvings: int = 12
    """Weights tried for two margins."""
    rate: float = 4.0
    """First step of the weights' logarithms, in units of the spread of the margins."""

    def solve(self, values: Tensor, slopes: Tensor, down: Tensor, up: Tensor) -> Tensor:
        """Return steps ``(B, P)`` between ``down`` and ``up`` ``(B, P)`` for the margins ``values``
        ``(B, k)`` with the gradients ``slopes`` ``(B, k, P)``."""
        match values.shape[1]:
            case 1:
                return torch.where(slopes[:, 0] > 0.0, down, up)
            case 2:
                return self._by_bisection(values, slopes, down, up)
            case _:
                return self._by_weights(values, slopes, down, up)

    def _by_weights(self, values: Tensor, slopes: Tensor, down: Tensor, up: Tensor) -> Tensor:
        """Return the best of the corners and of their running averages."""
        logits, spread = torch.zeros_like(values), torch.ones_like(values[:, :1])
        average, best = torch.zeros_like(down), down
        least = torch.full_like(values[:, 0], torch.inf)
        for number in range(self.rounds):
            weighted = torch.einsum("bk,bkn->bn", torch.softmax(logits, 1), slopes)
            corner = torch.where(weighted > 0.0, down, up)
            average = average + 2.0 / (number + 2.0) * (corner - average)
            for step in (corner, average):
                largest = (values + torch.einsum("bkn,bn->bk", slopes, step)).amax(1)
                best = torch.where((largest < least)[:, None], step, best)
                least = torch.minimum(least, largest)
            predicted = values + torch.einsum("bkn,bn->bk", slopes, corner)
            if number == 0:
                spread = (predicted.amax(1) - predicted.amin(1)).clamp_min(SMALLEST_GRADIENT)[
                    :, None
                ]
            logits = logits + self.rate / (number + 1) ** 0.5 * predicted / spread
        return best

    def _by_bisection(self, values: Tensor, slopes: Tensor, down: Tensor, up: Tensor) -> Tensor:
        """Return the optimum for two margins, but for the precision of their weight.

        The corner against a weight leaves one margin or the other the larger. Of the last two
        corners, one of each kind, the mixture at which both margins are equal is the optimum.
        """
        low, high = torch.zeros_like(values[:, 0]), torch.ones_like(values[:, 0])
        first, second = slopes[:, 0], slopes[:, 1]
        # Against the second margin alone the first is left the larger, and the other way round.
        over = torch.where(second > 0.0, down, up)
        under = torch.where(first > 0.0, down, up)

        def lead(step: Tensor) -> Tensor:
            """Return by how much the first margin exceeds the second, ``(B,)``."""
            predicted = values + torch.einsum("bkn,bn->bk", slopes, step)
            return predicted[:, 0] - predicted[:, 1]

        ahead, behind = lead(over), lead(under)
        for _ in range(self.halvings):
            weight = (low + high) / 2
            weighted = second + weight[:, None] * (first - second)
            corner = torch.where(weighted > 0.0, down, up)
            led = lead(corner)
            large = led > 0.0
            over, ahead = torch.where(large[:, None], corner, over), torch.where(large, led, ahead)
            under = torch.where(large[:, None], under, corner)
            behind = torch.where(large, behind, led)
            low, high = torch.where(large, weight, low), torch.where(large, high, weight)
        share = (
            (-behind / (ahead - behind).clamp_min(SMALLEST_DIVISOR)).nan_to_num(0.0).clamp(0.0, 1.0)
        )
        # Where even all weight on one margin leaves it the larger, its own corner is the optimum.
        share = torch.where(ahead <= 0.0, 1.0, torch.where(behind >= 0.0, 0.0, share))
        return under + share[:, None] * (over - under)


def linearised(margins: Margins, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the margins ``(B, k)`` at ``points`` ``(B, C, H, W)`` and their gradients ``(B, k,
    P)``."""
    at = points.detach().requires_grad_()
    values = margins(at)
    slopes = [
        torch.autograd.grad(values[:, row].sum(), at, retain_graph=True)[0].flatten(1)
        for row in range(values.shape[1])
    ]
    return values.detach(), torch.stack(slopes, 1)
