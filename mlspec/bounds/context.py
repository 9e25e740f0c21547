"""What all bounds of one property share: its network in torch, on one device, and its claims."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from mlspec.bounds.domain import Boxes
from mlspec.core.clock import WALL, Clock
from mlspec.core.neighborhood import Box
from mlspec.core.network import Network
from mlspec.core.property import Claim, Property
from mlspec.tensors import CPU, TensorNetwork


@dataclass(frozen=True, eq=False)
class BoundsContext:
    """A network, as ``fused`` returns it, a property of it, and the device to compute on."""

    network: Network
    property_: Property
    device: torch.device = CPU
    clock: Clock = WALL
    """What the work counts on."""

    @cached_property
    def net(self) -> TensorNetwork:
        """The network in float64."""
        return TensorNetwork(self.network, torch.float64, self.device, self.clock)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What has to hold."""
        return self.property_.claims

    def boxes(self, box: Box) -> Boxes:
        """Return one box as a domain."""
        return Boxes(self.net.tensor(box.lower[None]), self.net.tensor(box.upper[None]))
