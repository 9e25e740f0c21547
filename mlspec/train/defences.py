"""What each defence does to the images of a training step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

import torch
from torch import Tensor, nn

from mlspec.spec.training import Defence, NoDefence, PgdDefence, RectanglesDefence

Loss = Callable[[Tensor, Tensor], Tensor]
"""Scores ``(B, M)`` and present labels ``(B, M)`` to the loss of the batch."""

Defend = Callable[[nn.Module, Tensor, Tensor, float, torch.Generator], Tensor]
"""Returns the images to learn from, for a network, clean images ``(B, C, H, W)``, their present
labels ``(B, M)``, the share of the training that is done, and a generator of random numbers."""


@dataclass(frozen=True)
class Rectangles:
    """Black rectangles at random places, wholly inside an image."""

    count: int
    """Rectangles per image."""
    sides: tuple[int, int]
    """Smallest and largest side in pixels; height and width are drawn independently."""

    def cover(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return ``images`` ``(B, C, H, W)``, each covered at places of its own."""
        batch, _, height, width = images.shape
        covered = torch.zeros(batch, height, width, dtype=torch.bool)
        least, most = self.sides
        for _ in range(self.count):
            inside = []
            for length in (height, width):
                side = torch.randint(least, most + 1, (batch, 1), generator=generator)
                start = (torch.rand(batch, 1, generator=generator) * (length - side + 1)).long()
                place = torch.arange(length)
                inside.append((place >= start) & (place < start + side))
            covered |= inside[0][:, :, None] & inside[1][:, None, :]
        return images.masked_fill(covered[:, None], 0.0)


@dataclass(frozen=True)
class LinfAttack:
    """Projected gradient ascent on a loss within an l-infinity ball, by the sign of the gradient,
    from a random start (Madry et al. 2018)."""

    radius: float
    """Of the ball, on the scale where black is 0 and white is 1."""
    steps: int
    """Gradient steps."""
    reach: float = 2.5
    """Length of all steps together, as a multiple of the radius: beyond 2 the boundary is reached
    from every start, with steps left to move along it (Madry et al. 2018)."""

    def perturb(
        self,
        network: nn.Module,
        images: Tensor,
        present: Tensor,
        loss: Loss,
        generator: torch.Generator,
    ) -> Tensor:
        """Return images in [0, 1] within the ball around ``images`` ``(B, C, H, W)`` for which the
        network ``(B, C, H, W) -> (B, M)`` has a high loss."""
        low, high = (images - self.radius).clamp(min=0.0), (images + self.radius).clamp(max=1.0)
        noise = torch.rand(images.shape, generator=generator)
        moved = low + noise * (high - low)
        for _ in range(self.steps):
            moved.requires_grad_(True)
            (gradient,) = torch.autograd.grad(loss(network(moved), present), moved)
            step = (self.reach * self.radius / self.steps) * gradient.sign()
            moved = torch.clamp(moved.detach() + step, low, high)
        return moved


@dataclass(frozen=True)
class CoveredTraining:
    """Learns from images of which some are covered by rectangles."""

    rectangles: Rectangles
    share: float
    """Share of the images that are covered."""

    def __call__(
        self,
        network: nn.Module,
        images: Tensor,
        present: Tensor,
        progress: float,
        generator: torch.Generator,
    ) -> Tensor:
        """Return the images to learn from."""
        covered = self.rectangles.cover(images, generator)
        chosen = torch.rand(len(images), 1, 1, 1, generator=generator) < self.share
        return torch.where(chosen, covered, images)


@dataclass(frozen=True)
class AdversarialTraining:
    """Learns from attacked images; the radius of the attack grows during the warm-up."""

    attack: LinfAttack
    warmup: float
    """Share of the training over which the radius grows from 0 to its value."""
    loss: Loss
    """What the attack raises."""

    def __call__(
        self,
        network: nn.Module,
        images: Tensor,
        present: Tensor,
        progress: float,
        generator: torch.Generator,
    ) -> Tensor:
        """Return the images to learn from."""
        grown = min(1.0, progress / self.warmup) if self.warmup > 0.0 else 1.0
        if grown == 0.0:
            return images
        attack = replace(self.attack, radius=self.attack.radius * grown)
        return attack.perturb(network, images, present, self.loss, generator)


def defence(spec: Defence, loss: Loss) -> Defend:
    """Return the defence that ``spec`` declares, for a training with ``loss``."""
    match spec:
        case NoDefence():
            return lambda network, images, present, progress, generator: images
        case RectanglesDefence():
            rectangles = Rectangles(spec.count, (spec.min_side, spec.max_side))
            return CoveredTraining(rectangles, spec.share)
        case PgdDefence():
            return AdversarialTraining(LinfAttack(spec.radius, spec.steps), spec.warmup, loss)
        case _:
            assert_never(spec)
