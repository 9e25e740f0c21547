"""The layered neighborhood: a box around an image with an epsilon per layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mlspec.core.layering import Layering
from mlspec.core.network import Array
from mlspec.tolerances import BOX_SLACK


@dataclass(frozen=True, eq=False)
class Box:
    """All images between ``lower`` and ``upper``, both ``(C, H, W)``."""

    lower: Array
    upper: Array

    def clip(self, images: Array) -> Array:
        """Move ``images`` ``(..., C, H, W)`` into the box."""
        return np.clip(images, self.lower, self.upper)

    def contains(self, image: Array) -> bool:
        """Say whether ``image`` ``(C, H, W)`` lies in the box."""
        inside = (image >= self.lower - BOX_SLACK) & (image <= self.upper + BOX_SLACK)
        return bool(inside.all())


@dataclass(frozen=True, eq=False)
class Neighborhood:
    """``{x' in [0,1]^(C,H,W) : |x'_p - x_p| <= eps_d for every pixel p of layer d}``.

    With a layering that is asymmetric, ``-down_d <= x'_p - x_p <= up_d``.
    """

    CAP: ClassVar[float] = 1.0
    """An epsilon of this much allows every value of its pixels."""

    centre: Array
    """The image ``(C, H, W)``, in [0, 1]."""
    layering: Layering
    eps: Array
    """The epsilons ``(R,)`` of the layering, in [0, 1]."""

    @property
    def box(self) -> Box:
        """The neighborhood as a box, clipped to valid images."""
        down, up = self.layering.reach(self.eps)
        return Box(np.clip(self.centre - down, 0.0, 1.0), np.clip(self.centre + up, 0.0, 1.0))

    def derivatives(self, by_lower: Array, by_upper: Array) -> Array:
        """Return the derivatives ``(R,)`` by the epsilons of what has these by the ends of the box,
        both ``(C, H, W)``: where [0, 1] stops an end it does not move."""
        down, up = self.layering.reach(self.eps)
        moving_down, moving_up = self.centre - down > 0.0, self.centre + up < 1.0
        of_down, of_up = np.where(moving_down, -by_lower, 0.0), np.where(moving_up, by_upper, 0.0)
        return np.asarray(self.layering.total_by_radius(of_down[None], of_up[None])[0])

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Return ``count`` images ``(count, C, H, W)``: half uniform in the box, half at
        corners."""
        box = self.box
        shape = (count, *self.centre.shape)
        share = rng.random(shape)
        corners = np.arange(count) % 2 == 1
        share[corners] = np.round(share[corners])
        return box.clip(box.lower + share * (box.upper - box.lower))
