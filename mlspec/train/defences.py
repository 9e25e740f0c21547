"""What each defence does to the images of a training step.

A defence is a function of the network, a batch of clean scenes, their labels, how far the training
has come, and a generator; it returns the images to learn from.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mlspec.spec.training import NoDefence, PgdDefence, RectanglesDefence

Loss = Callable[[Tensor, Tensor], Tensor]
Defend = Callable[[nn.Module, Tensor, Tensor, float, torch.Generator], Tensor]


def cover(images: Tensor, count: int, sides: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Cover each image with black rectangles at random places, wholly inside it.

    Args:
        images: float32 (B, C, H, W).
        count: rectangles per image.
        sides: smallest and largest side in pixels; height and width are drawn on their own.
        generator: where places and sides are drawn from.

    Returns:
        The covered images, new tensors of the same shape.
    """
    batch, _, height, width = images.shape
    covered = torch.zeros(batch, height, width, dtype=torch.bool)
    for _ in range(count):
        inside = []
        for length in (height, width):
            side = torch.randint(sides[0], sides[1] + 1, (batch, 1), generator=generator)
            start = (torch.rand(batch, 1, generator=generator) * (length - side + 1)).long()
            place = torch.arange(length)
            inside.append((place >= start) & (place < start + side))
        covered |= inside[0][:, :, None] & inside[1][:, None, :]
    return images.masked_fill(covered[:, None], 0.0)


def perturb(
    network: nn.Module,
    images: Tensor,
    present: Tensor,
    loss: Loss,
    *,
    radius: float,
    steps: int,
    generator: torch.Generator,
) -> Tensor:
    """Images within an l-infinity ball that the network gets as wrong as the attack can.

    Projected gradient ascent on the loss by its sign, from a random start (Madry et al. 2018), with
    steps of 2.5 radius / steps.

    Args:
        network: the classifier, f: (B, C, H, W) -> (B, M).
        images: float32 (B, C, H, W) in [0, 1].
        present: which labels are present, float32 (B, M).
        loss: what the attack raises.
        radius: of the ball, on the scale of the images.
        steps: number of gradient steps.
        generator: where the start is drawn from.

    Returns:
        Images in [0, 1] within ``radius`` of the given ones.
    """
    low, high = (images - radius).clamp(min=0.0), (images + radius).clamp(max=1.0)
    noise = torch.rand(images.shape, generator=generator)
    moved = low + noise * (high - low)
    for _ in range(steps):
        moved.requires_grad_(True)
        (gradient,) = torch.autograd.grad(loss(network(moved), present), moved)
        step = (2.5 * radius / steps) * gradient.sign()
        moved = torch.clamp(moved.detach() + step, low, high)
    return moved


def _none(_spec: NoDefence, _loss: Loss) -> Defend:
    return lambda network, images, present, progress, generator: images


def _rectangles(spec: RectanglesDefence, _loss: Loss) -> Defend:
    def defend(
        network: nn.Module,
        images: Tensor,
        present: Tensor,
        progress: float,
        generator: torch.Generator,
    ) -> Tensor:
        covered = cover(images, spec.count, (spec.min_side, spec.max_side), generator)
        chosen = torch.rand(len(images), 1, 1, 1, generator=generator) < spec.share
        return torch.where(chosen, covered, images)

    return defend


def _pgd(spec: PgdDefence, loss: Loss) -> Defend:
    def defend(
        network: nn.Module,
        images: Tensor,
        present: Tensor,
        progress: float,
        generator: torch.Generator,
    ) -> Tensor:
        grown = min(1.0, progress / spec.warmup) if spec.warmup > 0.0 else 1.0
        if grown == 0.0:
            return images
        return perturb(
            network,
            images,
            present,
            loss,
            radius=spec.radius * grown,
            steps=spec.steps,
            generator=generator,
        )

    return defend


def defence(spec: NoDefence | RectanglesDefence | PgdDefence, loss: Loss) -> Defend:
    """The defence that ``spec`` declares, for a training with ``loss``."""
    match spec:
        case NoDefence():
            return _none(spec, loss)
        case RectanglesDefence():
            return _rectangles(spec, loss)
        case PgdDefence():
            return _pgd(spec, loss)
