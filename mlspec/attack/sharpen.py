"""Brings violations down to local minima of the share: sequential linear programs inside a trust
region, with the share as a variable.

At a violating image each step tries the box that holds it and smaller ones, at once. In each it
takes the ``d`` of the trust region that minimises the largest linearised margin (see ``polish``),
and goes on from the smallest box in which that violates; where none is smaller, a lower margin in
the same box is room for the next step. A step that gains nothing is taken back, and the trust
region shrinks. Where margins are linear the limit is the exact share.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mlspec.attack.falling import Members, Way
from mlspec.attack.polish import GROWTH, SHRINKAGE, linearised, minimax
from mlspec.core.deadline import Deadline
from mlspec.tensors import TensorNetwork

CUTS = np.array([[0.0], [0.1], [0.3], [1.0]])
"""What is tried to be cut off the share, as parts of the trust region."""
FIRST_TRUST = 0.3
LEAST_TRUST = 1e-4
"""Trust region, as a share of each pixel's range; below the least a member is at its minimum."""


def sharpened(
    way: Way, network: TensorNetwork, members: Members, iterations: int, deadline: Deadline
) -> Members:
    """Return violations of shares at most those of ``members``, which violate."""
    count, tries = len(members), len(CUTS)
    points, shares = network.tensor(members.images), members.shares
    goals = members.goals.take(np.tile(np.arange(count), tries))
    trust = np.full(count, FIRST_TRUST)
    column = np.arange(count)

    def margins(images: Tensor) -> Tensor:
        return members.goals.margins(network.forward(images))

    for _ in range(iterations):
        if trust.max() < LEAST_TRUST or deadline.passed:
            break
        values, slopes = linearised(margins, points)
        wide = [network.tensor(end) for end in way.boxes(shares)]
        span = wide[1] - wide[0]
        tried = shares * (1.0 - CUTS * np.minimum(trust, 0.5))
        low, high = (network.tensor(end) for end in way.boxes(tried.ravel()))
        far = (network.tensor(trust)[:, None, None, None] * span).repeat(tries, 1, 1, 1)
        moved = _step(points.repeat(tries, 1, 1, 1), values, slopes, low, high, far)
        with torch.no_grad():
            reached = goals.margins(network.forward(moved)).amax(1).cpu().numpy()
        reached = reached.reshape(tries, count)
        chosen = np.where(reached <= 0.0, tried, np.inf).argmin(0)
        lower = reached[0] < values.amax(1).cpu().numpy()
        gains = (reached[chosen, column] <= 0.0) & ((chosen > 0) | lower)
        mask = torch.as_tensor(gains, device=points.device)[:, None, None, None]
        points = torch.where(mask, moved[chosen * count + column], points)
        shares = np.where(gains, tried[chosen, column], shares)
        trust = np.where(gains, np.minimum(GROWTH * trust, 1.0), SHRINKAGE * trust)
    return way.violating(Members(points.cpu().numpy(), shares, members.goals))


def _step(
    points: Tensor, values: Tensor, slopes: Tensor, low: Tensor, high: Tensor, far: Tensor
) -> Tensor:
    """Return the images that linearisations at ``points`` favour, in the boxes, about ``far`` away.

    Only what a smaller box enforces goes farther. ``values`` and ``slopes`` are those of the first
    of ``points``, which repeat.
    """
    repeats = len(points) // len(values)
    values, slopes = values.repeat(repeats, 1), slopes.repeat(repeats, 1, 1)
    inside = torch.clamp(points, low, high)
    values = values + torch.einsum("bkn,bn->bk", slopes, (inside - points).flatten(1))
    down = torch.maximum(inside - far, low) - inside
    up = torch.minimum(inside + far, high) - inside
    step = minimax(values, slopes, down.flatten(1), up.flatten(1))
    return torch.clamp(inside + step.view_as(inside), low, high)
