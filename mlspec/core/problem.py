"""Everything a search needs to know: classifier, image, layers, property, weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlspec.core import forward
from mlspec.core.fuse import fused
from mlspec.core.layering import Layering
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array, Network
from mlspec.core.objective import OBJECTIVES, Objective, WeightedSum
from mlspec.core.property import Property


@dataclass(frozen=True, eq=False)
class Problem:
    """Find the eps of the largest value whose neighborhood around ``image`` is robust."""

    network: Network
    image: Array
    """``(C, H, W)``, in [0, 1]."""
    object_mask: NDArray[np.bool_]
    """``(H, W)``: the pixels of the object, or objects, that the layers surround."""
    layering: Layering
    property: Property
    weights: Array
    """One per radius of the layering, ``(R,)``, non-negative."""
    label_names: tuple[str, ...]
    aim: str = WeightedSum.name
    """Name of the objective."""

    @cached_property
    def objective(self) -> Objective:
        """What an eps is worth."""
        return OBJECTIVES[self.aim](self.weights)

    @cached_property
    def relaxed(self) -> Network:
        """The network with as few ops as possible: what bounds, attacks and encodings work on."""
        return fused(self.network)

    def neighborhood(self, eps: Array) -> Neighborhood:
        """Return the layered neighborhood of ``eps`` ``(R,)``."""
        return Neighborhood(self.image, self.layering, np.asarray(eps, dtype=np.float64))

    def margin(self, images: Array) -> Array:
        """Return the property's margin ``(B,)`` on ``images`` ``(B, C, H, W)``, in float64."""
        return self.property.margin(forward.scores(self.network, images))

    def size(self, eps: Array) -> float:
        """Return ``weights @ eps``."""
        return float(self.weights @ eps)
