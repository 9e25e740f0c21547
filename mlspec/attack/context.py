"""What every attack on a problem shares: its network in torch, and the float64 replay."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from mlspec.attack.margins import TargetSubsets
from mlspec.core import forward
from mlspec.core.clock import WALL, Clock
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.tensors import CPU, TensorNetwork


@dataclass(frozen=True, eq=False)
class AttackContext:
    """A problem, and the device on which attacks compute; networks are made once, when needed."""

    problem: Problem
    device: torch.device = CPU
    clock: Clock = WALL
    """What the work counts on."""

    @cached_property
    def exact(self) -> TensorNetwork:
        """The relaxed network in float64."""
        return TensorNetwork(self.problem.relaxed, torch.float64, self.device, self.clock)

    @cached_property
    def fast(self) -> TensorNetwork:
        """The relaxed network in float32."""
        return TensorNetwork(self.problem.relaxed, torch.float32, self.device, self.clock)

    @cached_property
    def centre_scores(self) -> Array:
        """The scores ``(M,)`` of the image itself, in float64."""
        return np.asarray(forward.scores(self.problem.network, self.problem.image[None])[0])

    def closest_targets(self, images: Array) -> TargetSubsets:
        """Return for each of ``images`` ``(B, C, H, W)`` the ``k`` smallest margins of its weakest
        claim."""
        labels = self.problem.property.labels
        scores = np.empty((0, labels))
        if len(images):
            scores = forward.scores(self.problem.network, images)
        return TargetSubsets.closest(self.problem.property, scores)

    def likely_targets(self, extra: int) -> TargetSubsets:
        """Return, over all claims, the subsets of the ``k + extra`` margins that are smallest at
        the image itself."""
        return TargetSubsets.likely(self.problem.property, self.centre_scores, extra)

    def replay(self, images: Array) -> Array:
        """Return the property's margins ``(B,)`` of ``images`` ``(B, C, H, W)`` in float64.

        Each image is replayed alone, as a witness is: a product over a batch may round differently.
        """
        return np.array([self.problem.margin(image[None])[0] for image in images])
