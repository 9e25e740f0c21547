"""All bounds of one property, for tests that compare them."""

from __future__ import annotations

import torch

from mlspec.bounds.alpha import AlphaCrown
from mlspec.bounds.analysis import Analysis
from mlspec.bounds.context import BoundsContext
from mlspec.bounds.crown import Crown
from mlspec.bounds.interval import Interval
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network
from mlspec.core.property import Property
from mlspec.tensors import CPU


class Bounding:
    """Interval, CROWN and alpha-CROWN bounds on one context."""

    def __init__(
        self, network: Network, property_: Property, iterations: int, device: torch.device = CPU
    ) -> None:
        context = BoundsContext(network, property_, device)
        self._interval, self._crown = Interval().on(context), Crown().on(context)
        self._alpha = AlphaCrown(iterations=iterations).on(context)

    def interval(self, box: Box, deadline: Deadline = NEVER) -> Analysis:
        return self._interval.analyse(box, deadline=deadline)

    def crown(self, box: Box, deadline: Deadline = NEVER) -> Analysis:
        return self._crown.analyse(box, deadline=deadline)

    def alpha(self, earlier: Analysis, deadline: Deadline = NEVER) -> Analysis:
        """Return what optimised bounds say of the box of ``earlier`` ones."""
        bounds = earlier.bounds()
        return self._alpha.analyse(Box(bounds.lower[0], bounds.upper[0]), earlier, deadline)

    def all(self, box: Box) -> dict[str, Analysis]:
        """Return what each kind of bounds says of ``box``, by its name."""
        found = {"interval": self.interval(box), "crown": self.crown(box)}
        found["alpha"] = self.alpha(found["crown"])
        found["alpha of interval"] = self.alpha(found["interval"])
        return found

    def slopes(self, box: Box, deadline: Deadline = NEVER) -> tuple[float, Array, Array]:
        return self._crown.slopes(box, deadline)

    def violated_throughout(self, images: Array, deadline: Deadline = NEVER) -> bool:
        return self._crown.violated_throughout(images, deadline)
