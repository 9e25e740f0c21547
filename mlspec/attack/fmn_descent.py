"""The descent of the minimum-norm attack: an image and its share of the path are found together.

Every candidate has a neighborhood of its own on the path. While it violates it goes on in a smaller
one, otherwise in a larger one, by changes that decrease. A bisection over shares would need an
attack for each share, and would trust each attack that finds nothing. After Pintor, Roli, Brendel,
Biggio 2021 (Fast Minimum-Norm attacks), with layered boxes in place of norm balls and target
subsets in place of target labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from mlspec.attack.margins import smooth_maximum
from mlspec.attack.path_boxes import Candidates, PathBoxes
from mlspec.core.deadline import NEVER, Deadline
from mlspec.tolerances import SMALLEST_GRADIENT, SMALLEST_TEMPERATURE


@dataclass(frozen=True)
class Schedule:
    """Step lengths of a descent, which fall along half a cosine."""

    steps: int
    """Gradient steps."""
    first_step: float
    """Length of the first step, as a share of half a pixel's range."""
    first_change: float
    """Relative change of a candidate's share of the path after the first step."""
    last_change: float
    """The same after the last step."""


@dataclass(frozen=True)
class FmnDescent:
    """Signed gradient steps with momentum (Dong et al. 2018) on a smooth maximum of margins."""

    momentum: float = 0.75
    """Factor on the sum of the former gradients."""
    last_step: float = 0.01
    """Length of the last step, as a share of half a pixel's range."""
    ceiling: float = 1.3
    """No candidate looks beyond the least violating share that is known times this."""
    temperature: float = 0.1
    """Of the smooth maximum, in units of the standard deviation of the scores."""

    def descend(
        self,
        boxes: PathBoxes,
        start: Candidates,
        schedule: Schedule,
        known: float = np.inf,
        deadline: Deadline = NEVER,
    ) -> Candidates:
        """Return the candidates that come to violate, each at the least share at which it does.

        ``known`` is a share at which there is a violation. Once ``deadline`` has passed, no further
        step is made.
        """
        network = boxes.context.exact
        shares, least = start.shares.copy(), np.full(len(start), np.inf)
        low, high = (network.tensor(end) for end in boxes.at(shares))
        points = torch.clamp(network.tensor(start.images), low, high)
        best, velocity, temperature = points.clone(), torch.zeros_like(points), 1.0
        for iteration in range(schedule.steps):
            if deadline.passed:
                break
            pace = (1.0 + np.cos(np.pi * iteration / schedule.steps)) / 2
            points.requires_grad_()
            scores = network.forward(points)
            if iteration == 0:
                temperature = max(
                    self.temperature * float(scores.detach().std()), SMALLEST_TEMPERATURE
                )
            margins = start.targets.margins(scores)
            loss = smooth_maximum(margins, temperature)
            (gradient,) = torch.autograd.grad(loss.sum(), points)
            points = points.detach()
            violating = (margins.detach().amax(1) <= 0.0).cpu().numpy()
            better = violating & (shares < least)
            least = np.where(better, shares, least)
            mask = torch.as_tensor(better, device=points.device)[:, None, None, None]
            best = torch.where(mask, points, best)
            gradient = gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(
                SMALLEST_GRADIENT
            )
            velocity = self.momentum * velocity + gradient
            change = schedule.last_change + (schedule.first_change - schedule.last_change) * pace
            most = np.minimum(np.minimum(least, 1.0), self.ceiling * min(known, least.min()))
            shares = np.where(
                violating,
                np.minimum(shares, least) * (1.0 - change),
                np.minimum(shares * (1.0 + change), most),
            )
            low, high = (network.tensor(end) for end in boxes.at(shares))
            length = self.last_step + (schedule.first_step - self.last_step) * pace
            points = torch.clamp(points - length * (high - low) / 2 * velocity.sign(), low, high)
        found = Candidates(best.cpu().numpy(), least, start.targets)
        return boxes.violating(found.take(np.flatnonzero(np.isfinite(least))))
