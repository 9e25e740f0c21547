"""Projected gradient descent on the margin of the weakest claim: weakest points of a neighborhood.

After Madry et al. 2018, with momentum (Dong et al. 2018); all restarts form one batch. Half of them
descend through an annealed softmax in place of max-pooling, so that gradients reach candidates that
do not win yet. Each restart targets one subset of margins. Steps are shares of each pixel's range,
so layers of very different epsilon move together. The best points then descend to local minima (see
``minimax_slp``). Gradient steps run in float32; what is reported is replayed in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mlspec.attack.context import AttackContext
from mlspec.attack.margins import TargetSubsets, property_margin, smooth_maximum
from mlspec.attack.minimax_slp import MinimaxSlp
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.verdict import WeakestPoints
from mlspec.tolerances import SMALLEST_GRADIENT, SMALLEST_TEMPERATURE


@dataclass(frozen=True)
class Pgd:
    """The numbers of the attack."""

    restarts: int = 32
    """Starting images."""
    steps: int = 100
    """Gradient steps from each."""
    momentum: float = 0.75
    """Factor on the sum of the former gradients."""
    first_step: float = 0.5
    """Length of the first step, as a share of half a pixel's range."""
    last_step: float = 0.01
    """Length of the last step, as a share of half a pixel's range."""
    softness: float = 0.3
    """Temperature of the softmax in place of max-pooling at the first step, in units of the
    standard deviation of the scores; it falls to ``least_softness``."""
    least_softness: float = 1e-4
    """The same at the last step, in units of the scores."""
    temperature: float = 0.1
    """Of the smooth maximum of the targeted margins, in units of that standard deviation."""
    extra_margins: int = 3
    """Margins beyond the ``k`` smallest at the centre whose subsets are targeted."""
    corner_every: int = 4
    """Every so many restarts one begins at a corner of the box."""
    own_every: int = 3
    """With a single claim, every so many restarts one targets the ``k`` margins that are smallest
    where it begins."""
    check_every: int = 10
    """Gradient steps between checks for a violation, which ends the descent."""
    kept: int = 8
    """Weakest points that are reported."""
    steps_per_slp: int = 3
    """The best points descend by one linear program for so many gradient steps."""
    deepening_steps: int = 8
    """Linear programs by which a violation is made clearer."""
    slp: MinimaxSlp = MinimaxSlp()
    """Moves the best points to local minima."""
    lighter_shares: tuple[float, float] = (0.5, 1.0 / 3.0)
    """Of restarts and of steps, in the lighter attack."""
    lighter_least: tuple[int, int] = (4, 10)
    """Restarts and steps that the lighter attack has at least."""

    def lighter(self) -> Pgd:
        """Return an attack of about a sixth of the work, for weakest points during a search."""
        (restarts, steps), least = self.lighter_shares, self.lighter_least
        return replace(
            self,
            restarts=max(least[0], int(self.restarts * restarts)),
            steps=max(least[1], int(self.steps * steps)),
        )

    def on(self, context: AttackContext, seed: int) -> PgdAttack:
        """Return this attack on one problem."""
        return PgdAttack(self, context, seed)


@dataclass(frozen=True, eq=False)
class PgdAttack:
    """The attack on one problem; the same arguments give the same points."""

    method: Pgd
    context: AttackContext
    seed: int

    def find(
        self, eps: Array, start: Sequence[Array] = (), deadline: Deadline = NEVER
    ) -> WeakestPoints:
        """Return the weakest points found in the neighborhood of ``eps`` ``(R,)``.

        ``start`` holds images ``(C, H, W)`` to begin from beside the random ones. Once ``deadline``
        has passed, the weakest points by then are returned, of which the centre is always one.
        """
        problem = self.context.problem
        box = problem.neighborhood(eps).box
        images = self._descend(self._first_images(box, start), box, deadline)
        images = np.concatenate([images, problem.image[None]])
        weakest = images[np.argsort(problem.margin(images), kind="stable")[: self.method.kept]]
        steps = self.method.steps // self.method.steps_per_slp
        weakest = self._lowered(weakest, box, steps, 0.0, deadline)
        margins = self.context.replay(weakest)
        order = np.argsort(margins, kind="stable")
        points = weakest[order]
        extents = np.stack([problem.layering.extents(each) for each in points - problem.image])
        return WeakestPoints(points, margins[order], extents, self.slopes(points, np.asarray(eps)))

    def slopes(self, images: Array, eps: Array) -> Array:
        """Return d margin / d eps ``(N, R)`` at ``images``, as if each were its box's minimiser.

        Envelope theorem: growing ``eps_d`` lets every pixel of layer ``d`` move on against its
        gradient, unless [0, 1] already stops it.
        """
        problem, network = self.context.problem, self.context.exact
        points = network.tensor(images).requires_grad_()
        margin = property_margin(problem.property, network.forward(points))
        (gradient,) = torch.autograd.grad(margin.sum(), points)
        slope = gradient.cpu().numpy()
        down, up = problem.layering.reach(eps)
        down_free, up_free = problem.image - down > 0.0, problem.image + up < 1.0
        return -problem.layering.total_by_radius(
            np.where(down_free, np.maximum(slope, 0.0), 0.0),
            np.where(up_free, np.maximum(-slope, 0.0), 0.0),
        )

    def deepened(self, image: Array, eps: Array, deadline: Deadline = NEVER) -> Array:
        """Return an image ``(C, H, W)`` in the neighborhood of ``eps`` ``(R,)`` whose margin is at
        most that of ``image``, which violates."""
        box = self.context.problem.neighborhood(eps).box
        steps = self.method.deepening_steps
        return np.asarray(self._lowered(image[None], box, steps, -np.inf, deadline)[0])

    def _first_images(self, box: Box, start: Sequence[Array]) -> Array:
        """Return the images ``(B, C, H, W)`` that restarts begin from, the centre first.

        The last of ``start`` replace up to half of the random ones, from the end.
        """
        count, image = self.method.restarts, self.context.problem.image
        first = np.random.default_rng(self.seed).random((count, *image.shape))
        corners = slice(1, None, self.method.corner_every)
        first[corners] = np.round(first[corners])
        first = box.lower + first * (box.upper - box.lower)
        first[0] = image
        for row, known in enumerate(list(start)[max(len(start) - count // 2, 0) :]):
            first[count - 1 - row] = box.clip(known)
        return first

    def _descend(self, first: Array, box: Box, deadline: Deadline) -> Array:
        """Return the best image of each restart, ``(B, C, H, W)``; none if there is no time."""
        if deadline.passed:
            return first[:0]
        method, network, property_ = self.method, self.context.fast, self.context.problem.property
        low, high = network.tensor(box.lower), network.tensor(box.upper)
        points = torch.clamp(network.tensor(first), low, high)
        reach = (high - low) / 2
        half = len(points) // 2
        velocity, best = torch.zeros_like(points), points.clone()
        best_margin = torch.full((len(points),), torch.inf, device=points.device)
        targets: TargetSubsets | None = None
        spread = 1.0
        for iteration in range(method.steps + 1):
            progress = iteration / method.steps
            points.requires_grad_()
            softness = spread * method.softness * (1.0 - progress) + method.least_softness
            hard = network.forward(points[:half])
            scores = torch.cat([hard, network.forward(points[half:], softness)])
            with torch.no_grad():
                true = torch.cat([hard, network.forward(points[half:])])
                margin = property_margin(property_, true)
                better = margin < best_margin
                best_margin = torch.where(better, margin, best_margin)
                best[better] = points[better]
            if iteration == method.steps or deadline.passed:
                break
            if iteration % method.check_every == 0 and self._violates(best[best_margin <= 0], box):
                break
            if targets is None:
                spread = float(scores.detach().std())
                targets = self._targets(scores.detach().cpu().numpy())
            loss = smooth_maximum(
                targets.margins(scores), max(method.temperature * spread, SMALLEST_TEMPERATURE)
            )
            (gradient,) = torch.autograd.grad(loss.sum(), points)
            gradient = gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(
                SMALLEST_GRADIENT
            )
            velocity = method.momentum * velocity + gradient
            pace = (1.0 + np.cos(np.pi * progress)) / 2
            length = method.last_step + (method.first_step - method.last_step) * pace
            points = (points.detach() - length * reach * velocity.sign()).clamp(low, high)
        return box.clip(best.double().cpu().numpy())

    def _violates(self, points: Tensor, box: Box) -> bool:
        """Whether one of ``points`` ``(N, C, H, W)`` violates in float64, inside the box."""
        if not len(points):
            return False
        images = box.clip(points.double().cpu().numpy())
        return bool((self.context.problem.margin(images) <= 0.0).any())

    def _targets(self, scores: Array) -> TargetSubsets:
        """Return what each restart targets; ``scores`` ``(B, M)`` are those where it begins.

        The likely subsets at the centre are dealt out; some restarts target their own.
        """
        property_ = self.context.problem.property
        likely = self.context.likely_targets(self.method.extra_margins)
        own = np.arange(len(scores)) % self.method.own_every == 0
        own &= len(property_.claims) == 1
        dealt = likely.take((np.cumsum(~own) - 1) % len(likely))
        closest = TargetSubsets.closest(property_, scores)
        return TargetSubsets(
            np.where(own[:, None, None], closest.rows, dealt.rows),
            np.where(own[:, None], closest.offsets, dealt.offsets),
        )

    def _lowered(
        self, images: Array, box: Box, steps: int, enough: float, deadline: Deadline
    ) -> Array:
        """Return ``images`` moved to lower margins, each against its ``k`` smallest."""
        network = self.context.exact
        targets = self.context.closest_targets(images)

        def margins(points: Tensor) -> Tensor:
            return targets.margins(network.forward(points))

        ends = network.tensor(box.lower), network.tensor(box.upper)
        points = self.method.slp.descend(
            margins, network.tensor(images), ends, steps, enough=enough, deadline=deadline
        )
        return box.clip(points.cpu().numpy())
