"""Projected gradient descent on the margin of the weakest claim, many restarts as one batch, whose
best points then descend to local minima.

After Madry et al. 2018, with momentum (Dong et al. 2018). Half of the restarts descend through an
annealed softmax in place of max-pooling, so that gradients reach candidates that do not win yet;
some go for the property's own margin, the others each for one subset of rivals. Steps are fractions
of each pixel's room, so layers of very different epsilon move together. The search runs in float32;
what it reports is float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mlspec.attack.goals import closest
from mlspec.attack.polish import polish
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.property import Claim
from mlspec.core.verdict import WeakestPoints
from mlspec.tensors import CPU, TensorNetwork

MOMENTUM = 0.75
FIRST_STEP, LAST_STEP = 0.5, 0.01
"""Step length over a pixel's half range, at the first and the last iteration."""
SOFTEST = 0.3
"""Pooling temperature at the first iteration, in units of the spread of scores; it falls to 0."""
KEPT = 8
"""Weakest points reported."""
POLISHING = 3
"""Gradient steps for each step of the descent that follows."""
DEEPENING = 8
"""Steps that make a violation clearer."""
LOOK_EVERY = 10
"""Iterations between looks for a violation, which ends the attack."""


class PgdAttack:
    """Finds weakest points of layered neighborhoods of one problem."""

    def __init__(
        self,
        problem: Problem,
        restarts: int,
        steps: int,
        seed: int,
        device: torch.device = CPU,
    ) -> None:
        self._problem = problem
        self._fast = TensorNetwork(problem.relaxed, torch.float32, device)
        self._exact = TensorNetwork(problem.relaxed, torch.float64, device)
        self._restarts = restarts
        self._steps = steps
        self._seed = seed
        self._goals = _goals(problem)

    def find(
        self, eps: Array, start: Sequence[Array] = (), deadline: Deadline = NEVER
    ) -> WeakestPoints:
        """Return the weakest points found in the neighborhood of radius ``eps`` ``(R,)``.

        ``start`` holds images ``(C, H, W)`` to begin from beside the random ones. The same
        arguments give the same points, unless ``deadline`` passes: then they are the best by then,
        of which the centre is always one.
        """
        box = self._problem.neighborhood(eps).box
        rng = np.random.default_rng(self._seed)
        first = rng.random((self._restarts, *self._problem.image.shape))
        first[1::4] = np.round(first[1::4])
        first = box.lower + first * (box.upper - box.lower)
        first[0] = self._problem.image
        for row, image in enumerate(list(start)[max(len(start) - self._restarts // 2, 0) :]):
            first[self._restarts - 1 - row] = box.clip(image)
        images = self._descend(first, box.lower, box.upper, deadline)
        images = np.concatenate([images, self._problem.image[None]])
        weakest = images[np.argsort(self._problem.margin(images), kind="stable")[:KEPT]]
        weakest = self._polished(weakest, box, self._steps // POLISHING, 0.0, deadline)
        # A product over a batch may round differently: each is replayed alone, as a witness is.
        margins = np.concatenate([self._problem.margin(image[None]) for image in weakest])
        order = np.argsort(margins, kind="stable")
        points = weakest[order]
        change = points - self._problem.image
        extents = np.stack([self._problem.layering.extents(each) for each in change])
        return WeakestPoints(points, margins[order], extents, self.slopes(points, np.asarray(eps)))

    def slopes(self, images: Array, eps: Array) -> Array:
        """Return d margin / d eps ``(N, R)`` at ``images``, as if each were its box's minimiser.

        Envelope theorem: growing ``eps_d`` lets every pixel of layer ``d`` move on against its
        gradient, unless [0, 1] already stops it.
        """
        points = self._exact.tensor(images).requires_grad_()
        margin = _property_margin(self._exact.forward(points), self._goals)
        (gradient,) = torch.autograd.grad(margin.sum(), points)
        slope = gradient.cpu().numpy()
        down, up = self._problem.layering.reach(eps)
        down_free = self._problem.image - down > 0.0
        up_free = self._problem.image + up < 1.0
        return -self._problem.layering.total_by_radius(
            np.where(down_free, np.maximum(slope, 0.0), 0.0),
            np.where(up_free, np.maximum(-slope, 0.0), 0.0),
        )

    def deepened(self, image: Array, eps: Array, deadline: Deadline = NEVER) -> Array:
        """Return an image ``(C, H, W)`` of radius ``eps`` ``(R,)`` that violates by more than
        ``image``, or as much."""
        box = self._problem.neighborhood(eps).box
        return np.asarray(self._polished(image[None], box, DEEPENING, -np.inf, deadline)[0])

    def _polished(
        self, images: Array, box: Box, steps: int, enough: float, deadline: Deadline
    ) -> Array:
        """Return ``images`` moved on, each against the ``k`` margins it is closest to losing."""
        goals = closest(self._problem, images)
        low, high = self._exact.tensor(box.lower), self._exact.tensor(box.upper)

        def margins(points: Tensor) -> Tensor:
            return goals.margins(self._exact.forward(points))

        points = polish(margins, self._exact.tensor(images), low, high, steps, enough, deadline)
        return box.clip(points.cpu().numpy())

    def _descend(self, first: Array, lower: Array, upper: Array, deadline: Deadline) -> Array:
        """Return the best image of each restart, ``(B, C, H, W)``; none if there is no time."""
        if deadline.passed:
            return first[:0]
        low, high = self._fast.tensor(lower), self._fast.tensor(upper)
        points = torch.clamp(self._fast.tensor(first), low, high)
        reach = (high - low) / 2
        half = self._restarts // 2
        velocity = torch.zeros_like(points)
        best = points.clone()
        best_margin = torch.full((len(points),), torch.inf, device=points.device)
        targets: list[Tensor] | None = None
        spread = 1.0
        for iteration in range(self._steps + 1):
            progress = iteration / self._steps
            points.requires_grad_()
            hard = self._fast.forward(points[:half])
            soft = self._fast.forward(points[half:], spread * SOFTEST * (1.0 - progress) + 1e-4)
            outputs = torch.cat([hard, soft])
            with torch.no_grad():
                true = torch.cat([hard, self._fast.forward(points[half:])])
                margin = _property_margin(true, self._goals)
                better = margin < best_margin
                best_margin = torch.where(better, margin, best_margin)
                best[better] = points[better]
            if iteration == self._steps or deadline.passed:
                break
            if iteration % LOOK_EVERY == 0 and bool((best_margin <= 0).any()):
                found = best[best_margin <= 0].double().cpu().numpy().clip(lower, upper)
                if (self._problem.margin(found) <= 0).any():
                    break
            if targets is None:
                spread = float(outputs.detach().std())
                targets = _assign(outputs.detach(), self._goals)
            loss = _targeted(outputs, self._goals, targets, spread * 0.1)
            (gradient,) = torch.autograd.grad(loss.sum(), points)
            gradient = gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
            velocity = MOMENTUM * velocity + gradient
            length = LAST_STEP + (FIRST_STEP - LAST_STEP) * (1.0 + np.cos(np.pi * progress)) / 2
            points = (points.detach() - length * reach * velocity.sign()).clamp(low, high)
        return np.asarray(best.double().cpu().numpy().clip(lower, upper), dtype=np.float64)


def _goals(problem: Problem) -> list[tuple[Claim, Tensor, Tensor]]:
    return [
        (claim, torch.as_tensor(claim.rows), torch.as_tensor(claim.offsets))
        for claim in problem.property.claims
    ]


def _margins(scores: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    return scores @ rows.to(scores).T + offsets.to(scores)


def _property_margin(scores: Tensor, goals: list[tuple[Claim, Tensor, Tensor]]) -> Tensor:
    """Return ``(B,)``: over all claims the smallest of the k-th smallest margins."""
    each = [
        _margins(scores, rows, offsets).kthvalue(claim.k, dim=1).values
        for claim, rows, offsets in goals
    ]
    return torch.stack(each).amin(0)


def _assign(scores: Tensor, goals: list[tuple[Claim, Tensor, Tensor]]) -> list[Tensor]:
    """Give each restart the margins to push down, one mask ``(B, R)`` per claim.

    Every third restart goes for its k weakest rivals; the rest deal out, over claims, the subsets
    among the ``k + 3`` rivals that are weakest on the clean image (restart 0).
    """
    masks = []
    chosen: list[tuple[int, list[int]]] = []
    for number, (claim, rows, offsets) in enumerate(goals):
        margins = _margins(scores, rows, offsets)
        near = margins.argsort(1)[:, : claim.k]
        masks.append(torch.zeros_like(margins).scatter(1, near, 1.0))
        weak = torch.zeros(margins.shape[1], dtype=torch.bool)
        weak[margins[0].argsort()[: claim.k + 3].cpu()] = True
        chosen += [(number, list(subset)) for subset in claim.subsets(weak.numpy())]
    dealt = 0
    for restart in range(len(scores)):
        if restart % 3 == 0 and len(goals) == 1:
            continue
        number, subset = chosen[dealt % len(chosen)]
        dealt += 1
        for other, mask in enumerate(masks):
            mask[restart] = 0.0
            if other == number:
                mask[restart, subset] = 1.0
    return masks


def _targeted(
    scores: Tensor,
    goals: list[tuple[Claim, Tensor, Tensor]],
    masks: list[Tensor],
    temperature: float,
) -> Tensor:
    """Return ``(B,)``: a smooth maximum of the masked margins, which all must fall below zero."""
    values = []
    for (_, rows, offsets), mask in zip(goals, masks, strict=True):
        margins = _margins(scores, rows, offsets) / max(temperature, 1e-6)
        values.append(margins.masked_fill(mask == 0, -torch.inf))
    return temperature * torch.logsumexp(torch.cat(values, 1), 1)
