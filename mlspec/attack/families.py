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
        images = self._images(eps)
        return images[np.argsort(self._margins(images), kind="stable")]

    def across(self, radii: Array, images: Array) -> list[Array]:
        """Return sets of images ``(V, C, H, W)``, one for each of ``radii`` ``(V, R)``, whose
        convex combinations seem to violate, the most violating first.

        ``images`` ``(V, C, H, W)`` are one such set to try.
        """
        tried = np.concatenate([images[None], np.stack([*map(self._images, radii)], axis=1)])
        worst = self._margins(tried).max(axis=1)
        corners = np.argsort(worst, kind="stable")[:WORTH_SAMPLING]
        corners = corners[worst[corners] < 0.0]
        shares = np.random.default_rng(0).dirichlet(np.ones(len(radii)), SAMPLES)
        inside = self._margins(np.einsum("sv,tvchw->tschw", shares, tried[corners]))
        worst = np.maximum(worst[corners], inside.max(axis=1))
        order = np.argsort(worst, kind="stable")
        return [tried[corners[number]] for number in order if worst[number] < 0.0]

    def _images(self, eps: Array) -> Array:
        """Return the images ``(P, C, H, W)`` of all patterns at the radius ``eps`` ``(R,)``."""
        image = self._problem.image
        patterns = np.array(self._patterns).reshape(-1, *image.shape)
        down, up = self._problem.layering.reach(eps)
        moved = image + patterns * np.where(patterns < 0.0, down, up)
        return np.asarray(np.clip(moved, 0.0, 1.0))

    def _margins(self, images: Array) -> Array:
        """Return the property's margins ``(...)`` of ``images`` ``(..., C, H, W)``, about."""
        batch = images.reshape(-1, *self._problem.image.shape)
        with torch.no_grad():
            scores = self._net.forward(self._net.tensor(batch)).cpu().numpy()
        return self._problem.property.margin(scores).reshape(images.shape[:-3])
