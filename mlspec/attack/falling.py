"""Gradient descent in which every member of a batch has a neighborhood of its own, on one path.

A member that violates goes on in a smaller neighborhood, one that does not in a larger one, by
steps that shorten: the radius is found along with the image, where halving a radius would need an
attack for each, and trust each failure. After Pintor, Roli, Brendel, Biggio 2021 (Fast
Minimum-Norm attacks), with layered boxes for balls and subsets of rivals for goals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlspec.attack.goals import Goals
from mlspec.attack.polish import Margins, linearised, minimax
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.protocols import Path
from mlspec.tensors import TensorNetwork
from mlspec.tolerances import BOX_SLACK

MOMENTUM = 0.75
LAST_STEP = 0.01
"""Step length over a pixel's half range, at the last iteration."""
ABOVE = 1.3
"""No member looks at shares beyond the least known one times this."""
HALVINGS = 16
LEAST_SHARE = 1e-6


@dataclass(frozen=True, eq=False)
class Members:
    """A batch: images, the shares of the path whose boxes hold them, what each goes for."""

    images: Array
    """``(B, C, H, W)``."""
    shares: Array
    """``(B,)``."""
    goals: Goals

    def __len__(self) -> int:
        return len(self.shares)

    def take(self, members: NDArray[np.intp]) -> Members:
        """Return the ``members``, which may repeat."""
        return Members(self.images[members], self.shares[members], self.goals.take(members))

    def nearest(self, most: int) -> Members:
        """Return the ``most`` of least share, that one first."""
        return self.take(np.argsort(self.shares, kind="stable")[:most])

    def and_also(self, other: Members) -> Members:
        """Return all members of both."""
        return Members(
            np.concatenate([self.images, other.images]),
            np.concatenate([self.shares, other.shares]),
            self.goals.and_also(other.goals),
        )


@dataclass(frozen=True)
class Pace:
    """How a descent moves."""

    steps: int
    first_step: float
    """Step length over a pixel's half range, at the first iteration."""
    first_change: float
    """Relative change of a share after one step, at the first iteration."""
    last_change: float


@dataclass(frozen=True, eq=False)
class Way:
    """The boxes of a problem on one path."""

    problem: Problem
    path: Path

    def boxes(self, shares: Array) -> tuple[Array, Array]:
        """Return the ends of the boxes at ``shares`` ``(B,)``, two of ``(B, C, H, W)``."""
        down, up = self.problem.layering.reach(self.path(shares))
        image = self.problem.image
        return np.clip(image - down[:, None], 0.0, 1.0), np.clip(image + up[:, None], 0.0, 1.0)

    def fall(
        self, network: TensorNetwork, first: Members, pace: Pace, known: float, deadline: Deadline
    ) -> Members:
        """Return the members that come to violate, each at the least share at which it does.

        ``network`` is the relaxed network; ``known`` a share at which there is a violation, or
        infinity. Once ``deadline`` has passed, no further step is made.
        """
        shares, least = first.shares.copy(), np.full(len(first), np.inf)
        low, high = (network.tensor(end) for end in self.boxes(shares))
        points = torch.clamp(network.tensor(first.images), low, high)
        best, velocity, spread = points.clone(), torch.zeros_like(points), 1.0
        for iteration in range(pace.steps):
            if deadline.passed:
                break
            slow = (1.0 + np.cos(np.pi * iteration / pace.steps)) / 2
            points.requires_grad_()
            scores = network.forward(points)
            if iteration == 0:
                spread = max(0.1 * float(scores.detach().std()), 1e-6)
            margins = first.goals.margins(scores)
            loss = spread * torch.logsumexp(margins / spread, 1)
            (gradient,) = torch.autograd.grad(loss.sum(), points)
            points = points.detach()
            violating = (margins.detach().amax(1) <= 0.0).cpu().numpy()
            better = violating & (shares < least)
            least = np.where(better, shares, least)
            best = torch.where(
                torch.as_tensor(better, device=points.device)[:, None, None, None], points, best
            )
            gradient = gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
            velocity = MOMENTUM * velocity + gradient
            change = pace.last_change + (pace.first_change - pace.last_change) * slow
            ceiling = np.minimum(np.minimum(least, 1.0), ABOVE * min(known, least.min()))
            shares = np.where(
                violating,
                np.minimum(shares, least) * (1.0 - change),
                np.minimum(shares * (1.0 + change), ceiling),
            )
            low, high = (network.tensor(end) for end in self.boxes(shares))
            length = LAST_STEP + (pace.first_step - LAST_STEP) * slow
            points = torch.clamp(points - length * (high - low) / 2 * velocity.sign(), low, high)
        found = Members(best.cpu().numpy(), least, first.goals)
        return self.violating(found.take(np.flatnonzero(np.isfinite(least))))

    def shares_of(self, images: Array) -> Array:
        """Return the least shares ``(B,)`` whose boxes hold ``images``, infinity if none does."""
        extents = np.array(
            [self.problem.layering.extents(each) for each in images - self.problem.image]
        )
        extents = extents.reshape(-1, self.problem.layering.count)

        def hold(shares: Array) -> NDArray[np.bool_]:
            return np.asarray((extents <= self.path(shares) + BOX_SLACK).all(axis=1))

        low, high = np.zeros(len(images)), np.ones(len(images))
        for _ in range(2 * HALVINGS):
            middle = (low + high) / 2
            inside = hold(middle)
            low, high = np.where(inside, low, middle), np.where(inside, middle, high)
        return np.where(hold(high), high, np.inf)

    def violating(self, members: Members) -> Members:
        """Return those that violate inside their boxes, replayed."""
        if not len(members):
            return members
        images = np.clip(members.images, *self.boxes(members.shares))
        inside = Members(images, members.shares, members.goals)
        # A product over a batch may round differently: each is replayed alone, as a witness is.
        margins = np.concatenate([self.problem.margin(image[None]) for image in images])
        return inside.take(np.flatnonzero(margins <= 0.0))

    def linear_shares(self, margins: Margins, image: Tensor) -> Array:
        """Return the least shares ``(B,)`` at which the margins' linearisations at ``image`` ``(B,
        C, H, W)`` fall to zero; 1 where they do not."""
        values, slopes = linearised(margins, image)
        low = np.full(len(image), LEAST_SHARE)
        high = np.ones(len(image))
        for _ in range(HALVINGS):
            middle = np.sqrt(low * high)
            ends = [image.new_tensor(end) for end in self.boxes(middle)]
            down, up = ((end - image).flatten(1) for end in ends)
            step = minimax(values, slopes, down, up)
            left = (values + torch.einsum("bkn,bn->bk", slopes, step)).amax(1).cpu().numpy()
            low, high = np.where(left > 0.0, middle, low), np.where(left > 0.0, high, middle)
        return high
