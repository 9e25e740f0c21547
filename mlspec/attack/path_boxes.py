"""The neighborhoods on a path, and violating images inside them: what minimum-norm attacks work on.

A path maps a share in [0, 1] to an eps that grows with the share. The attack looks for the
violating image of the least share. Axes: ``B`` candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlspec.attack.context import AttackContext
from mlspec.attack.margins import TargetSubsets
from mlspec.core.bisection import Bisection
from mlspec.core.network import Array
from mlspec.core.protocols import EpsPath
from mlspec.tolerances import BOX_SLACK


@dataclass(frozen=True, eq=False)
class Violation:
    """A violating image on a path."""

    share: float
    """In [0, 1]: the image lies in the neighborhood at this share of the path."""
    image: Array
    """``(C, H, W)``, replayed in float64."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """A batch of images, each with the share of the path whose box holds it and the subset of
    margins it targets."""

    images: Array
    """``(B, C, H, W)``."""
    shares: Array
    """``(B,)``."""
    targets: TargetSubsets

    def __len__(self) -> int:
        return len(self.shares)

    def take(self, numbers: NDArray[np.intp]) -> Candidates:
        """Return the candidates of these ``numbers``, which may repeat."""
        return Candidates(self.images[numbers], self.shares[numbers], self.targets.take(numbers))

    def best(self, count: int | None = None) -> Candidates:
        """Return the ``count`` candidates of least share, the least first; all by default."""
        return self.take(np.argsort(self.shares, kind="stable")[:count])

    def joined(self, other: Candidates) -> Candidates:
        """Return the candidates of both, those of ``other`` last."""
        return Candidates(
            np.concatenate([self.images, other.images]),
            np.concatenate([self.shares, other.shares]),
            self.targets.joined(other.targets),
        )

    @property
    def violation(self) -> Violation:
        """The candidate of least share, which must violate."""
        first = int(np.argmin(self.shares))
        return Violation(float(self.shares[first]), self.images[first])


@dataclass(frozen=True, eq=False)
class PathBoxes:
    """The neighborhoods of one problem on one path, as boxes."""

    context: AttackContext
    path: EpsPath
    halvings: int = 32
    """Bisection steps by which the least share that holds an image is found."""

    def at(self, shares: Array) -> tuple[Array, Array]:
        """Return the lower and upper ends of the boxes at ``shares`` ``(B,)``, both ``(B, C, H,
        W)``."""
        problem = self.context.problem
        down, up = problem.layering.reach(self.path(shares))
        image = problem.image
        return np.clip(image - down[:, None], 0.0, 1.0), np.clip(image + up[:, None], 0.0, 1.0)

    def random_images(self, shares: Array, rng: np.random.Generator) -> Array:
        """Return one image ``(B, C, H, W)`` in each box, every second at a corner."""
        low, high = self.at(shares)
        place = rng.random(low.shape)
        place[::2] = np.round(place[::2])
        return np.asarray(low + place * (high - low))

    def shares_of(self, images: Array) -> Array:
        """Return the least shares ``(B,)`` whose boxes hold ``images`` ``(B, C, H, W)``; infinity
        where none does."""
        problem = self.context.problem
        extents = np.array([problem.layering.extents(each) for each in images - problem.image])
        extents = extents.reshape(-1, problem.layering.count)

        def outside(shares: Array) -> NDArray[np.bool_]:
            return np.asarray((extents > self.path(shares) + BOX_SLACK).any(axis=1))

        bisection = Bisection(steps=self.halvings)
        _, shares = bisection.narrow_each(outside, np.zeros(len(images)), np.ones(len(images)))
        return np.where(outside(shares), np.inf, shares)

    def violating(self, candidates: Candidates) -> Candidates:
        """Return the candidates that violate, clipped to their boxes and replayed one by one."""
        if not len(candidates):
            return candidates
        images = np.clip(candidates.images, *self.at(candidates.shares))
        clipped = Candidates(images, candidates.shares, candidates.targets)
        return clipped.take(np.flatnonzero(self.context.replay(images) <= 0.0))
