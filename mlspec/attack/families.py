"""Families of violating images: one for every radius, from a single witness.

A witness is a pattern of movements, each a share of how far its pixel may go. At another radius the
same shares of other movements are another image: linear in the radius, but for the ends of [0, 1].
Where one radius is broken, the images of known patterns often break its neighbours.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import torch

from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.tensors import CPU, TensorNetwork

REMEMBERED = 16
"""Patterns that are tried."""
SAMPLES = 24
"""Convex combinations at which a family is tried before it is worth a bound."""
WORTH_SAMPLING = 3
"""Families that are tried at them: those that violate by most at the corners."""


class Families:
    """Patterns of one problem's witnesses."""

    def __init__(self, problem: Problem, device: torch.device = CPU) -> None:
        self._problem = problem
        self._net = TensorNetwork(problem.relaxed, torch.float64, device)
        self._patterns: deque[Array] = deque(maxlen=REMEMBERED)

    def learn(self, image: Array, eps: Array) -> None:
        """Remember what ``image`` ``(C, H, W)`` does within the radius ``eps`` ``(R,)``."""
        change = image - self._problem.image
        down, up = self._problem.layering.reach(eps)
        reach = np.where(change < 0.0, down, up)
        pattern = np.divide(change, reach, out=np.zeros_like(change), where=reach > 0.0)
        self._patterns.append(np.clip(pattern, -1.0, 1.0))

    def at(self, eps: Array) -> Array:
        """Return the images ``(P, C, H, W)`` of all patterns at the radius ``eps`` ``(R,)``, the
        weakest first."""
        if not self._patterns:
            return np.empty((0, *self._problem.image.shape))
        images = np.stack([self._image(pattern, eps) for pattern in self._patterns])
        return images[np.argsort(self._margins(images), kind="stable")]

    def across(self, radii: Array, images: Array) -> list[Array]:
        """Return sets of images ``(V, C, H, W)``, one for each of ``radii`` ``(V, R)``, whose
        convex combinations seem to violate, the most violating first.

        ``images`` ``(V, C, H, W)`` are one such set to try.
        """
        tried = [images]
        tried += [np.stack([self._image(each, eps) for eps in radii]) for each in self._patterns]
        worst = [float(self._margins(each).max()) for each in tried]
        corners = sorted(range(len(tried)), key=lambda number: worst[number])[:WORTH_SAMPLING]
        shares = np.random.default_rng(0).dirichlet(np.ones(len(radii)), SAMPLES)
        found = []
        for number in corners:
            if worst[number] < 0.0:
                inside = self._margins(np.einsum("sv,vchw->schw", shares, tried[number]))
                found.append((max(worst[number], float(inside.max())), tried[number]))
        return [each for margin, each in sorted(found, key=lambda pair: pair[0]) if margin < 0.0]

    def _image(self, pattern: Array, eps: Array) -> Array:
        down, up = self._problem.layering.reach(eps)
        moved = self._problem.image + pattern * np.where(pattern < 0.0, down, up)
        return np.asarray(np.clip(moved, 0.0, 1.0))

    def _margins(self, images: Array) -> Array:
        """Return the property's margins ``(N,)``, about."""
        with torch.no_grad():
            scores = self._net.forward(self._net.tensor(images)).cpu().numpy()
        return self._problem.property.margin(scores)
