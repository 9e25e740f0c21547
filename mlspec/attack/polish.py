"""Descends from good points to local minima: sequential linear programs inside a trust region.

Signed steps of a smoothed loss stop short where k margins compete: the weakest of their maximum
lies on a ridge. Here every step minimises the largest of the k linearised margins over a box,

    min_d max_r m_r + g_r . d   s.t.   low <= x + d <= high, |d_p| <= trust * range_p,

a game between ``d`` and convex weights of the margins. Multiplicative weights solve it (Freund and
Schapire 1999): against each weighting the best ``d`` is a corner of the box, and the average of the
corners approaches the optimum. A step that does not lower the margin is taken back, and the trust
region shrinks. All points move as one batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mlspec.core.deadline import NEVER, Deadline

FIRST_TRUST = 0.5
"""Trust region at the start, as a share of each pixel's range."""
GROWTH, SHRINKAGE = 2.0, 0.4
"""Factor on the trust region after a step that held, and after one that did not."""
ROUNDS = 12
HALVINGS = 12
"""Weights tried: of three or more margins, and of two."""
RATE = 4.0
"""Step of the weights' logarithms, in units of the spread of the margins."""

Margins = Callable[[Tensor], Tensor]
"""Images ``(B, C, H, W)`` to the ``k`` margins ``(B, k)`` that must all fall."""


def polish(
    margins: Margins,
    points: Tensor,
    low: Tensor,
    high: Tensor,
    iterations: int,
    enough: float = 0.0,
    deadline: Deadline = NEVER,
) -> Tensor:
    """Return points ``(B, C, H, W)`` whose largest margin is at most that of ``points``.

    ``low`` and ``high`` are the box, ``(C, H, W)``, or each point's own, ``(B, C, H, W)``. Ends
    early when no margin of a point is above ``enough``, and once ``deadline`` has passed.
    """
    trust = torch.full((len(points), 1), FIRST_TRUST).to(points)
    least, most = (end.expand_as(points).flatten(1) for end in (low, high))
    span = most - least
    largest = margins(points).detach().amax(1)
    for _ in range(iterations):
        if deadline.passed or bool((largest <= enough).any()):
            break
        values, slopes = linearised(margins, points)
        flat = points.flatten(1)
        down = torch.maximum(flat - trust * span, least) - flat
        up = torch.minimum(flat + trust * span, most) - flat
        moved = (flat + minimax(values, slopes, down, up)).view_as(points).clamp(low, high)
        reached = margins(moved).detach().amax(1)
        held = reached < largest
        points = torch.where(held[:, None, None, None], moved, points)
        largest = torch.where(held, reached, largest)
        trust = torch.where(held[:, None], (GROWTH * trust).clamp(max=1.0), SHRINKAGE * trust)
    return points


def linearised(margins: Margins, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the margins ``(B, k)`` and their gradients ``(B, k, N)``."""
    at = points.detach().requires_grad_()
    values = margins(at)
    slopes = [
        torch.autograd.grad(values[:, row].sum(), at, retain_graph=True)[0].flatten(1)
        for row in range(values.shape[1])
    ]
    return values.detach(), torch.stack(slopes, 1)


def minimax(values: Tensor, slopes: Tensor, down: Tensor, up: Tensor) -> Tensor:
    """Return steps ``(B, N)`` between ``down`` and ``up`` of a small largest linearised margin."""
    count = values.shape[1]
    if count == 2:
        return _minimax_of_two(values, slopes, down, up)
    logits = torch.zeros_like(values)
    average, best, least = torch.zeros_like(down), down, torch.full_like(values[:, 0], torch.inf)
    for number in range(ROUNDS if count > 1 else 1):
        weighted = torch.einsum("bk,bkn->bn", torch.softmax(logits, 1), slopes)
        corner = torch.where(weighted > 0.0, down, up)
        average = average + 2.0 / (number + 2.0) * (corner - average)
        for step in (corner, average):
            largest = (values + torch.einsum("bkn,bn->bk", slopes, step)).amax(1)
            best = torch.where((largest < least)[:, None], step, best)
            least = torch.minimum(least, largest)
        predicted = values + torch.einsum("bkn,bn->bk", slopes, corner)
        if number == 0:
            spread = (predicted.amax(1) - predicted.amin(1)).clamp_min(1e-12)[:, None]
        logits = logits + RATE / (number + 1) ** 0.5 * predicted / spread
    return best


def _minimax_of_two(values: Tensor, slopes: Tensor, down: Tensor, up: Tensor) -> Tensor:
    """Return the same for two margins, exactly in the limit: one weight is found by halving.

    The best corner against a weight favours one margin or the other. Of the last two corners, one
    of each kind, the mixture in which both margins are alike is the optimum.
    """
    low, high = torch.zeros_like(values[:, 0]), torch.ones_like(values[:, 0])
    first, second = slopes[:, 0], slopes[:, 1]
    # Ends: all weight on the second margin leaves the first large, and the other way round.
    over = torch.where(second > 0.0, down, up)
    under = torch.where(first > 0.0, down, up)

    def lead(step: Tensor) -> Tensor:
        predicted = values + torch.einsum("bkn,bn->bk", slopes, step)
        return predicted[:, 0] - predicted[:, 1]

    ahead, behind = lead(over), lead(under)
    for _ in range(HALVINGS):
        weight = (low + high) / 2
        weighted = second + weight[:, None] * (first - second)
        corner = torch.where(weighted > 0.0, down, up)
        led = lead(corner)
        large = led > 0.0
        over, ahead = torch.where(large[:, None], corner, over), torch.where(large, led, ahead)
        under = torch.where(large[:, None], under, corner)
        behind = torch.where(large, behind, led)
        low, high = torch.where(large, weight, low), torch.where(large, high, weight)
    share = (-behind / (ahead - behind).clamp_min(1e-300)).nan_to_num(0.0).clamp(0.0, 1.0)
    # Where even all weight on one margin leaves it the larger, its own corner is the optimum.
    share = torch.where(ahead <= 0.0, 1.0, torch.where(behind >= 0.0, 0.0, share))
    return under + share[:, None] * (over - under)
