"""Small images, layers and radii, and points of their boxes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from random_ops import one_of

from mlspec.core.layering import Layering
from mlspec.core.neighborhood import Box, Neighborhood
from mlspec.core.network import Array, Shape

SHAPES: tuple[Shape, ...] = (
    *((1, 1, 1), (1, 1, 2), (1, 1, 2), (1, 2, 1)),
    *((1, 1, 3), (1, 2, 2), (1, 1, 4), (1, 5, 1), (1, 2, 3)),
)


class UnfitError(Exception):
    """What was drawn does not fit together: it is drawn again."""


@dataclass(frozen=True, eq=False)
class Setting:
    """An image, its layers and its radii, for a spike of some width."""

    rng: np.random.Generator
    image: Array
    """``(1, H, W)``."""
    layering: Layering
    eps: Array
    width: float

    @property
    def shape(self) -> Shape:
        """``(1, H, W)``."""
        return self.image.shape

    @property
    def pixels(self) -> int:
        """Number of pixels ``n``."""
        return self.image.size

    @property
    def box(self) -> Box:
        """The neighborhood."""
        return Neighborhood(self.image, self.layering, self.eps).box

    def point(self, *, outside: bool) -> Array:
        """Return a point ``(n,)`` at a corner, on a face or in the interior of the box, or a little
        ``outside`` of a corner or a face."""
        box = self.box
        lower, upper = box.lower.ravel(), box.upper.ravel()
        moving = np.flatnonzero(upper > lower)
        place = one_of(self.rng, ("corner", "face") if outside else ("corner", "face", "interior"))
        share = self.rng.uniform(0.05, 0.95, len(lower))
        at_end = np.zeros(len(lower), dtype=bool)
        if place == "corner":
            at_end[moving] = True
        elif place == "face":
            at_end[self.rng.permutation(moving)[: max(1, len(moving) // 2)]] = True
        share[at_end] = np.round(share[at_end])
        point = np.where(share == 1.0, upper, lower + share * (upper - lower))
        if outside:
            pixel = int(self.rng.choice(np.flatnonzero(at_end)))
            beyond = 10.0 ** self.rng.uniform(-7.0, -3.0)
            point[pixel] += beyond if share[pixel] == 1.0 else -beyond
            return np.asarray(point)
        return np.asarray(point.clip(lower, upper))

    def candidates(self) -> Array:
        """Return the corners and the centre ``(N, 1, H, W)``."""
        box = self.box
        ends = np.stack([box.lower.ravel(), box.upper.ravel()], axis=1)
        corners = dict.fromkeys(product(*ends.tolist()))
        images = np.array([*corners, self.image.ravel()])
        return images.reshape(-1, *self.shape)


def random_setting(rng: np.random.Generator) -> Setting:
    """Return a setting; raises UnfitError if nothing of it moves."""
    shape = one_of(rng, SHAPES)
    image = rng.random(shape)
    clipped = rng.random(shape) < 0.1
    image[clipped] = rng.choice([0.0, 1.0, 1e-3], int(clipped.sum()))
    layering = _layering(rng, shape)
    width = 10.0 ** rng.uniform(-6.0, -2.0)
    setting = Setting(rng, image, layering, _radii(rng, width, layering.count), width)
    if not np.any(setting.box.upper > setting.box.lower):
        raise UnfitError("nothing moves")
    return setting


def _layering(rng: np.random.Generator, shape: Shape) -> Layering:
    count = 1 if shape == (1, 1, 1) else int(rng.integers(1, 3))
    index = rng.permutation(np.arange(shape[1] * shape[2])) % count
    fixed = rng.random(index.shape) < 0.1
    fixed[:count] = False
    index[fixed & (np.arange(len(index)) > count)] = Layering.FIXED
    return Layering(index.reshape(shape[1:]).astype(np.int16), count)


def _radii(rng: np.random.Generator, width: float, count: int) -> Array:
    """Return radii ``(count,)`` some times wider than the spike; now and then one is tiny."""
    least = np.log10(max(3.0 * width, 1e-5))
    radii = 10.0 ** rng.uniform(least, max(-0.5, least)) * rng.uniform(0.5, 1.0, count)
    if count > 1 and rng.random() < 0.15:
        radii[int(rng.integers(count))] = 10.0 ** rng.uniform(-8.0, -4.0)
    return np.asarray(radii)
