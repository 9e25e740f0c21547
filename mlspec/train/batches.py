"""Fresh scenes for every step, drawn in batches as ``mlspec.data.canvas`` draws single ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mlspec.data.canvas import Layout
from mlspec.data.pool import DigitPool
from mlspec.spec.training import Augmentation


@dataclass(frozen=True, eq=False)
class SceneSource:
    """Draws scenes of ``layout`` from the digits of ``pool``, changed by ``augmentation``."""

    layout: Layout
    augmentation: Augmentation
    digits: Tensor
    """The pool's digits ordered by class, float32 ``(N, 1, 28, 28)``."""
    first: Tensor
    """Number of each class's first digit in ``digits``, int64 ``(M,)``."""
    count: Tensor
    """Number of each class's digits, int64 ``(M,)``."""

    @classmethod
    def of(cls, pool: DigitPool, layout: Layout, augmentation: Augmentation) -> SceneSource:
        """Return the source of all scenes that ``pool`` and ``layout`` allow."""
        classes = torch.tensor(pool.classes)
        order = torch.argsort(classes, stable=True)
        count = torch.bincount(classes)
        digits = torch.tensor(pool.images, dtype=torch.float32)[order, None]
        return cls(layout, augmentation, digits, torch.cumsum(count, 0) - count, count)

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw a batch of scenes: images float32 ``(B, 1, H, W)`` in [0, 1], and which labels are
        present, float32 ``(B, M)`` of 0 and 1."""
        layout, labels = self.layout, len(self.count)
        images = torch.zeros(batch, 1, layout.height, layout.width)
        ranks = torch.rand(batch, labels, generator=generator).argsort(dim=1)
        classes = ranks[:, : layout.digits]
        down, right = layout.free
        rows = torch.arange(batch)[:, None, None]
        span = torch.arange(DigitPool.side)
        for position in range(layout.digits):
            chosen = classes[:, position]
            share = torch.rand(batch, generator=generator)
            member = self.first[chosen] + (share * self.count[chosen]).long()
            patch = deform(self.digits[member], self.augmentation, generator)
            top = torch.randint(down + 1, (batch, 1), generator=generator)
            left = torch.randint(right + 1, (batch, 1), generator=generator)
            y = (top + span)[:, :, None]
            x = (position * layout.strip + left + span)[:, None, :]
            images[rows, 0, y, x] = patch[:, 0]
        present = torch.zeros(batch, labels).scatter_(1, classes, 1.0)
        return images, present


def deform(digits: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Rotate, scale and slant each digit about its centre, and thicken or thin its strokes.

    ``digits`` are float32 ``(B, 1, 28, 28)`` in [0, 1], and so is what is returned; nothing is
    changed where all of ``augmentation`` is 0.
    """
    if augmentation == Augmentation():
        return digits

    def symmetric(largest: float) -> Tensor:
        return (2.0 * torch.rand(len(digits), generator=generator) - 1.0) * largest

    angle = symmetric(math.radians(augmentation.rotation))
    slant = symmetric(augmentation.shear)
    wide, high = 1.0 + symmetric(augmentation.scale), 1.0 + symmetric(augmentation.scale)
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros(len(digits))
    # Rows of the inverse map: from places in the result to places in the digit, both in [-1, 1].
    across = torch.stack([(cos + slant * sin) / wide, (slant * cos - sin) / wide, zero], dim=1)
    along = torch.stack([sin / high, cos / high, zero], dim=1)
    grid = F.affine_grid(torch.stack([across, along], dim=1), list(digits.shape), False)
    moved = F.grid_sample(digits, grid, padding_mode="zeros", align_corners=False)
    power = torch.exp(symmetric(math.log1p(augmentation.stroke)))
    return moved.clamp(0.0, 1.0) ** power[:, None, None, None]
