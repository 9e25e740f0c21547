"""Witness patterns: one witness gives an image of every neighborhood, which often violates too.

A pattern is the movement of a witness, each pixel's as a share of how far it may go. With other
epsilons the same shares give another image, linear in them but for the ends of [0, 1]. Where a
neighborhood is violated, the images of known patterns often violate similar neighborhoods.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import torch

from mlspec.attack.context import AttackContext
from mlspec.core.network import Array


@dataclass(frozen=True, eq=False)
class WitnessPatterns:
    """The patterns of one problem's last witnesses."""

    context: AttackContext
    remembered: int = 16
    """Patterns that are kept; the oldest is dropped first."""
    sampled: int = 3
    """Sets of images that are sampled: those with the most negative margins."""
    samples: int = 24
    """Convex combinations of a set at which it is sampled, before bounds are spent on it."""
    _patterns: deque[Array] = field(default_factory=deque, init=False)

    def learn(self, image: Array, eps: Array) -> None:
        """Remember how ``image`` ``(C, H, W)`` moves in the neighborhood of ``eps`` ``(R,)``."""
        problem = self.context.problem
        change = image - problem.image
        down, up = problem.layering.reach(eps)
        reach = np.where(change < 0.0, down, up)
        pattern = np.divide(change, reach, out=np.zeros_like(change), where=reach > 0.0)
        self._patterns.append(np.clip(pattern, -1.0, 1.0))
        if len(self._patterns) > self.remembered:
            self._patterns.popleft()

    def at(self, eps: Array) -> Array:
        """Return the images ``(P, C, H, W)`` of all patterns in the neighborhood of ``eps``
        ``(R,)``, those of the smallest margins first."""
        images = self._images(eps)
        return images[np.argsort(self._margins(images), kind="stable")]

    def across(self, vertices: Array, images: Array) -> list[Array]:
        """Return sets of images ``(V, C, H, W)``, one for each of ``vertices`` ``(V, R)``, whose
        convex combinations violate at all samples, the clearest first.

        ``images`` ``(V, C, H, W)`` are one such set to try, beside those of the patterns.
        """
        tried = np.concatenate([images[None], np.stack([*map(self._images, vertices)], axis=1)])
        largest = self._margins(tried).max(axis=1)
        chosen = np.argsort(largest, kind="stable")[: self.sampled]
        chosen = chosen[largest[chosen] < 0.0]
        shares = np.random.default_rng(0).dirichlet(np.ones(len(vertices)), self.samples)
        inside = self._margins(np.einsum("sv,tvchw->tschw", shares, tried[chosen]))
        largest = np.maximum(largest[chosen], inside.max(axis=1))
        order = np.argsort(largest, kind="stable")
        return [tried[chosen[number]] for number in order if largest[number] < 0.0]

    def _images(self, eps: Array) -> Array:
        """Return the images ``(P, C, H, W)`` of all patterns in the neighborhood of ``eps``
        ``(R,)``."""
        problem = self.context.problem
        patterns = np.array(self._patterns).reshape(-1, *problem.image.shape)
        down, up = problem.layering.reach(eps)
        moved = problem.image + patterns * np.where(patterns < 0.0, down, up)
        return np.asarray(np.clip(moved, 0.0, 1.0))

    def _margins(self, images: Array) -> Array:
        """Return the property's margins ``(...)`` of ``images`` ``(..., C, H, W)``, without a
        replay."""
        problem, network = self.context.problem, self.context.exact
        batch = images.reshape(-1, *problem.image.shape)
        with torch.no_grad():
            scores = network.forward(network.tensor(batch)).cpu().numpy()
        return problem.property.margin(scores).reshape(images.shape[:-3])
